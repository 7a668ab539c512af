"""Several workers on one shared subscription and one database, and what they must have in common."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from ingest.stack import Mosquitto
from tests.databases import Database
from tests.running import Service, eventually, running_service

SMALL_BATCHES: Final = {"batch__messages": 200, "batch__age_seconds": 0.02}
"""Many commits a second, so that workers meet in the database and a kill falls anywhere."""
SETTLING: Final = {"settlement__enabled": True, "settlement__round_seconds": 0.1, "database__statement_timeout_seconds": 60}


@asynccontextmanager
async def workers(
    database: Database, broker: Mosquitto, directory: Path, number: int, **settings: Any
) -> AsyncIterator[list[Service]]:
    """Workers that are ready; each has a client identifier of its own, all have one share group."""
    group = f"group-{secrets.token_hex(6)}"
    async with AsyncExitStack() as running:
        options = {"until_ready": False, "broker__share_group": group, "database__statement_timeout_seconds": 60, **settings}
        started = [
            await running.enter_async_context(running_service(database, broker, directory, **options)) for _ in range(number)
        ]
        for one in started:
            await one.ready()
        yield started


async def settlers(services: Sequence[Service]) -> list[Service]:
    """Those that settle now: at most one at any time."""
    active = [one for one in services if one.is_running and await one.metric("settlement_active") == 1]
    assert len(active) <= 1, f"{len(active)} services settle at once"
    return active


async def no_round_collided(services: Sequence[Service]) -> None:
    """Two that settle at once get into each other's way: one's round fails. None may have, where nobody's connection was cut."""
    assert [0] * len(services) == [await one.metric('settlement_rounds_total{result="failed"}') for one in services]


async def the_settler(services: Sequence[Service]) -> Service:
    """The one that settles, as soon as there is one."""
    return (await eventually(lambda: settlers(services), "one settles"))[0]


async def all_is_settled(database: Database) -> None:
    """Wait until no mark is left."""
    await eventually(lambda: _has_no_marks(database), "no mark is left", 180)


async def _has_no_marks(database: Database) -> bool:
    return [] == await database.rows("SELECT FROM metering.mark LIMIT 1")


async def decided(services: Sequence[Service], number: int) -> None:
    """Wait until so many messages have their outcome in these processes together."""
    await eventually(lambda: _have_decided(services, number), f"{number} decided")


async def _have_decided(services: Sequence[Service], number: int) -> bool:
    metrics = [await one.metrics() for one in services]
    return number <= sum(value for one in metrics for name, value in one.items() if name.startswith("messages_total{"))


async def deadlocks(database: Database) -> int:
    """How often the database had to break a circle of transactions waiting for each other."""
    await database.run("SELECT pg_stat_clear_snapshot()")
    return (await database.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))[0][0]
