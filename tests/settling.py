"""Settlement run by hand: to its end, and once more from scratch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ingest.findings import find_round
from ingest.messages import Assessed, Message, Row
from ingest.metering.levels import Thresholds
from ingest.settlement import Round, settle_round
from ingest.storage.channels import Channels
from ingest.storage.connection import Connection, connected
from ingest.storage.rebuild import DERIVED, forget_and_mark
from ingest.storage.settlement import open_round
from ingest.storage.vee import open_judging
from ingest.storage.writer import Writer
from tests.databases import Database

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def batch(rows: list[tuple[int, int, int]], received_at: int = 0) -> list[Assessed]:
    """Rows of channel, instant and value as intake assesses them, one message each."""
    message = Message("t", b"", 1, False, 1, 1, received_at)
    return [Assessed(message, [Row(channel, at, value, received_at)]) for channel, at, value in rows]


async def store(database: Database, batches: list[list[tuple[int, int, int]]]) -> None:
    """Write batches of (channel, read_at, value), as the service does."""
    writer = Writer(database.settings)
    for rows in batches:
        await writer.write(batch(rows))
    await writer.close()


async def settle_once(database: Database, *, now: datetime = NOW, channel_hours: int = 50_000) -> Round:
    """One round."""
    async with connected(database.settings) as connection:
        await open_round(connection)
        return await settle_round(connection, Channels(), now, channel_hours, Thresholds())


@dataclass
class ByHand:
    """A writer and a settler that a test drives, each on one connection."""

    connection: Connection
    writer: Writer
    channels: Channels = field(default_factory=Channels)

    async def store(self, rows: list[tuple[int, int, int]]) -> None:
        """Write a batch of (channel, read_at, value)."""
        await self.writer.write(batch(rows))

    async def settle_some(self, channel_hours: int, *, now: datetime = NOW) -> Round:
        """One round."""
        return await settle_round(self.connection, self.channels, now, channel_hours, Thresholds())

    async def settle(self, *, now: datetime = NOW, channel_hours: int = 50_000) -> int:
        """Rounds until there is nothing to do; returns how many there were."""
        for number in range(10_000):
            if not await self.settle_some(channel_hours, now=now):
                while await find_round(self.connection, now, channel_hours):
                    pass
                return number
        raise AssertionError("settlement does not come to rest")


@asynccontextmanager
async def by_hand(database: Database) -> AsyncIterator[ByHand]:
    """For the length of a block."""
    writer = Writer(database.settings)
    async with connected(database.settings) as connection:
        await open_round(connection)
        await open_judging(connection)
        yield ByHand(connection, writer)
    await writer.close()


async def settle_all(database: Database, *, now: datetime = NOW, channel_hours: int = 50_000) -> int:
    """Rounds until there is nothing to do; returns how many there were."""
    async with by_hand(database) as hand:
        return await hand.settle(now=now, channel_hours=channel_hours)


async def derived(database: Database) -> dict[str, list[tuple]]:
    """Every derived row, in a fixed order."""
    return {table: sorted(await database.rows(f"SELECT t::text FROM metering.{table} t")) for table in DERIVED}


def differences(before: dict[str, list[tuple]], after: dict[str, list[tuple]]) -> list[str]:
    """Rows that only one side has."""
    found = []
    for table in DERIVED:
        one, other = set(before[table]), set(after[table])
        found += [f"{table}: only before {row[0]}" for row in before[table] if row not in other]
        found += [f"{table}: only after {row[0]}" for row in after[table] if row not in one]
    return found


async def rebuild(database: Database, **options: Any) -> None:
    """Forget everything derived and settle it again from the stored readings, as `meterwarden rebuild` does."""
    await forget_and_mark(database.settings)
    await settle_all(database, **options)


async def derived_equals_rebuild(database: Database, now: datetime | None = None) -> None:
    """Settle what is marked, then everything from the stored readings alone: the same rows, in every table."""
    now = now or datetime.now(UTC)
    await settle_all(database, now=now)
    before = await derived(database)
    await forget_and_mark(database.settings)
    await settle_all(database, now=now)
    found = differences(before, await derived(database))
    assert [] == found[:5], f"{len(found)} derived rows differ from a rebuild"
