"""`python -m benchmarks.exactness`: is consumption exact where the readings are complete, and within its bound where they are not?

A fleet publishes a month of the scenario `messy` straight through assessment, writer and settlement. Then `simulate verify` holds
every hour and month in the database against what the published readings prove, and this file every day and month of every register
against what was truly consumed. The same options give the same tables.
"""

import argparse
import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from pydantic import SecretStr

from benchmarks.settled import LEDGER, TrueFaults, settled
from ingest.settings import DatabaseSettings
from ingest.stack import Stack
from ingest.storage.bootstrap import prepare
from simulators import expected, fleet, ledger, run, scenario
from simulators.device import MILLION
from simulators.expected import Expected, Key
from simulators.month import HOUR_SECONDS, ZONE, Month
from simulators.oracle import Exchange
from simulators.reasons import Reasons
from simulators.report import Report
from simulators.run import Run
from simulators.verify import verify

COMPLETE = "complete"
MISLED = frozenset({"mishap", "jump"})
"""Here the register may have shown a wrong value for so long that it was believed: no bound holds."""
Amounts = Mapping[tuple[Key, int], int]
"""Register and first second of a period -> its consumption, in millionths of the unit."""


@dataclass
class Line:
    """Periods of one reason to differ from the truth: how many, how many do not, and what the rest comes to."""

    periods: int = 0
    exact: int = 0
    bounded: int = 0
    beyond: int = 0
    largest_share: float = 0.0
    """Of what was truly consumed, where that is at least a hundred display steps."""


@dataclass
class Proof:
    """What the comparison came to: `verify`'s report, and periods by what they are and by reason."""

    report: Report
    lines: dict[tuple[str, str], Line] = field(default_factory=lambda: defaultdict(Line))

    @property
    def unexplained(self) -> int:
        """What verify found, and periods that differ without a reason, or by more than their reason allows."""
        without = sum(line.periods - line.exact for (_, reason), line in self.lines.items() if reason == COMPLETE)
        too_far = sum(line.beyond for (_, reason), line in self.lines.items() if reason not in MISLED | {COMPLETE})
        return len(self.report.problems) + without + too_far


async def prove(of: Run, settings: DatabaseSettings, reader_url: str, directory: Path) -> Proof:
    """Publish and settle the run into a migrated, empty database, and compare."""
    true_faults = await settled(of, settings, directory)
    proof = Proof(await verify(directory / LEDGER, reader_url))
    async with await AsyncConnection.connect(reader_url) as connection:
        amounts = {what: await _amounts(connection, what) for what in ("day", "month")}
    with ledger.read(directory / LEDGER) as book:
        for seen in expected.devices(book, _declared(true_faults)):
            for what, begin_s, end_s in _periods(seen):
                _compare(proof.lines, seen, what, (begin_s, end_s), amounts[what].get((seen.key, begin_s), 0))
    return proof


def _declared(true_faults: TrueFaults) -> dict[Key, list[Exchange]]:
    return {
        key: [fault.exchange for fault in each if fault.declared in ("on_time", "late") and fault.exchange]
        for key, each in true_faults.items()
    }


def _periods(of: Expected) -> Iterator[tuple[str, int, int]]:
    """The run's days, and the run itself: its month, or the part of it that was simulated."""
    span = of.span
    yield "month", span.start_s, span.end_s
    for begin_s in range(span.start_s, span.end_s, 24 * HOUR_SECONDS):
        yield "day", begin_s, begin_s + 24 * HOUR_SECONDS


