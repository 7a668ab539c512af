"""Settlement: rounds over all channels' current hour at 15 minutes and at a second, and the backlog of 45 days.

The readings are put into the database by SQL, with marks as intake writes them; then `settle_round`, the settler's own step, runs
in this process. A round of "15 min" finds one new reading a channel, one of "1 s" what two seconds bring, in an hour that holds
many already: all channels at some depth, and fewer at the depth of a full hour, each beside as many channels at 15 minutes.

What takes longer than its budget is cut short after the round it is in, so that the whole benchmark keeps its time.
"""

import time
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

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
ROUND: Final = 2 * SECOND
MOST_SECONDS: Final = 300


@dataclass(slots=True)
class Hand:
    """A settler that is driven by hand, and the owner who puts in readings."""

    settler: Connection
    owner: AsyncConnection[tuple[Any, ...]]
    bench: Bench
    channels: Channels = field(default_factory=Channels)

    async def round(self, now: datetime) -> Account:
        """One round; its account, to be read at once."""
        account = self.bench.account()
        await settle_round(self.settler, self.channels, now, CHANNEL_HOURS, Thresholds())
        return account

    async def rest(self, now: datetime) -> None:
        """Rounds until there is nothing to do."""
        while await settle_round(self.settler, self.channels, now, CHANNEL_HOURS, Thresholds()):
            pass

    async def waiting(self) -> int:
        """Marked channel-hours that are not settled yet."""
        cursor = await self.owner.execute(QUERIES["marks_waiting"])
        return int((await cursor.fetchall())[0][0])

    async def rounds(self, name: str, channels: range, start: datetime, step: timedelta, each: int) -> AsyncIterator[Run]:
        """Rounds that find so many new readings a channel, `step` apart; at least one."""
        ends = time.monotonic() + self.bench.sizes.rounds_seconds
        for number in range(self.bench.sizes.rounds):
            first = start + number * each * step
            until = first + each * step
            await add_readings(self.owner, channels, first, until, step)
            account = await self.round(until)
            seconds = account.seconds
            figures = {"round_s": seconds, "channels_per_s": len(channels) / seconds, **account.cpu_us(len(channels))}
            yield Run(name, figures, account.cores())
            if time.monotonic() > ends:
                break


async def run(bench: Bench, wanted: Set[str]) -> AsyncIterator[Run]:
    """The current hour, and the backlog."""
    sizes = bench.sizes
    many = range(1, sizes.settle_channels + 1)
    few = range(many.stop, many.stop + sizes.deep_channels)
    waiting = range(few.stop, few.stop + sizes.backlog_channels)
    midnight = datetime.now(UTC).replace(hour=16, minute=0, second=0, microsecond=0) - timedelta(days=3)  # in Shanghai
    async with _hand(bench, waiting.stop - 1) as hand:
        if "settle" in wanted:
            async for one in _current_hour(hand, many, few, midnight):
                yield one
        if "settle-backlog" in wanted:
            yield await _backlog(hand, waiting, midnight)


async def _current_hour(hand: Hand, many: range, few: range, midnight: datetime) -> AsyncIterator[Run]:
    """Yesterday by the hour, today every 15 minutes, then the 14th hour's rounds, then the 16th at a second."""
    sizes, everybody = hand.bench.sizes, range(many.start, few.stop)
    settled = midnight + timedelta(hours=13)
    await add_readings(hand.owner, everybody, midnight - timedelta(days=1), midnight, timedelta(hours=1), marks=ENDS)
    await hand.rest(midnight)
    await add_readings(hand.owner, everybody, midnight, settled, QUARTER, marks=ENDS)
    await hand.rest(settled)
    async for one in hand.rounds("settle 15 min", many, settled, QUARTER, 1):
        yield one
    async for one in hand.rounds("settle 15 min deep", few, settled, QUARTER, 1):
        yield one
    hour = midnight + timedelta(hours=16)
    for name, channels, depth in (("settle 1 s", many, sizes.settle_readings), ("settle 1 s deep", few, sizes.deep_readings)):
        full = hour + depth * SECOND
        await add_readings(hand.owner, channels, hour, full, SECOND, marks=ENDS)
        await hand.rest(full)
        async for one in hand.rounds(name, channels, full, SECOND, ROUND // SECOND):
            yield one


async def _backlog(hand: Hand, channels: range, midnight: datetime) -> Run:
    """Days of 15-minute readings that nobody has settled: every round's time."""
    days = timedelta(days=hand.bench.sizes.backlog_days)
    await add_readings(hand.owner, channels, midnight - days, midnight, QUARTER)
    hours = waiting = len(channels) * (days // timedelta(hours=1))
    took, account = list[float](), hand.bench.account()
    while waiting and account.seconds < hand.bench.sizes.backlog_seconds:
        took.append((await hand.round(midnight)).seconds)
        waiting = await hand.waiting()
    settled = (hours - waiting) * (timedelta(hours=1) // QUARTER)
    figures = {
        "readings_per_s": settled / sum(took), "rounds": len(took), "median_round_s": median(took), "longest_round_s": max(took),
        "settled_share": 1 - waiting / hours, **account.cpu_us(settled),
    }  # fmt: skip
    return Run("settle backlog", figures, account.cores())


@asynccontextmanager
async def _hand(bench: Bench, channels: int) -> AsyncIterator[Hand]:
    """A database of its own, with so many channels."""
    own = replace(bench, prepared=await prepare(bench.stack.postgres.url(), "settlement", bench.directory / "passwords"))
    url = own.prepared.uri_with_password("meterwarden_owner")
    settings = own.writer.model_copy(update={"statement_timeout_seconds": MOST_SECONDS})
    async with await AsyncConnection.connect(url, autocommit=True) as owner, connected(settings) as settler:
        await register(owner, channels)
        await open_round(settler)
        yield Hand(settler, owner, own)
