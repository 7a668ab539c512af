"""An institution with a small fleet, and the account of every scenario, shown at the end of the run."""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Database
from tests.faults.judge import ACCOUNT_COLUMNS, Account, judged
from tests.faults.stream import ELECTRICITY, WATER, Stream
from tests.registries import import_files, institution, meter, write_files
from tests.running import institution_code

ACCOUNTS = pytest.StashKey[dict[str, Account]]()
NOTES = pytest.StashKey[list[str]]()

Judge = Callable[..., Awaitable[Account]]
Note = Callable[[str], None]


def pytest_configure(config: pytest.Config) -> None:
    """No scenario has an account yet."""
    config.stash[ACCOUNTS] = {}
    config.stash[NOTES] = []


async def register_fleet(database: Database, directory: Path, **denominators: float) -> str:
    """Register the fleet of `tests.faults.stream`; returns the code of its institution, which has these denominators."""
    code = institution_code()
    meters = [meter(one, code, "water" if one in WATER else "electricity", register_digits=7) for one in (*ELECTRICITY, *WATER)]
    await import_files(database, write_files(directory / "registry", [institution(code, **denominators)], meters))
    return code


@pytest.fixture
async def stream(database: Database, tmp_path: Path, seed: int) -> Stream:
    """The fleet's messages, with their ledger; the fleet is registered in the test's database."""
    return Stream(await register_fleet(database, tmp_path), seed)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Hold a database against a stream's ledger, and show the account at the end of the run."""

    async def and_note(database: Database, stream: Stream, **options: Any) -> Account:
        account = await judged(database, stream.ledger, **options)
        name = request.node.name.removeprefix("test_")
        request.config.stash[ACCOUNTS][name] = account
        return account

    return and_note


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Say something measured at the end of the run, below the accounts."""
    name = request.node.name.removeprefix("test_").replace("_", " ")
    return lambda text: request.config.stash[NOTES].append(f"{text}  ({name})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line a scenario; the file that METERWARDEN_ACCOUNTS names gets the same as JSON."""
    accounts = config.stash[ACCOUNTS]
    if not accounts:
        return
    terminalreporter.section("accounts: readings and rejected messages, published against the database")
    terminalreporter.write_line("".join(f"{name:>10}" for name in ACCOUNT_COLUMNS) + "  scenario")
    for name, account in accounts.items():
        terminalreporter.write_line(
            "".join(f"{number:>10,}" for number in asdict(account).values()) + f"  {name.replace('_', ' ')}"
        )
    totals = {column: sum(asdict(account)[column] for account in accounts.values()) for column in ACCOUNT_COLUMNS}
    terminalreporter.write_line("".join(f"{number:>10,}" for number in totals.values()) + f"  all {len(accounts)} scenarios")
    for line in config.stash[NOTES]:
        terminalreporter.write_line(line)
    if path := os.environ.get("METERWARDEN_ACCOUNTS"):
        Path(path).write_text(json.dumps({name: asdict(one) for name, one in accounts.items()}, indent=1), encoding="utf-8")
