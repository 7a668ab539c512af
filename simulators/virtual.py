"""Virtual meters: the months that their parts prove, against those found."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulators.device import EXPORT_REGISTER
from simulators.expected import Expected
from simulators.notes import Notes

Row = tuple[str, str, str, int, int]


@dataclass(slots=True)
class Virtuals:
    """The proved months of every meter, by institution, medium and meter."""

    _proved: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)

    def add(self, of: Expected) -> None:
        """Keep a device's months."""
        institution, medium, meter, register = of.key
        if register != EXPORT_REGISTER:
            self._proved[institution, medium, meter] = of.derived.months

    def compare(self, ledger: sqlite3.Connection, found: Iterable[Row], notes: Notes) -> None:
        """Months found (such as 202610) that the parts do not prove, and months that all parts prove which were not found."""
        wanted = self._wanted(ledger)
        for institution, medium, meter, month, amount_micro in found:
            which = f"{institution} {medium} {meter} {month // 100}-{month % 100:02d}"
            want, _ = wanted.pop((institution, medium, meter, month), (0, False))
            if want != amount_micro:
                notes.wrong("virtual meter-months", f"{which}: {amount_micro / 1e6}, its parts prove {want / 1e6}")
        for (institution, medium, meter, month), (want, whole) in wanted.items():
            if whole:
                notes.wrong("virtual meter-months missing", f"{institution} {medium} {meter} {month}: its parts prove {want / 1e6}")

    def _wanted(self, ledger: sqlite3.Connection) -> dict[tuple[str, str, str, int], tuple[int, bool]]:
        """The amount of every month that any part has, and whether something is proved of every part."""
        parts: dict[tuple[str, str, str], list[tuple[dict[str, int], int]]] = defaultdict(list)
        for institution, medium, meter, part, sign in ledger.execute("SELECT * FROM virtual"):
            parts[institution, medium, meter].append((self._proved.get((institution, medium, part), {}), sign))
        return {
            (*key, int(month.replace("-", ""))): (
                sum(sign * months.get(month, 0) for months, sign in of), all(months.get(month) for months, _ in of)
            )
            for key, of in parts.items()
            for month in {month for months, _ in of for month in months}
        }  # fmt: skip
