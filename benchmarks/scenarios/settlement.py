"""Settlement: rounds over all channels' current hour at 15 minutes and at a second, and the backlog of 45 days.

The readings are put into the database by SQL, with marks as intake writes them; then `settle_round`, the settler's own step, runs
in this process. A round of "15 min" finds one new reading a channel, one of "1 s" what two seconds bring, in an hour that holds
many already: many channels at some depth, and fewer at the depth of a full hour, each in turn with as many other channels at 15
minutes, so that ratios are taken pair by pair.

What takes longer than its budget is cut short after the round it is in, so that the whole benchmark keeps its time.
"""

import time
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from statistics import median
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from benchmarks.bench import Bench
from benchmarks.figures import Run
from benchmarks.scenarios.channels import ENDS, add_readings, register
from benchmarks.usage import Account
from ingest.metering.levels import Thresholds
from ingest.settlement import settle_round
from ingest.storage.bootstrap import prepare
from ingest.storage.channels import Channels
from ingest.storage.connection import Connection, connected
from ingest.storage.queries import QUERIES
from ingest.storage.settlement import open_round

CHANNEL_HOURS: Final = 50_000
"""Most that a round takes, as the service's settings have it."""
QUARTER: Final = timedelta(minutes=15)
SECOND: Final = timedelta(seconds=1)
MOST_SECONDS: Final = 300


class Course(NamedTuple):
    """What every round of some channels finds: `each` readings a channel, `step` apart, the first at `start`."""

    name: str
    channels: range
    start: datetime
    step: timedelta
    each: int


@dataclass(slots=True)
class Hand:
    """A settler that is driven by hand, and the owner who puts in readings."""

    settler: Connection
    owner: AsyncConnection[tuple[Any, ...]]
    bench: Bench
    channels: Channels = field(default_factory=Channels)

    async def round(self, now: datetime, channel_hours: int = CHANNEL_HOURS) -> Account:
        """One round; its account, to be read at once."""
        account = self.bench.account()
        await settle_round(self.settler, self.channels, now, channel_hours, Thresholds())
        return account

    async def rest(self, now: datetime) -> None:
        """Rounds until there is nothing to do."""
        while await settle_round(self.settler, self.channels, now, CHANNEL_HOURS, Thresholds()):
            pass

    async def waiting(self) -> int:
        """Marked channel-hours that are not settled yet."""
        cursor = await self.owner.execute(QUERIES["marks_waiting"])
        return int((await cursor.fetchall())[0][0])

    async def in_turn(self, one: Course, other: Course, now: datetime) -> AsyncIterator[Run]:
        """Rounds of the one and the other; at least a pair."""
        ends = time.monotonic() + self.bench.sizes.rounds_seconds
        for number in range(self.bench.sizes.rounds):
            for course in (other, one) if number % 2 else (one, other):
                yield await self.round_of(course, number, now)
            if time.monotonic() > ends:
                break

    async def round_of(self, course: Course, number: int, now: datetime) -> Run:
        """A course's next round."""
        first = course.start + number * course.each * course.step
        await add_readings(self.owner, course.channels, first, first + course.each * course.step, course.step)
        account, channels = await self.round(now), len(course.channels)
        seconds = account.seconds
        figures = {"round_s": seconds, "channels_per_s": channels / seconds, **account.cpu_us(channels)}
        return Run(course.name, figures, account.cores())


async def run(bench: Bench, wanted: Set[str]) -> AsyncIterator[Run]:
    """The current hour, and the backlog."""
    sizes = bench.sizes
    hourly = _ranges(sizes.settle_channels, sizes.settle_channels, sizes.deep_channels, sizes.deep_channels, sizes.backlog_channels)
    midnight = datetime.now(UTC).replace(hour=16, minute=0, second=0, microsecond=0) - timedelta(days=3)  # in Shanghai
    if "settle" in wanted:
        async with _hand(bench, "settlement_alone", sizes.settle_channels) as hand:
            async for one in _alone(hand, range(1, sizes.settle_channels + 1), midnight):
                yield one
    async with _hand(bench, "settlement", hourly[-1].stop - 1) as hand:
        if "settle" in wanted:
            async for one in _current_hour(hand, hourly[:-1], midnight):
                yield one
        if "settle-backlog" in wanted:
            yield await _backlog(hand, hourly[-1], midnight)


