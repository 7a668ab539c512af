"""The account of every fault scenario and what was measured beside it, shown when the run ends, however many processes ran it."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.faults.judge import ACCOUNT_COLUMNS, Account

ACCOUNT = "account"
NOTE = "note"
_REPORTS = pytest.StashKey[list[pytest.TestReport]]()


def keep_account(item: pytest.Item, account: Account) -> None:
    """The newest account of a scenario counts."""
    item.user_properties[:] = [one for one in item.user_properties if one[0] != ACCOUNT]
    item.user_properties.append((ACCOUNT, asdict(account)))


def keep_note(item: pytest.Item, text: str) -> None:
    """Something measured, told below the accounts."""
    item.user_properties.append((NOTE, text))


def pytest_configure(config: pytest.Config) -> None:
    """Reports come from this process, or from those that run the tests for it."""
    config.stash[_REPORTS] = []
    config.pluginmanager.register(_Reports(config))


class _Reports:
    def __init__(self, config: pytest.Config) -> None:
        self._reports = config.stash[_REPORTS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what tells of a scenario."""
        if report.when == "call" and report.user_properties:
            self._reports.append(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line a scenario; the file that METERWARDEN_ACCOUNTS names gets the same as JSON."""
    accounts = dict(_told(config, ACCOUNT))
    if not accounts:
        return
    terminalreporter.section("accounts: readings and rejected messages, published against the database")
    terminalreporter.write_line("".join(f"{name:>10}" for name in ACCOUNT_COLUMNS) + "  scenario")
    for name, account in accounts.items():
        terminalreporter.write_line("".join(f"{number:>10,}" for number in account.values()) + f"  {name.replace('_', ' ')}")
    totals = [sum(account[column] for account in accounts.values()) for column in ACCOUNT_COLUMNS]
    terminalreporter.write_line("".join(f"{number:>10,}" for number in totals) + f"  all {len(accounts)} scenarios")
    for name, text in _told(config, NOTE):
        terminalreporter.write_line(f"{text}  ({name.replace('_', ' ')})")
    if path := os.environ.get("METERWARDEN_ACCOUNTS"):
        Path(path).write_text(json.dumps(accounts, indent=1), encoding="utf-8")


def _told(config: pytest.Config, kind: str) -> Iterator[tuple[str, Any]]:
    """What scenarios told of one kind, in the order of their names in the files."""
    for report in sorted(config.stash[_REPORTS], key=lambda report: (report.fspath, report.location[1] or 0)):
        name = report.nodeid.rpartition("::")[2].removeprefix("test_")
        yield from ((name, told) for property_, told in report.user_properties if property_ == kind)
