"""The ledger, and the comparison of it with what a database holds."""

import hashlib
import sqlite3
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import blobs, compare, expected, faults, fleet, ledger, notes, run, stream
from simulators.compare import Comparison
from simulators.expected import Key
from simulators.faults import Rates
from simulators.gateway import Outages
from simulators.month import Month
from simulators.report import Report
from simulators.run import Run
from simulators.scenario import Scenario

MONTH = Month(2026, 2)
DAYS = 6
RATES = Rates(drop=0.02, duplicates=0.02, late=0.02, malformed=0.03, conflict=0.01, clock_skew=0.1, dip=0.003, spike=0.003)
SCENARIO = Scenario(rates=RATES, outages=Outages(0.05, (2, 12)))


def simulated(seed: int, scenario: Scenario = SCENARIO, days: int = DAYS) -> Run:
    return run.build(fleet.build(10, seed, MONTH), scenario, days)


def write(path: Path, of: Run) -> Path:
    """A ledger of a small fleet with every fault."""
    with ledger.create(path) as book:
        book.describe({"seed": of.fleet.seed})
        book.know(of)
        for _ in book.recorded(faults.inject(stream.messages(of), of.scenario.rates, of.fleet.seed, of.fleet.codes)):
            pass
        book.describe({"complete": "yes"})
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("ledger") / "ledger.sqlite", simulated(5))


@pytest.fixture
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with ledger.read(path) as connection:
        yield connection


@dataclass
class Answers:
    """What a database would answer: columns by device, messages in quarantine, flags, months of virtual meters."""

    devices: dict[str, dict[Key, list[list[int]]]]
    quarantine: list[tuple[bytes, str]]
    flags: list[tuple[str, str, str, str]] = field(default_factory=list)
    virtual: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    used: list[tuple[str, str, str, int]] = field(default_factory=list)

    def column(self, what: str, number: int, place: int = 0) -> list[int]:
        """A column of one device."""
        return list(self.devices[what].values())[place][number]


def perfect(connection: sqlite3.Connection) -> Answers:
    """What a perfect database would answer."""
    devices: dict[str, dict[Key, list[list[int]]]] = {"readings": {}, "hours": {}, "months": {}}
    for of in expected.devices(connection):
        seconds, values, _ = of.stored.tolist()
        devices["readings"][of.key] = [[at * 1_000_000 for at in seconds], values, [int(at in of.contradicted) for at in seconds]]
        devices["hours"][of.key] = [(of.derived.hours * 1_000_000).tolist(), of.derived.amounts.tolist()]
        months = {int(month.replace("-", "")): amount for month, amount in of.derived.months.items()}
        devices["months"][of.key] = [list(months), list(months.values())]
    quarantine = connection.execute("SELECT key, reason FROM message WHERE outcome = 'rejected'").fetchall()
    return Answers(devices, quarantine, virtual=list(_virtual(connection, devices["months"])))


def _virtual(connection: sqlite3.Connection, months: dict[Key, list[list[int]]]) -> Iterator[tuple[str, str, str, int, int]]:
    """Special electricity less that of the data room, in the one month there is."""
    for institution, meter in connection.execute("SELECT DISTINCT institution, meter FROM virtual"):
        whole, room = (months[institution, "electricity", code, "energy_import_kwh"] for code in ("EM-05", "EM-06"))
        assert whole[0] == room[0] == [202602]
        yield institution, "electricity", meter, 202602, whole[1][0] - room[1][0]


Change = Callable[[Answers], object]


def compared(connection: sqlite3.Connection, change: Change | None = None, tell: notes.Tell | None = None) -> Report:
    """The report on a database that is perfect but for `change`."""
    answers = perfect(connection)
    if change:
        change(answers)
    comparison = Comparison(connection, tell)
    for what, devices in answers.devices.items():
        for key, columns in devices.items():
            comparison.found(what, key, columns)
    comparison.found_quarantine(answers.quarantine)
    comparison.found_virtual(answers.virtual)
    comparison.found_used(answers.used)
    return comparison.report(answers.flags)


def test_the_same_seed_writes_the_same_ledger(path: Path, tmp_path: Path) -> None:
    """Equal content, table by table; another seed another content."""

    def digest(of: Path) -> str:
        with ledger.read(of) as connection:
            return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()

    assert digest(write(tmp_path / "again", simulated(5))) == digest(path)
    assert digest(write(tmp_path / "other", simulated(6))) != digest(path)