def _ranges(*sizes: int) -> list[range]:
    """Channels from 1 on, as many as each size says."""
    ends = list(accumulate(sizes))
    return [range(end - size + 1, end + 1) for size, end in zip(sizes, ends, strict=True)]


async def _alone(hand: Hand, channels: range, midnight: datetime) -> AsyncIterator[Run]:
    """The current hour of so many channels, with none beside them in the database."""
    course = Course("settle alone", channels, await _until_one(hand, channels, midnight), QUARTER, 1)
    for number in range(hand.bench.sizes.rounds):
        yield await hand.round_of(course, number, midnight + timedelta(hours=20))


async def _until_one(hand: Hand, channels: range, midnight: datetime) -> datetime:
    """Yesterday by the hour, today every 15 minutes up to one in the afternoon: that."""
    settled = midnight + timedelta(hours=13)
    await add_readings(hand.owner, channels, midnight - timedelta(days=1), midnight, timedelta(hours=1), marks=ENDS)
    await hand.rest(midnight)
    await add_readings(hand.owner, channels, midnight, settled, QUARTER, marks=ENDS)
    await hand.rest(settled)
    return settled


async def _current_hour(hand: Hand, channels: list[range], midnight: datetime) -> AsyncIterator[Run]:
    """Yesterday by the hour, today every 15 minutes, then in turn the 14th hour's rounds and those of the 16th at a second."""
    sizes, everybody = hand.bench.sizes, range(channels[0].start, channels[-1].stop)
    hour, evening = midnight + timedelta(hours=16), midnight + timedelta(hours=20)
    settled = await _until_one(hand, everybody, midnight)
    slow, fast, slow_deep, fast_deep = channels
    for ending, depth, at_15_min, at_1_s in (
        ("", sizes.settle_readings, slow, fast),
        (" deep", sizes.deep_readings, slow_deep, fast_deep),
    ):
        full = hour + depth * SECOND
        await add_readings(hand.owner, at_1_s, hour, full, SECOND, marks=ENDS)
        await hand.rest(evening)
        quarters = Course(f"settle 15 min{ending}", at_15_min, settled, QUARTER, 1)
        seconds = Course(f"settle 1 s{ending}", at_1_s, full, SECOND, 2)
        async for one in hand.in_turn(quarters, seconds, evening):
            yield one


async def _backlog(hand: Hand, channels: range, midnight: datetime) -> Run:
    """Days of 15-minute readings that nobody has settled: every round's time."""
    days = timedelta(days=hand.bench.sizes.backlog_days)
    await add_readings(hand.owner, channels, midnight - days, midnight, QUARTER)
    hours = waiting = len(channels) * (days // timedelta(hours=1))
    took, account = list[float](), hand.bench.account()
    while waiting and account.seconds < hand.bench.sizes.backlog_seconds:
        took.append((await hand.round(midnight, hand.bench.sizes.backlog_hours)).seconds)
        waiting = await hand.waiting()
    settled = (hours - waiting) * (timedelta(hours=1) // QUARTER)
    figures = {
        "readings_per_s": settled / sum(took), "rounds": len(took), "median_round_s": median(took), "longest_round_s": max(took),
        "settled_share": 1 - waiting / hours, **account.cpu_us(settled),
    }  # fmt: skip
    return Run("settle backlog", figures, account.cores())


@asynccontextmanager
async def _hand(bench: Bench, name: str, channels: int) -> AsyncIterator[Hand]:
    """A database of its own, with so many channels."""
    own = replace(bench, prepared=await prepare(bench.stack.postgres.url(), name, bench.directory / "passwords"))
    url = own.prepared.uri_with_password("meterwarden_owner")
    settings = own.writer.model_copy(update={"statement_timeout_seconds": MOST_SECONDS})
    async with await AsyncConnection.connect(url, autocommit=True) as owner, connected(settings) as settler:
        await register(owner, channels)
        await open_round(settler)
        yield Hand(settler, owner, own)
