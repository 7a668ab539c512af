"""What hits intake hits the settler too: whatever round is broken off, the derived rows are those of a rebuild."""

import asyncio
import functools
import random
import time
from pathlib import Path

import pytest

from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.faults.conftest import Judge, register_fleet
from tests.faults.gateway import publishing
from tests.faults.outage import SMALL_BATCHES, is_unready, receives_more, stands_still, survived
from tests.faults.servers import own_database
from tests.faults.stream import Stream
from tests.proxy import Link, Proxy, Verdict, Way
from tests.running import Service, eventually, running_service

SETTLING = {**SMALL_BATCHES, "settlement__enabled": True, "settlement__round_seconds": 0.05, "settlement__channel_hours": 20}
"""Many small rounds, so that a random instant falls into one."""


async def _rounds(service: Service) -> float:
    return await service.metric('settlement_rounds_total{result="done"}')


async def _settles_more(service: Service) -> None:
    least = await _rounds(service) + 2

    async def more() -> bool:
        return await _rounds(service) >= least

    await eventually(more, "settles")


async def _settled_since(service: Service, second: float) -> bool:
    """Whether it looked for work, even where a deaf broker brought none."""
    return await service.metric("settlement_last_round_timestamp_seconds") > second


async def test_a_settler_whose_database_crashes_is_cut_off_and_turns_read_only_derives_what_a_rebuild_derives(
    stack: Stack, tmp_path: Path, judge: Judge, seed: int
) -> None:
    """All three under load, at random instants; it goes on by itself each time, and stopped in order leaves nothing half done."""
    rng = random.Random(seed)
    async with own_database(stack, tmp_path) as (server, database), Proxy(server.port, free_port()) as proxy:
        stream = Stream(await register_fleet(database, tmp_path), seed)
        async with running_service(database, stack.mosquitto, tmp_path, **SETTLING, database_port=proxy.port) as service:
            async with survived(service, stack.mosquitto, stream, database, judge, rebuilt=False):
                await _settles_more(service)
                await receives_more(service, rng.randrange(1, 300))
                await asyncio.to_thread(server.stop, "immediate")
                await eventually(lambda: is_unready(service), "unready")
                await asyncio.to_thread(server.start)
                await _settles_more(service)
                for _ in range(5):
                    await receives_more(service, rng.randrange(1, 100))
                    await proxy.cut()
                await _settles_more(service)
                await database.run("ALTER SYSTEM SET default_transaction_read_only = on")
                await database.run("SELECT pg_reload_conf()")
                await stands_still(service)
                await database.run("ALTER SYSTEM RESET default_transaction_read_only")
                await database.run("SELECT pg_reload_conf()")
                await _settles_more(service)
            assert 0 == await service.terminate()
            await judge(database, stream)
            assert [] != await database.rows("SELECT FROM metering.consumption_hour")


def _silent_inside_copy(link: Link, way: Way, chunk: bytes) -> Verdict:
    """The server waits for the rows of a round, and no timeout of its own reaches it there."""
    if way is Way.TO_SERVER and b"COPY settled_hour" in chunk:
        link.seen.add("round")
    if "round" not in link.seen or way is not Way.TO_SERVER or b"PGCOPY\n\xff" not in chunk:
        return Verdict.PASS
    link.deaf = link.swallowed = True
    return Verdict.DROP


@pytest.mark.parametrize("where", ["anywhere", "inside_copy"])
async def test_a_settler_whose_connection_goes_silent_gives_it_up_and_takes_the_lock_again(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, where: str
) -> None:
    """Neither side hears of the other's end: we give up waiting, and our next connection ends the one that holds our lock."""
    settings = {**SETTLING, "settlement__round_seconds": 0.2, "database__statement_timeout_seconds": 2}
    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, **settings, database_port=proxy.port) as service,
    ):
        async with publishing(stack.mosquitto, stream, per_second=300):
            await _settles_more(service)
            if where == "anywhere":
                proxy.forget_links()
            else:
                proxy.watch = _silent_inside_copy
            await eventually(lambda: service.log_lines("settlement interrupted"), "given up")
            proxy.release()
            await _settles_more(service)
        await service.ready()
        await service.terminate()
        await judge(database, stream)


async def test_a_settler_that_loses_broker_and_database_at_once_begins_anew(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """What its clients raise while the lost database ends them must not keep the end of the round waiting for ever."""
    async with (
        Proxy(stack.postgres.port, free_port()) as base,
        Proxy(stack.mosquitto.port, free_port()) as link,
        running_service(database, stack.mosquitto, tmp_path, **SETTLING, database_port=base.port, broker_port=link.port) as service,
    ):
        async with publishing(stack.mosquitto, stream, per_second=300):
            for _ in range(8):
                await asyncio.gather(base.cut(), link.cut())
                lost = time.time()
                await eventually(functools.partial(_settled_since, service, lost), "settles")
        await service.ready()
        await judge(database, stream, rebuilt=False)
        await service.terminate()
        await judge(database, stream)
