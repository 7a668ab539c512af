"""Ledger against the rows found in the database.

The caller gives rows in chunks, in any order, already as integers: microseconds, thousandths of a register's unit, micro-units
of an amount. They go into temporary tables beside the ledger, so memory stays bounded and the ledger unchanged.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from simulators import checks
from simulators.report import Finding, Largest, Report

EXAMPLES: Final = 5
UNFINISHED: Final = "ledger of a publishing run that did not finish"
Row = Sequence[Any]


class Comparison:
    """A ledger opened for reading, the tables of what was found, and how often a key came twice."""

    def __init__(self, ledger: sqlite3.Connection) -> None:
        self._ledger = ledger
        self._repeated: Counter[str] = Counter()
        ledger.executescript(checks.FOUND)

    def found(self, table: str, rows: Iterable[Row]) -> None:
        """Add rows of the database to a table of `checks.FOUND`; a key that comes twice is kept once and counted."""
        chunk = list(rows)
        cursor = self._ledger.executemany(checks.INSERT[table], chunk)
        self._repeated[table] += len(chunk) - max(cursor.rowcount, 0)

    def report(self) -> Report:
        """Compare what was found with the ledger."""
        self._ledger.executescript(checks.VIEWS)
        stored, rejected, repeated, quarantined, expected, found = self._ledger.execute(checks.COUNTS).fetchone()
        return Report(
            stored=stored,
            rejected=rejected,
            repeated=repeated,
            quarantined=quarantined,
            readings_expected=expected,
            readings_found=found,
            months=self._largest("month"),
            hours=self._largest("hour"),
            flags_expected=frozenset(row[0] for row in self._ledger.execute(checks.EXPECTED_FLAGS)),
            flags_raised=frozenset(row[0] for row in self._ledger.execute(checks.RAISED_FLAGS)),
            findings=(*self._unfinished(), *self._twice(), *self._findings()),
        )

    def _findings(self) -> list[Finding]:
        counts: Counter[str] = Counter()
        examples: defaultdict[str, list[str]] = defaultdict(list)
        for name, example in self._ledger.execute("SELECT name, example FROM finding"):
            counts[name] += 1
            if counts[name] <= EXAMPLES:
                examples[name].append(example)
        return [Finding(name, count, tuple(examples[name])) for name, count in counts.items()]

    def _twice(self) -> list[Finding]:
        return [Finding(f"keys twice in {table}", count, ()) for table, count in self._repeated.items() if count]

    def _unfinished(self) -> list[Finding]:
        row = self._ledger.execute("SELECT value FROM meta WHERE key = 'complete'").fetchone()
        return [] if row == ("yes",) else [Finding(UNFINISHED, 1, ())]

    def _largest(self, period: str) -> tuple[Largest, ...]:
        query = "SELECT unit, periods, amount, steps FROM largest WHERE period = ? ORDER BY unit"
        return tuple(Largest(*row) for row in self._ledger.execute(query, (period,)))