def _compare(lines: dict[tuple[str, str], Line], of: Expected, what: str, period: tuple[int, int], amount: int) -> None:
    begin_s, end_s = period
    first, last = ((at - of.span.start_s) // HOUR_SECONDS for at in period)
    true = int(of.true_hours[first:last].sum())
    reason = Reasons(of).of_days(begin_s, end_s)
    line, off = lines[what, reason.word if reason else COMPLETE], abs(amount - true)
    line.periods += 1
    if off <= of.step_micro:
        line.exact += 1
        return
    if off <= _bound(of, begin_s, end_s):
        line.bounded += 1
    else:
        line.beyond += 1
    if true >= 100 * of.step_micro:
        line.largest_share = max(line.largest_share, off / true)


def _bound(of: Expected, begin_s: int, end_s: int) -> int:
    """A display step; what may have passed beyond its ends; and what can pass in time unseen, in a jump, or the clock is off by."""
    steps = of.steps
    begins, ends = steps.times[steps.start], steps.times[steps.end]
    hidden = sum(_hidden(of, edge) for edge in (begin_s, end_s))
    unseen_s = max(int(begins.min()) - begin_s, 0) + max(end_s - int(ends.max()), 0) if len(begins) else end_s - begin_s
    jumps = [(int(steps.times[start]), int(steps.times[end])) for start, end in (*steps.jumps, *steps.resets)]
    unseen_s += sum(end - start for start, end in jumps if start < end_s and begin_s < end)
    clock_s = abs(of.offset_s) + abs(of.drift_ppm) * of.span.hours * HOUR_SECONDS // MILLION
    unseen = of.limits.cap_per_hour * (unseen_s + 2 * clock_s) // HOUR_SECONDS
    return of.step_micro + (hidden + unseen) * of.limits.ratio_milli


def _hidden(of: Expected, edge_s: int) -> int:
    """What the step across an edge advanced by; where the register stood still then, also what it advanced by when it moved on."""
    steps = of.steps
    begins, ends, advance = steps.times[steps.start], steps.times[steps.end], steps.advance
    hidden = int(advance[(begins < edge_s) & (edge_s < ends)].sum())
    hidden += sum(passed for _, end, still, passed in steps.catch_ups if steps.times[still] < edge_s < steps.times[end])
    before, after = advance[begins < edge_s], advance[ends > edge_s]
    if len(before) and before[-1] == 0 and after.any():
        hidden += int(after[after > 0][0])
    return hidden


async def _amounts(connection: AsyncConnection[Any], what: str) -> Amounts:
    cursor = await connection.execute(
        f"SELECT institution, medium, meter, register, {what}, (amount * 1000000)::bigint "  # noqa: S608 - day or month
        f"FROM meterwarden.consumption_{what} WHERE amount IS NOT NULL"
    )
    rows = await cursor.fetchall()
    return {((*key,), int(datetime(at.year, at.month, at.day, tzinfo=ZONE).timestamp())): amount for *key, at, amount in rows}


def table(proof: Proof) -> str:
    """Days and months by reason, as Markdown."""
    head = ("period", "readings", "periods", "exact to a display step", "within bound", "beyond", "largest difference")
    order = sorted(proof.lines.items(), key=lambda each: (each[0][0], each[0][1] != COMPLETE, -each[1].periods))
    rows = [
        f"| {what} | {reason} | {line.periods:,} | {line.exact:,} | {line.bounded:,} | {line.beyond:,} | {line.largest_share:.1%} |"
        for (what, reason), line in order
    ]
    return "\n".join((f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows))


async def main() -> None:
    """Simulate, settle, compare, print; ends with status 1 where anything is unexplained."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="meterwarden-exact-") as name, Stack.create(with_prometheus=False, say=print) as stack:
        directory = Path(name)
        of = run.build(fleet.build(options.institutions, options.seed, Month.parse(options.month)), scenario.load(options.scenario))
        prepared = await prepare(stack.postgres.url(), "meterwarden", directory / "passwords")
        settings = DatabaseSettings(url=SecretStr(prepared.uri_with_password("meterwarden_writer")))
        proof = await prove(of, settings, prepared.uri_with_password("meterwarden_reader"), directory)
    meters = len({device.key[:3] for device in of.devices})
    print(f"\n{meters} meters, {len(of.devices)} registers, scenario {options.scenario}, {of.fleet.month}, seed {options.seed}\n")
    print(proof.report.summary())
    print(f"\n{table(proof)}\n\nunexplained: {proof.unexplained}")
    raise SystemExit(proof.unexplained > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exactness")
    parser.add_argument("--institutions", type=int, default=34, help="34 have some 200 meters")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--month", default="2026-10")
    parser.add_argument("--scenario", default="messy")
    return parser.parse_args()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
