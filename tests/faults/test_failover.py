"""The database moves to another address: a server refused, a primary killed, its synchronous standby promoted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from psycopg.conninfo import make_conninfo

from ingest.errors import Unavailable
from ingest.stack import Postgres, Stack, free_port
from ingest.storage.writer import Writer
from tests.databases import Database
from tests.faults.conftest import Judge, register_fleet
from tests.faults.outage import IMPATIENT, SMALL_BATCHES, is_unready, receives_more, stands_still, survived
from tests.faults.servers import Standby, database_on, own_database, standby_of
from tests.faults.stream import Stream
from tests.integration.writing import said
from tests.proxy import Proxy
from tests.running import eventually, own_directory, running_service


def either(url: str, *ports: int) -> str:
    """The URL of whichever server of these ports takes writes."""
    hosts = ",".join(["127.0.0.1"] * len(ports))
    return make_conninfo(url, host=hosts, port=",".join(map(str, ports)), target_session_attrs="read-write")


async def test_of_two_addresses_the_one_that_answers_is_used(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """The first is refused under load, then the other one: the same service goes to and fro."""
    async with Proxy(stack.postgres.port, free_port()) as first, Proxy(stack.postgres.port, free_port()) as second:
        url = either(database.writer_url, first.port, second.port)
        async with (
            running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES, database__url=url) as service,
            survived(service, stack.mosquitto, stream, database, judge),
        ):
            assert second.accepted == 0
            await first.refuse()
            await eventually(lambda: second.accepted, "the second address in use")
            await receives_more(service, 500)
            await second.refuse()
            await stands_still(service)
            await first.resume()


@asynccontextmanager
async def replicated(stack: Stack, directory: Path) -> AsyncIterator[tuple[Postgres, Database, Standby]]:
    """A primary whose commits wait for its standby, the fleet's database on both."""
    async with own_database(stack, directory) as (primary, database):
        with own_directory() as place:
            await asyncio.to_thread(primary.stop)
            standby = await asyncio.to_thread(standby_of, primary, place / "standby")
            try:
                await asyncio.to_thread(primary.start)
                await asyncio.to_thread(standby.start)
                await database.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
                await database.run("SELECT pg_reload_conf()")
                await eventually(lambda: _is_synchronous(database), "the standby is synchronous")
                yield primary, database, standby
            finally:
                await asyncio.to_thread(standby.stop, "immediate")


async def _is_synchronous(database: Database) -> bool:
    return bool(await database.rows("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"))


@pytest.mark.parametrize("away", [False, True], ids=["following", "away"])
async def test_a_primary_that_dies_loses_nothing_to_its_synchronous_standby(
    stack: Stack, tmp_path: Path, judge: Judge, seed: int, away: bool
) -> None:
    """Killed under load, its standby promoted: the same service goes on there, and what it had acknowledged is there.

    A standby that is away lacks what the primary commits meanwhile: that is not acknowledged, however often a commit times out.
    """
    async with replicated(stack, tmp_path) as (primary, database, standby):
        stream = Stream(await register_fleet(database, tmp_path), seed)
        url = either(database.writer_url, primary.port, standby.port)
        after = database_on(standby, tmp_path)
        async with (
            running_service(database, stack.mosquitto, tmp_path, **IMPATIENT, database__url=url) as service,
            survived(service, stack.mosquitto, stream, after, judge, per_second=300),
        ):
            if away:
                await asyncio.to_thread(standby.stop)
                await stands_still(service)  # every commit is there for all to see, but no standby has it
            await asyncio.to_thread(primary.kill)
            await eventually(lambda: is_unready(service), "unready")
            await asyncio.to_thread(standby.start)  # nothing to do where it follows
            await after.run("SELECT pg_promote()")


async def test_a_commit_whose_wait_for_the_standby_somebody_ends_is_not_taken_for_one(stack: Stack, tmp_path: Path) -> None:
    """The server says that it has committed, and warns that perhaps no standby has; written again, the batch waits again."""
    async with replicated(stack, tmp_path) as (_, database, standby):
        await asyncio.to_thread(standby.stop)
        writer = Writer(database.settings)
        writing = asyncio.create_task(writer.write([said((1, 0, 10))]))
        await eventually(lambda: database.rows(END_WAIT), "a commit that waits, and no more")
        with pytest.raises(Unavailable, match="canceling wait for synchronous replication"):
            await writing
        again = asyncio.create_task(writer.write([said((1, 0, 10))]))
        await eventually(lambda: database.rows(WAITING), "the same batch waits again")
        await asyncio.to_thread(standby.start)
        assert ["duplicate"] == [outcome.message for outcome in await again]
        await writer.close()


WAITING: Final = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"
END_WAIT: Final = f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) AS waiting"
