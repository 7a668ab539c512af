"""Charging sessions that must come of what was published, against those found. Written from the rules, apart from the service.

A session is what its published statements say: without a stop it is open; the last stop counts; the registers at both ends give its
energy where that is possible, else what the charger states.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from simulators.month import HOUR_SECONDS
from simulators.notes import Notes

MODULUS_MILLI: Final = 10**9
"""Chargers' registers have six digits."""


class Found(NamedTuple):
    """A session: who, when in Unix seconds, energy in micro-kWh, state, whether it may be billed."""

    institution: str
    charger: str
    connector: int
    session: str
    started_s: int
    stopped_s: int | None
    energy_micro: int | None
    state: str
    billable: bool

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.institution} {self.session}"


_QUERY: Final = """
SELECT institution, charger, connector, session, rated_kw, quantum_milli, started_s, start_milli, stopped_s, stop_milli,
       energy_milli
FROM session_statement JOIN charger USING (institution, charger)
WHERE published ORDER BY institution, charger, connector, session
"""


def expected(ledger: sqlite3.Connection) -> Iterator[Found]:
    """Every session of which anything was published."""
    said: dict[tuple[str, str, int, str], list[tuple[int, ...]]] = {}
    for institution, charger, connector, session, *statement in ledger.execute(_QUERY):
        said.setdefault((institution, charger, connector, session), []).append(tuple(statement))
    for key, statements in said.items():
        started_s, stopped_s, energy_micro, state, billable = _session(statements)
        yield Found(*key, started_s, stopped_s, energy_micro, state, billable)


def _session(statements: list[tuple[int, ...]]) -> tuple[int, int | None, int | None, str, bool]:
    rated_kw, quantum, started_s, start, *_ = statements[0]
    stops = sorted(statement[4:] for statement in statements if statement[4] is not None)
    if not stops:
        stated = [statement[6] for statement in statements if statement[6] is not None]
        return started_s, None, max(stated) * 1000 if stated else None, "open", False
    stopped_s, stop, stated_milli = stops[-1]
    fell = any(earlier[1] > stop or earlier[2] > stated_milli for earlier in stops[:-1])
    advance = stop - start if stop >= start else stop - start + MODULUS_MILLI
    most = rated_kw * 1_100 * (stopped_s - started_s + 60) // HOUR_SECONDS + 2 * quantum
    energy_milli = advance if advance <= most else stated_milli
    return started_s, stopped_s, energy_milli * 1000, "disputed" if fell else "closed", not fell


def compare(ledger: sqlite3.Connection, found: Iterable[Found], notes: Notes) -> int:
    """Note every difference; returns how many sessions were expected."""
    have: dict[tuple[str, str, int, str], Found] = {}
    for each in found:
        if each[:4] in have:
            notes.wrong("charging sessions twice", each.name)
        have[each[:4]] = each
    count = 0
    for want in expected(ledger):
        count += 1
        there = have.pop(want[:4], None)
        if there is None:
            notes.wrong("charging sessions missing", want.name)
        elif there != want:
            names = [name for name in Found._fields if getattr(there, name) != getattr(want, name)]
            text = ", ".join(f"{name} {getattr(there, name)} instead of {getattr(want, name)}" for name in names)
            notes.wrong("charging sessions that differ", f"{want.name}: {text}")
    for each in have.values():
        notes.wrong("charging sessions never published", each.name)
    return count