def test_the_ledger_counts_distinct_messages_and_how_often_they_were_sent(opened: sqlite3.Connection) -> None:
    """Sums agree with the stream; the key is SHA-256 of topic, zero byte, payload."""
    of = simulated(5)
    sent = list(faults.inject(stream.messages(of), RATES, 5, of.fleet.codes))
    counted = opened.execute("SELECT count(*), sum(published) FROM message").fetchone()
    assert counted == (len({(message.topic, message.payload) for message in sent}), len(sent))
    first = hashlib.sha256(sent[0].topic.encode() + b"\0" + sent[0].payload).digest()
    assert opened.execute("SELECT topic FROM message WHERE key = ?", (first,)).fetchone() == (sent[0].topic,)


def test_every_reading_is_noted_with_the_fate_of_its_message(opened: sqlite3.Connection) -> None:
    """As often as it was published, and once where it was dropped."""
    of = simulated(5)
    noted = {each.key: sorted(map(tuple, each.columns.T.tolist())) for each in expected.devices(opened)}
    sent: dict[Key, list[tuple[int, ...]]] = {key: [] for key in noted}
    for message in faults.inject(stream.messages(of), RATES, 5, of.fleet.codes):
        for device, at, milli in message.readings:
            sent[device.key].append((at, milli, ledger.FATES.index(message.fate)))
    assert noted == {key: sorted(rows) for key, rows in sent.items()}


def test_truth_is_that_of_the_meters_whatever_the_faults(opened: sqlite3.Connection, tmp_path: Path) -> None:
    """For every hour, device, month and institution, in integers."""
    for device, of in zip(simulated(5).devices, expected.devices(opened), strict=True):
        assert of.true_hours.tolist() == list(device.truth.amounts_micro[: DAYS * 24])
    query = "SELECT * FROM truth, institution_month, expected_flag ORDER BY 1, 2, 5, 6, 9"
    with ledger.read(write(tmp_path / "quiet", simulated(5, Scenario()))) as quiet:
        assert quiet.execute(query).fetchall() == opened.execute(query).fetchall()


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**52), st.integers(0, 6))))
def test_readings_come_back_from_their_blob(rows: list[tuple[int, int, int]]) -> None:
    """In whatever order they were sent."""
    numbers = array("q", [number for row in rows for number in row])
    assert [tuple(row) for row in blobs.readings(blobs.packed_readings(numbers)).T.tolist()] == rows


def test_a_ledger_is_never_written_over(path: Path, tmp_path: Path) -> None:
    """Two runs in one ledger would prove nothing; a missing one is told from an empty one."""
    with pytest.raises(FileExistsError), ledger.create(path):
        pass
    with pytest.raises(FileNotFoundError), ledger.read(tmp_path / "none"):
        pass


def test_a_perfect_database_agrees(opened: sqlite3.Connection) -> None:
    """No problem, and the summary says what was compared and why the truth differs."""
    report = compared(opened)
    assert report.problems == []
    assert report.agrees
    assert report.readings_expected == report.readings_found > 10_000
    assert report.quarantined == report.rejected > 15
    assert report.disputed > 5
    assert report.dropped > 5
    assert max(largest.display_steps for largest in (*report.hours, *report.months)) <= 1
    assert "agrees with the ledger" in report.summary()


def test_every_difference_from_the_truth_has_a_reason(opened: sqlite3.Connection) -> None:
    """One line each, with device, instant and what happened."""
    lines: list[str] = []
    report = compared(opened, tell=lines.append)
    assert len(lines) == sum(finding.count for finding in report.explained) > 100
    assert all(line.startswith("explained  ") for line in lines)
    words = {finding.name.rsplit(": ", 1)[1] for finding in report.explained}
    assert {"dropped reading", "disputed reading", "reading not counted", "clock"} <= words
    assert not [line for line in lines if "None" in line]


def test_without_faults_nothing_needs_a_reason(tmp_path: Path) -> None:
    """What the registers prove is the truth, within a display step."""
    with ledger.read(write(tmp_path / "quiet", simulated(5, Scenario()))) as connection:
        report = compared(connection)
        assert (report.problems, report.explained) == ([], ())
        assert sum(largest.periods for largest in report.hours) == len(simulated(5).devices) * DAYS * 24


def test_a_comparison_leaves_the_ledger_as_it_was(path: Path, opened: sqlite3.Connection) -> None:
    """Tables of a comparison are temporary."""
    before = path.read_bytes()
    compared(opened)
    assert path.read_bytes() == before


def _undisputed(answers: Answers) -> None:
    column = next(columns[2] for columns in answers.devices["readings"].values() if 1 in columns[2])
    column[column.index(1)] = 0


def _without(what: str) -> Change:
    return lambda answers: [column.pop() for column in answers.devices[what][next(iter(answers.devices[what]))]]


