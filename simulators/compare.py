"""Ledger against the rows found in the database, a device at a time.

The caller gives a device's rows as integers: Unix microseconds, thousandths of a register's unit, micro-units of an amount. So
memory holds one device, and the ledger is only read.
"""

import sqlite3
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Final

from simulators import charges, checks, differences, expected
from simulators.charges import Found
from simulators.differences import Columns
from simulators.expected import Declared, Expected, Key
from simulators.notes import Notes, Tell
from simulators.report import Finding, Report
from simulators.standings import Row, Standings
from simulators.virtual import Row as VirtualRow
from simulators.virtual import Virtuals

UNFINISHED: Final = "ledger of a publishing run that did not finish"
NOTHING: Final[Columns] = ((), (), ())
Compare = Callable[[Expected, Columns, Notes], None]


class Comparison:
    """A ledger opened for reading, and what was noted so far. Per device first readings, hours, months; then the rest, once."""

    def __init__(self, ledger: sqlite3.Connection, tell: Tell | None = None, declared: Declared = MappingProxyType({})) -> None:
        self._ledger, self._declared = ledger, declared
        self._notes = Notes(tell)
        self._standings = Standings()
        self._virtuals, self._virtual_rows = Virtuals(), list[VirtualRow]()
        self._used: list[tuple[str, str, str, int]] = []
        self._seen: dict[str, set[Key]] = {what: set() for what in COMPARED}
        self._readings_expected = self._readings_found = 0
        self._sessions_expected = self._sessions_found = 0
        ledger.executescript(checks.FOUND)

    def found(self, what: str, key: Key, columns: Columns) -> None:
        """Rows of one device, in order of time, as columns.

        readings: microseconds, thousandths, disputed; hours: microseconds, amounts; months: numbers such as 202610, amounts.
        """
        if key in self._seen[what]:
            self._notes.wrong(f"devices twice in {what}", " ".join(key))
        self._seen[what].add(key)
        of = expected.device(self._ledger, key, self._declared)
        self._readings_found += len(columns[0]) if what == "readings" else 0
        if of is None:
            self._notes.wrong(f"{what} of a device that was never simulated", f"{' '.join(key)}: {len(columns[0])}")
        else:
            self._compare(what, of, columns)

    def found_quarantine(self, rows: Iterable[tuple[bytes, str]]) -> None:
        """Key and reason of every message there."""
        self._ledger.executemany("INSERT OR IGNORE INTO found_quarantine VALUES (?,?)", rows)

    def found_sessions(self, sessions: Iterable[Found]) -> None:
        """Every charging session there."""
        found = list(sessions)
        self._sessions_found = len(found)
        self._sessions_expected = charges.compare(self._ledger, found, self._notes)

    def found_virtual(self, rows: Iterable[VirtualRow]) -> None:
        """Institution, medium, meter, month (such as 202610) and amount of every virtual meter."""
        self._virtual_rows += rows

    def found_used(self, rows: Iterable[tuple[str, str, str, int]]) -> None:
        """Institution, indicator, start and micro-units used of every verdict on a month."""
        self._used += rows

    def report(self, flags: Iterable[Row]) -> Report:
        """What the comparison came to; `flags` are institution, indicator, kind and start of every exceeded period."""
        self._absent()
        for what, which in self._ledger.execute(checks.QUARANTINE):
            self._notes.wrong(what, which)
        self._standings.compare(self._ledger, flags, self._notes)
        self._standings.compare_used(self._ledger, self._used, self._notes)
        self._virtuals.compare(self._ledger, self._virtual_rows, self._notes)
        stored, disputed, rejected, repeated, quarantined, statuses, dropped = self._ledger.execute(checks.COUNTS).fetchone()
        return Report(
            stored=stored,
            disputed=disputed,
            rejected=rejected,
            repeated=repeated,
            quarantined=quarantined,
            statuses=statuses,
            dropped=dropped,
            readings_expected=self._readings_expected,
            readings_found=self._readings_found,
            months=self._notes.largest("month"),
            hours=self._notes.largest("hour"),
            flags_expected=self._standings.expected,
            flags_raised=self._standings.raised,
            findings=(*self._unfinished(), *self._notes.findings()),
            explained=self._notes.reasons(),
            sessions_expected=self._sessions_expected,
            sessions_found=self._sessions_found,
        )

    def _compare(self, what: str, of: Expected, columns: Columns) -> None:
        COMPARED[what](of, columns, self._notes)
        if what == "readings":
            self._readings_expected += of.stored.shape[1]
        if what == "months":
            self._standings.add(of)
            self._virtuals.add(of)

    def _absent(self) -> None:
        """Devices of which nothing was found."""
        for of in expected.devices(self._ledger, self._declared):
            for what in COMPARED:
                if of.key not in self._seen[what]:
                    self._compare(what, of, NOTHING)

    def _unfinished(self) -> list[Finding]:
        row = self._ledger.execute("SELECT value FROM meta WHERE key = 'complete'").fetchone()
        return [] if row == ("yes",) else [Finding(UNFINISHED, 1, ())]


COMPARED: Final[dict[str, Compare]] = {
    "readings": differences.readings,
    "hours": differences.hours,
    "months": differences.months,
}
"""What is compared a device at a time."""
