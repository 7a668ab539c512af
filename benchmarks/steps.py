"""`python -m benchmarks.steps`: does settlement call what happens to registers by its name?

A fleet publishes a month with raised rates of register faults, straight through assessment and writer, without a broker. Settlement
runs beside it on the simulated clock; exchanges are declared in time, late or never. Then every injected fault is held against the
events found, and every month of a register against the truth. The same options give the same table.
"""

import argparse
import asyncio
import bisect
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import AsyncConnection
from pydantic import SecretStr

from benchmarks.settled import LEDGER, ROUND_HOURS, settled
from ingest.settings import DatabaseSettings
from ingest.stack import Stack
from ingest.storage.bootstrap import prepare
from simulators import expected, fleet, ledger, run, scenario
from simulators.device import MILLION
from simulators.expected import Expected
from simulators.month import HOUR_SECONDS, Month, local
from simulators.oracle import IN_A_ROW, advanced
from simulators.registerfaults import RegisterFault
from simulators.run import Run

RATES = {"dip": 0.001, "spike": 0.001, "freeze": 0.0005, "unit_slip": 0.0005, "reset": 0.0003, "exchange": 0.0003}
"""Per reading: some two hundred of each in a month of forty institutions."""
QUIET = frozenset({"like_days", "unallocated"})
"""Events that speak of silences, not of registers."""
NOTHING = "(nothing)"


@dataclass
class Confusion:
    """Injected kind x found kinds, and the months."""

    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    wrong: list[str] = field(default_factory=list)
    months: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, kinds: set[str], *, right: bool, which: str) -> None:
        """A fault and what was found in its place."""
        self.injected[name] += 1
        self.found[name, "+".join(sorted(kinds)) or NOTHING] += 1
        self.right[name] += right
        if not right:
            self.wrong.append(f"{name} {which}: found {'+'.join(sorted(kinds)) or NOTHING}")


async def main() -> None:
    """Simulate, settle, compare, print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="meterwarden-steps-") as name, Stack.create(with_prometheus=False, say=print) as stack:
        directory = Path(name)
        of = run.build(
            fleet.build(options.institutions, options.seed, Month.parse(options.month)),
            scenario.load("messy").with_rates(**{kind: rate * options.times for kind, rate in RATES.items()}),
        )
        prepared = await prepare(stack.postgres.url(), "meterwarden", directory / "passwords")
        settings = DatabaseSettings(url=SecretStr(prepared.uri_with_password("meterwarden_writer")))
        owner_url = prepared.uri_with_password("meterwarden_owner")
        confusion = await compare(of, settings, owner_url, directory)
        async with await AsyncConnection.connect(owner_url) as connection:
            _print(confusion, of, await _counts(connection))
        if options.wrong:
            print("\n".join(confusion.wrong))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps")
    parser.add_argument("--institutions", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--month", default="2026-10")
    parser.add_argument("--times", type=float, default=1.0, help="multiplies the rates of register faults")
    parser.add_argument("--wrong", action="store_true", help="list every fault that was called by another name")
    return parser.parse_args()


async def compare(of: Run, settings: DatabaseSettings, reader_url: str, directory: Path) -> Confusion:
    """Publish and settle the run into a migrated, empty database, and hold what was found against what was injected."""
    true_faults = await settled(of, settings, directory)
    async with await AsyncConnection.connect(reader_url) as connection:
        events, months = await _events(connection), await _months(connection)
    confusion = Confusion()
    with ledger.read(directory / LEDGER) as book:
        declared = {key: [fault.exchange for fault in each if fault.declared in ("on_time", "late") and fault.exchange]
                    for key, each in true_faults.items()}  # fmt: skip
        for device, seen in zip(of.devices, expected.devices(book, declared), strict=True):
            _of_register(confusion, seen, true_faults[device.key], events.get(device.key, []))
            confusion.months[_month_of(seen, months.get(seen.key, (0, 0)), events.get(device.key, []))] += 1
    return confusion


def _of_register(
    confusion: Confusion, seen: Expected, true_faults: Sequence[RegisterFault], events: list[tuple[str, int, int]]
) -> None:
    """Every fault takes the events that touch its readings, those first that must leave one; the rest was found without cause."""
    left = list(events)
    for fault in sorted(true_faults, key=lambda fault: not fault.expected):
        mine = [event for event in left if _touches(event, fault, seen)]
        left = [event for event in left if event not in mine]
        kinds = {kind for kind, _, _ in mine}
        if not _was_seen(fault, seen.counted[0]):
            confusion.unseen += 1
            continue
        name, needed, allowed = _asked(fault, seen)
        right = needed <= kinds <= allowed and bool(kinds) == bool(allowed)
        which = f"{seen.name} {local(fault.first_s):%Y-%m-%dT%H:%M}, expected {'/'.join(sorted(allowed)) or NOTHING}"
        confusion.add(name, kinds, right=right, which=which)
    for kind, start, _ in left:
        confusion.add(NOTHING, {kind}, right=False, which=f"{seen.name} {local(start):%Y-%m-%dT%H:%M}")


def _asked(fault: RegisterFault, seen: Expected) -> tuple[str, set[str], set[str]]:
    """A fault's line in the table, the events that must be found, and those that may.

    A wrong value that three readings agree on looks like a register that was exchanged, and then exchanged back: the service must
    say that it does not know. A register that stands still again once it has caught up looks like a wrong value: it may.
    """
    if fault.kind == "unit_slip" and fault.expected and _three_agree(seen, fault.first_s, fault.last_s):
        return f"{fault.kind}, three agree", {"unexplained"}, {"dip", "spike", "reset", "unexplained"}
    if fault.kind == "freeze" and fault.expected and _stands_still(seen, fault.last_s):
        return f"{fault.kind}, then still", set(), {"catch_up", "unexplained"}
    name = f"{fault.kind}, {fault.declared.replace('_', ' ')}" if fault.declared else fault.kind
    return name, set(), set(fault.expected)


def _three_agree(seen: Expected, first_s: int, last_s: int) -> bool:
    """Whether a register can have passed through three readings in a row of those that came from one second to another."""
    times, values = seen.counted[:, (seen.counted[0] >= first_s) & (seen.counted[0] <= last_s)]
    possible = advanced(np.diff(values), np.diff(times), seen.limits) >= 0
    return bool((possible[1:] & possible[:-1]).any())


def _stands_still(seen: Expected, since_s: int) -> bool:
    """Whether the first three readings from a second on show the same value."""
    after = seen.counted[1, seen.counted[0] >= since_s][:IN_A_ROW]
    return len(set(after.tolist())) == 1


def _touches(event: tuple[str, int, int], fault: RegisterFault, seen: Expected) -> bool:
    """Whether an event lies at a fault's readings, or at the next that came; a step ends there, or began there."""
    _, start, end = event
    after = seen.counted[0, seen.counted[0] > fault.last_s]
    until = max(fault.last_s + 2 * seen.interval_s, int(after[0]) if len(after) else 0)
    return end >= fault.first_s and start <= until