def _added(what: str, *row: int) -> Change:
    def change(answers: Answers) -> None:
        for column, number in zip(next(iter(answers.devices[what].values())), row, strict=True):
            column.append(number)

    return change


def _edited(what: str, number: int, to: int) -> Change:
    return lambda answers: answers.column(what, number).__setitem__(0, to)


STRANGER = ("XN-9999", "electricity", "EM-01", "energy_import_kwh")
WRONG: dict[str, Change] = {
    "rejected messages missing from quarantine": lambda answers: answers.quarantine.pop(),
    "messages in quarantine that should not be there": lambda answers: answers.quarantine.append((b"\1" * 32, "wrong_type")),
    "messages in quarantine for another reason": lambda answers: answers.quarantine.__setitem__(
        0, (answers.quarantine[0][0], "decoder_error")
    ),
    "readings missing": _without("readings"),
    "readings never sent": _added("readings", 7_000_000, 1, 0),
    "readings with another value": _edited("readings", 1, -1),
    "readings disputed": _edited("readings", 2, 1),
    "readings not disputed": _undisputed,
    "readings of a device that was never simulated": lambda answers: answers.devices["readings"].update(
        {STRANGER: [[1], [2], [0]]}
    ),
    "meter-hours without consumption": _without("hours"),
    "meter-hours with consumption nobody proved": _added("hours", 3_600_000_000, 1),
    "meter-hours with another consumption": _edited("hours", 1, 10**15),
    "meter-months without consumption": _without("months"),
    "meter-months with another consumption": _edited("months", 1, 10**15),
    "virtual meter-months": lambda answers: answers.virtual.append((*answers.virtual.pop()[:4], 1)),
    "virtual meter-months missing": lambda answers: answers.virtual.pop(),
    "verdicts on another consumption": lambda answers: answers.used.append(("XN-0001", "electricity_per_area", "2026-02-01", 1)),
    "flags raised without cause": lambda answers: answers.flags.append(("XN-0001", "electricity_per_area", "year", "2026-01-01")),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_row_is_one_finding(opened: sqlite3.Connection, name: str) -> None:
    """Named for what it is, once, explained in one line, and nothing else with it."""
    lines: list[str] = []
    report = compared(opened, WRONG[name], lines.append)
    assert [(finding.name, finding.count) for finding in report.findings] == [(name, 1)]
    assert len([line for line in lines if line.startswith(f"WRONG      {name}: ")]) == 1
    assert not report.agrees
    assert name in report.summary()
    assert report.figures["unexplained"] == 1


def test_a_wrong_value_is_shown_beside_the_right_one(opened: sqlite3.Connection) -> None:
    """With the meter and the instant, in units; a missing reading with what was last known of it."""
    month = compared(opened, WRONG["meter-months with another consumption"])
    assert " 2026-02: 1000000000.0, the published readings prove " in month.problems[0]
    missing = compared(opened, WRONG["readings missing"])
    assert "last known fate live, acknowledged by the broker" in missing.problems[0]


def test_flags_that_the_readings_prove_must_be_found(tmp_path: Path) -> None:
    """A whole month of which nothing is missing raises those the truth asks for."""
    with ledger.read(write(tmp_path / "month", simulated(5, Scenario(), 31))) as connection:
        true = connection.execute(
            "SELECT institution, indicator, period_kind, period_start FROM expected_flag WHERE exceeded"
        ).fetchall()
        assert true
        report = compared(connection)
        assert [(finding.name, finding.count) for finding in report.findings] == [("flags not raised", len(true))]
        assert compared(connection, lambda answers: answers.flags.extend(true)).agrees


def test_problems_show_at_most_five_examples(opened: sqlite3.Connection) -> None:
    """A line a kind, however much is wrong: a database that holds no reading at all."""
    report = compared(opened, lambda answers: answers.devices["readings"].clear())
    assert len(report.problems) == 1
    assert report.problems[0].count(";") == notes.EXAMPLES
    assert report.problems[0].startswith(f"{report.readings_expected:,} readings missing: XN-0001")


def test_an_unfinished_ledger_never_agrees(tmp_path: Path) -> None:
    """Because what it lacks may have been published."""
    with ledger.create(tmp_path / "broken"):
        pass
    with ledger.read(tmp_path / "broken") as connection:
        report = Comparison(connection).report([])
    assert report.problems == [f"1 {compare.UNFINISHED}"]


def test_a_ledger_holds_a_reading_in_few_bytes(opened: sqlite3.Connection) -> None:
    """Blobs of deltas: a row a reading took more than a hundred."""
    readings, stored = opened.execute("SELECT sum(readings), sum(length(columns)) FROM reading").fetchone()
    assert stored / readings < 12
