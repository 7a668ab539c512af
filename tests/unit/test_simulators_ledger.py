"""The ledger, and the comparison of it with what a database holds."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulators import compare, faults, fleet, ledger, stream
from simulators.compare import Comparison
from simulators.faults import Rates
from simulators.month import Month
from simulators.report import Report

MONTH = Month(2026, 2)
INSTITUTIONS = 4
"""Enough for every kind of malformed message, a flag for electricity and one for water."""
Change = Callable[[dict[str, list[tuple[object, ...]]]], object]

FAITHFUL = {
    "found_reading": "SELECT *, 0 FROM reading",
    "found_hour": "SELECT * FROM truth_hour",
    "found_month": "SELECT institution, medium, meter, register, month, amount_micro FROM truth_month",
    "found_quarantine": "SELECT key, reason FROM message WHERE outcome = 'rejected'",
    "found_flag": "SELECT institution, indicator, period_kind, period_start FROM expected_flag WHERE exceeded",
}
"""What a perfect database would answer."""


def write(path: Path, seed: int = 5) -> Path:
    """A ledger of a small fleet with every fault."""
    of = fleet.build(INSTITUTIONS, seed, MONTH)
    with ledger.create(path) as book:
        book.describe({"seed": seed})
        book.know(of)
        for _ in book.recorded(faults.inject(stream.messages(of), Rates(0.02, 0.02, 0.01), seed, of.codes)):
            pass
        book.describe({"complete": "yes"})
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")


@pytest.fixture
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with ledger.read(path) as connection:
        yield connection


def compared(connection: sqlite3.Connection, change: Change | None = None) -> Report:
    """The report on a database that is perfect but for `change`."""
    found = {table: connection.execute(query).fetchall() for table, query in FAITHFUL.items()}
    if change:
        change(found)
    comparison = Comparison(connection)
    for table, rows in found.items():
        comparison.found(table, rows[:700])
        comparison.found(table, rows[700:])
    return comparison.report()


def test_the_same_seed_writes_the_same_ledger(path: Path, tmp_path: Path) -> None:
    """Equal content, table by table; another seed another content."""

    def digest(of: Path) -> str:
        with ledger.read(of) as connection:
            return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()

    assert digest(write(tmp_path / "again")) == digest(path)
    assert digest(write(tmp_path / "other", seed=6)) != digest(path)


def test_the_ledger_counts_distinct_messages_and_how_often_they_were_sent(opened: sqlite3.Connection) -> None:
    """Sums agree with the stream; the key is SHA-256 of topic, zero byte, payload."""
    of = fleet.build(INSTITUTIONS, 5, MONTH)
    sent = list(faults.inject(stream.messages(of), Rates(0.02, 0.02, 0.01), 5, of.codes))
    counted = opened.execute("SELECT count(*), sum(published) FROM message").fetchone()
    assert counted == (len({(message.topic, message.payload) for message in sent}), len(sent))
    first = hashlib.sha256(sent[0].topic.encode() + b"\0" + sent[0].payload).digest()
    assert opened.execute("SELECT topic FROM message WHERE key = ?", (first,)).fetchone() == (sent[0].topic,)


def test_month_truth_is_the_sum_of_hour_truth(opened: sqlite3.Connection) -> None:
    """For every meter, in integers."""
    sums = "SELECT institution, medium, meter, register, sum(amount_micro) FROM truth_hour GROUP BY 1, 2, 3, 4"
    months = "SELECT institution, medium, meter, register, amount_micro FROM truth_month ORDER BY 1, 2, 3, 4"
    assert opened.execute(sums).fetchall() == opened.execute(months).fetchall()


def test_a_ledger_is_never_written_over(path: Path, tmp_path: Path) -> None:
    """Two runs in one ledger would prove nothing; a missing one is told from an empty one."""
    with pytest.raises(FileExistsError), ledger.create(path):
        pass
    with pytest.raises(FileNotFoundError), ledger.read(tmp_path / "none"):
        pass


def test_a_perfect_database_agrees(opened: sqlite3.Connection) -> None:
    """No problem, and the summary says what was compared."""
    report = compared(opened)
    assert report.agrees
    assert report.problems == []
    assert report.readings_expected == report.readings_found > 10_000
    assert report.quarantined == report.rejected > 15
    assert report.flags_expected == report.flags_raised != frozenset()
    assert "agrees with the ledger" in report.summary()


def test_a_comparison_leaves_the_ledger_as_it_was(path: Path, opened: sqlite3.Connection) -> None:
    """Tables of a comparison are temporary."""
    before = path.read_bytes()
    compared(opened)
    assert path.read_bytes() == before


def test_less_than_a_display_step_of_difference_agrees(opened: sqlite3.Connection) -> None:
    """Because the register shows no more; the report states how much it was."""

    def shift(found: dict[str, list[tuple[object, ...]]]) -> None:
        found["found_month"] = opened.execute(
            "SELECT institution, medium, meter, register, month, amount_micro + quantum_micro FROM truth_month"
        ).fetchall()

    report = compared(opened, shift)
    assert report.agrees
    assert {largest.display_steps for largest in report.months} == {1.0}
    assert {largest.unit for largest in report.months} == {"kWh", "m3"}


def _drop(table: str) -> Change:
    return lambda found: found[table].pop()


def _add(table: str, *row: object) -> Change:
    return lambda found: found[table].append(row)


def _edit(table: str, column: int, to: object) -> Change:
    def change(found: dict[str, list[tuple[object, ...]]]) -> None:
        row = found[table][0]
        found[table][0] = (*row[:column], to, *row[column + 1 :])

    return change


STRANGER = ("XN-9999", "electricity", "EM-01", "energy_import_kwh")
WRONG = {
    "rejected messages missing from quarantine": _drop("found_quarantine"),
    "messages in quarantine that should not be there": _add("found_quarantine", b"\1" * 32, "wrong_type"),
    "messages in quarantine for another reason": _edit("found_quarantine", 1, "decoder_error"),
    "readings missing": _drop("found_reading"),
    "readings never sent": _add("found_reading", *STRANGER, 0, 0, 0),
    "readings with another value": _edit("found_reading", 5, -1),
    "readings disputed": _edit("found_reading", 6, 1),
    "meter-months without consumption": _drop("found_month"),
    "meter-months with consumption nobody used": _add("found_month", *STRANGER, "2026-02", 1),
    "meter-months off by more than a display step": _edit("found_month", 5, 10**15),
    "meter-hours without consumption": _drop("found_hour"),
    "meter-hours with consumption nobody used": _add("found_hour", *STRANGER, 0, 1),
    "meter-hours off by more than a display step": _edit("found_hour", 5, 10**15),
    "flags not raised": _drop("found_flag"),
    "flags raised without cause": _add("found_flag", "XN-0001", "electricity_per_area", "year", "2026-01-01"),
    "keys twice in found_reading": lambda found: found["found_reading"].append(found["found_reading"][0]),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_row_is_one_finding(opened: sqlite3.Connection, name: str) -> None:
    """Named for what it is, once, and nothing else with it."""
    report = compared(opened, WRONG[name])
    assert [(finding.name, finding.count) for finding in report.findings] == [(name, 1)]
    assert not report.agrees
    assert name in report.summary()


def test_a_wrong_value_is_shown_beside_the_right_one(opened: sqlite3.Connection) -> None:
    """With the meter and the instant, in units."""
    report = compared(opened, WRONG["meter-months off by more than a display step"])
    assert report.problems[0].startswith("1 meter-months off by more than a display step: XN-0001 ")
    assert " 2026-02: 1000000000.0 instead of " in report.problems[0]


def test_problems_show_at_most_five_examples(opened: sqlite3.Connection) -> None:
    """A line a kind, however much is wrong."""
    report = compared(opened, lambda found: found["found_reading"].clear())
    assert len(report.problems) == 1
    assert report.problems[0].count(";") == compare.EXAMPLES
    assert report.problems[0].startswith(f"{report.readings_expected:,} readings missing: XN-0001")


def test_an_unfinished_ledger_never_agrees(tmp_path: Path) -> None:
    """Because what it lacks may have been published."""
    with ledger.create(tmp_path / "broken"):
        pass
    with ledger.read(tmp_path / "broken") as connection:
        report = Comparison(connection).report()
    assert report.problems == [f"1 {compare.UNFINISHED}"]
