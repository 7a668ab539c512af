"""The simulator's commands, its registry files, and what the user sees meanwhile."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simulators import fleet, registry
from simulators.cli import Clock, simulate
from simulators.month import Month
from simulators.progress import Progress

NOW = Clock(lambda: datetime(2026, 10, 31, 16, 0, tzinfo=UTC))
"""Midnight in Shanghai: November has just begun there, and not yet in UTC."""


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(simulate, [str(each) for each in arguments], obj=NOW, env=environment)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_registry_files_have_the_documented_columns(tmp_path: Path) -> None:
    """All nine, with a row for every institution and meter."""
    of = fleet.build(12, 1, Month(2026, 10))
    paths = registry.write(of, tmp_path)
    assert {path.name for path in paths} == {f"{name}.csv" for name in registry.COLUMNS}
    assert [row["institution"] for row in rows(tmp_path / "institutions.csv")] == list(of.codes)
    assert len(rows(tmp_path / "meters.csv")) == sum(len(each.meters) for each in of.institutions)
    assert len(rows(tmp_path / "chargers.csv")) == sum(len(each.chargers) for each in of.institutions)
    documented = (Path(__file__).parents[2] / "docs" / "registry.md").read_text(encoding="utf-8")
    for columns in registry.COLUMNS.values():
        assert f"`{', '.join(columns.split())}`" in documented


def test_sample_quotas_rise_and_say_that_they_are_samples(tmp_path: Path) -> None:
    """Guide below benchmark below constraint, a year and its twelve months for every class and indicator."""
    registry.write(fleet.build(1, 1, Month(2026, 10)), tmp_path)
    quotas = rows(tmp_path / "quotas.csv")
    assert len(quotas) == 2 * 5 * 13 == len({row["quota"] for row in quotas})
    for row in quotas:
        assert 0 < float(row["guide"]) < float(row["benchmark"]) < float(row["constraint"])
        assert (row["standard"], row["sample"], row["confidence"]) == ("SAMPLE", "yes", "sample")


def test_the_default_month_is_the_last_closed_one_in_shanghai(tmp_path: Path) -> None:
    """By the clock it is given, local time."""
    assert Month.last_closed(NOW.now()) == Month(2026, 10)
    assert Month.last_closed(datetime(2026, 10, 31, 15, 59, tzinfo=UTC)) == Month(2026, 9)
    result = run("registry", tmp_path / "new", "--institutions", 2)
    assert result.exit_code == 0, result.output
    assert "9 files for 2 institutions" in result.output


def test_options_come_from_the_environment_too(tmp_path: Path) -> None:
    """As METERWARDEN_SIMULATOR_ and the option's name."""
    run("registry", tmp_path, METERWARDEN_SIMULATOR_INSTITUTIONS="3")
    assert len(rows(tmp_path / "institutions.csv")) == 3


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["registry", "{tmp}/file"], "choose another directory"),
        (["registry", "{tmp}/x", "--month", "2026-13"], "give year and month"),
        (["publish", "--institutions", "1", "--ledger", "{tmp}/file"], "delete it or name a new file"),
        (["publish", "--institutions", "1", "--ledger", "{tmp}/none/new"], "make it, or choose another"),
        (["publish", "--institutions", "1", "--ledger", "{tmp}/new", "--port", "1"], "check that it runs"),
        (["publish", "--ledger", "{tmp}/new", "--password-file", "{tmp}/none"], "check --password-file"),
        (["verify", "--ledger", "{tmp}/none", "--database-url", "postgresql://127.0.0.1:1/x"], "writes one"),
        (["verify", "--ledger", "{tmp}/file", "--database-url", "postgresql://127.0.0.1:1/x"], "is not a ledger"),
    ],
)
def test_every_error_says_what_to_do_next(tmp_path: Path, arguments: list[str], advice: str) -> None:
    """And ends with a code of its own, without a traceback."""
    (tmp_path / "file").write_text("no ledger", encoding="utf-8")
    result = run(*(each.format(tmp=tmp_path) for each in arguments))
    assert result.exit_code in (1, 2)
    assert advice in " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit)


def test_progress_says_a_line_every_tenth() -> None:
    """Where no terminal watches; the last line has the true count."""
    said, seconds = io.StringIO(), iter(range(100))
    progress = Progress(100, said, lambda: float(next(seconds)))
    for count in range(1, 96):
        progress(count)
    progress.finish(95)
    lines = said.getvalue().splitlines()
    assert len(lines) == 10
    assert "100 %" in lines[-1]
    assert "95 messages" in lines[-1]


def test_progress_stays_on_one_line_of_a_terminal() -> None:
    """It goes back to the line's start instead of ending it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    said = Terminal()
    progress = Progress(1000, said, lambda: 1.0)
    for count in range(1, 1001):
        progress(count)
    progress.finish(1000)
    assert said.getvalue().count("\n") == 1
    assert said.getvalue().count("\r") == 201
