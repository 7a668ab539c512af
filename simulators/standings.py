"""Flags: what the published readings prove of each indicator, against the ledger's truth and the flags found."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulators.expected import Expected
from simulators.notes import Notes
from simulators.reasons import Reason

Row = tuple[str, str, str, str]


@dataclass(slots=True)
class Standings:
    """What is proved of the main meters, less what is taken off them, by institution, medium and period."""

    _proved: defaultdict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    expected: frozenset[str] = frozenset()
    raised: frozenset[str] = frozenset()

    def add(self, of: Expected) -> None:
        """Add a device's months, as it counts."""
        if of.sign:
            for month, amount_micro in of.derived.months.items():
                self._proved[of.key[0], of.key[1], f"{month}-01"] += of.sign * amount_micro
                self._proved[of.key[0], of.key[1], f"{month[:4]}-01-01/year"] += of.sign * amount_micro

    def compare(self, ledger: sqlite3.Connection, found: Iterable[Row], notes: Notes) -> None:
        """Flags found that nothing proves, flags proved that were not found; what the truth adds has a reason."""
        raised, proved, true = frozenset(found), self._flags(ledger), _true_flags(ledger)
        for row in sorted(proved - raised):
            notes.wrong("flags not raised", " ".join(row))
        for row in sorted(raised - proved):
            notes.wrong("flags raised without cause", " ".join(row))
        for row in sorted(proved ^ true):
            reason = Reason("incomplete readings", "true and proved consumption lie on either side of the constraint")
            notes.explained("flags that differ from the truth", " ".join(row), reason)
        self.expected, self.raised = (frozenset(" ".join(row) for row in rows) for rows in (proved, raised))

    def compare_used(self, ledger: sqlite3.Connection, found: Iterable[tuple[str, str, str, int]], notes: Notes) -> None:
        """What verdicts on months say was used (institution, indicator, start, micro-units): exactly what is proved."""
        media = dict(ledger.execute("SELECT DISTINCT indicator, medium FROM expected_flag"))
        for institution, indicator, start, used_micro in found:
            proved = self._proved[institution, media.get(indicator, ""), start]
            if used_micro != proved:
                text = f"{institution} {indicator} {start}: {used_micro / 1e6}, the published readings prove {proved / 1e6}"
                notes.wrong("verdicts on another consumption", text)

    def _flags(self, ledger: sqlite3.Connection) -> frozenset[Row]:
        query = "SELECT institution, indicator, period_kind, period_start, medium, allowance_micro FROM expected_flag"
        return frozenset(
            (institution, indicator, kind, start)
            for institution, indicator, kind, start, medium, allowance_micro in ledger.execute(query)
            if self._proved[institution, medium, start + ("/year" if kind == "year" else "")] > allowance_micro
        )


def _true_flags(ledger: sqlite3.Connection) -> frozenset[Row]:
    query = "SELECT institution, indicator, period_kind, period_start FROM expected_flag WHERE exceeded"
    return frozenset(ledger.execute(query))