def _was_seen(fault: RegisterFault, counted: Any) -> bool:
    """Whether a reading that a passing fault strikes came to settlement at all; others leave their mark in any case."""
    if fault.kind not in ("dip", "spike", "unit_slip"):
        return True
    position = bisect.bisect_left(counted, fault.first_s)
    return bool(position < len(counted) and counted[position] <= fault.last_s)


def _month_of(seen: Expected, found: tuple[int, int], events: list[tuple[str, int, int]]) -> str:
    """Exact to a display step; within what its missing time and its clock allow; said to be unknown by an event; or wrong."""
    amount, proved_us = found
    true = int(seen.true_hours.sum())
    missing_s = seen.span.hours * HOUR_SECONDS - proved_us / MILLION
    clock_s = abs(seen.offset_s) + abs(seen.drift_ppm) * seen.span.hours * HOUR_SECONDS / MILLION
    bound = seen.limits.cap_per_hour * seen.limits.ratio_milli * (missing_s + 2 * clock_s) / HOUR_SECONDS
    if abs(amount - true) <= seen.step_micro:
        return "exact"
    if abs(amount - true) <= bound + seen.step_micro:
        return "within bounds"
    return "said to be unexplained" if any(kind == "unexplained" for kind, _, _ in events) else "wrong"


async def _events(connection: AsyncConnection[Any]) -> dict[Any, list[tuple[str, int, int]]]:
    """Events of registers by key, in seconds; those of a single reading are told from those of a step by their times."""
    cursor = await connection.execute(
        """SELECT institution, medium, meter, register, kind, extract(epoch FROM from_at)::bigint, extract(epoch FROM to_at)::bigint
           FROM meterwarden.event ORDER BY 1, 2, 3, 4, 6, 7, 5"""
    )
    found: dict[Any, list[tuple[str, int, int]]] = {}
    for *key, kind, start, end in await cursor.fetchall():
        if kind not in QUIET:
            found.setdefault(tuple(key), []).append((kind, start if start == end else end, end))
    return found


async def _months(connection: AsyncConnection[Any]) -> dict[Any, tuple[int, int]]:
    cursor = await connection.execute(
        """SELECT institution, medium, meter, register, sum(amount * 1000000)::bigint,
                  sum((measured_seconds + estimated_seconds) * 1000000)::bigint
           FROM meterwarden.consumption_month GROUP BY 1, 2, 3, 4"""
    )
    return {tuple(key): (amount, proved) for *key, amount, proved in await cursor.fetchall()}


async def _counts(connection: AsyncConnection[Any]) -> dict[str, int]:
    found = {}
    for table in ("reading", "consumption_day", "day_change", "exchange"):
        cursor = await connection.execute(f"SELECT count(*) FROM metering.{table}")  # noqa: S608 - names from this line
        found[table] = (await cursor.fetchall())[0][0]
    cursor = await connection.execute("SELECT pg_total_relation_size('metering.day_change')")
    return {**found, "day_change bytes": (await cursor.fetchall())[0][0]}


def _print(confusion: Confusion, of: Run, counts: dict[str, int]) -> None:
    meters = len({device.key[:3] for device in of.devices})
    print(f"\n{meters} meters, {len(of.devices)} registers, {counts['reading']:,} readings of {of.fleet.month}")
    names = sorted(confusion.injected, key=lambda name: (name == NOTHING, name))
    print("\n| injected | times | found | rightly |\n|---|---|---|---|")
    for name in names:
        found = ", ".join(f"{kinds} {number}" for (one, kinds), number in confusion.found.most_common() if one == name)
        print(f"| {name} | {confusion.injected[name]} | {found} | {confusion.right[name] / confusion.injected[name]:.1%} |")
    total, right = confusion.injected.total(), confusion.right.total()
    print(f"\nrightly classified: {right} of {total}, {right / total:.2%}; {confusion.unseen} more struck lost readings only")
    months = confusion.months
    print("register months: " + ", ".join(f"{number} {name}" for name, number in months.most_common()))
    print(f"day changes: {counts['day_change']:,} rows of {counts['consumption_day']:,} register days, "
          f"{counts['day_change bytes'] / 2**20:.1f} MiB with index; a round every {ROUND_HOURS} h")  # fmt: skip


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
