"""The connection to the database breaks at any instant: crashed, cut, silent, inside COPY, inside COMMIT, after it."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.faults.conftest import Judge, register_fleet
from tests.faults.outage import (
    IMPATIENT,
    SMALL_BATCHES,
    failed,
    has_failed,
    is_unready,
    receives_more,
    stands_still,
    survived,
)
from tests.faults.servers import own_database
from tests.faults.stream import Stream
from tests.faults.wire import COMMITTED
from tests.proxy import Link, Proxy, Verdict, Watch, Way
from tests.running import eventually, running_service

COPY = b"FROM STDIN (FORMAT binary)"
"""Ends the statement that only a writer of readings sends."""
ROWS = b"PGCOPY\n\xff"
"""How the rows of a COPY begin."""
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


async def test_a_database_server_that_crashes_in_mid_stream_costs_nothing(
    stack: Stack, tmp_path: Path, judge: Judge, seed: int
) -> None:
    """Ended without a checkpoint at random instants while batches commit, and recovered: the same service goes on each time."""
    rng = random.Random(seed)
    async with own_database(stack, tmp_path) as (server, database):
        stream = Stream(await register_fleet(database, tmp_path), seed)
        async with (
            running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service,
            survived(service, stack.mosquitto, stream, database, judge),
        ):
            for _ in range(3):
                await receives_more(service, rng.randrange(1, 400))
                await asyncio.to_thread(server.stop, "immediate")
                await eventually(lambda: is_unready(service), "unready")
                await asyncio.to_thread(server.start)
                await eventually(service.is_ready, "ready again")


def watching(holds: Callable[[Link, Way, bytes], bool], verdict: Callable[[Link], Verdict], *, again: bool = False) -> Watch:
    """The verdict on the first chunk of a link that writes readings for which it holds; everything else passes.

    `again`: of every such link, so that the fault lasts.
    """
    done = False

    def watch(link: Link, way: Way, chunk: bytes) -> Verdict:
        nonlocal done
        if way is Way.TO_SERVER and COPY in chunk:
            link.seen.add("copy")
        if done or "copy" not in link.seen or not holds(link, way, chunk):
            return Verdict.PASS
        done = not again
        return verdict(link)

    return watch


async def is_inside_copy(database: Database) -> bool:
    """Whether the server has begun a COPY and waits for its rows."""
    query = """SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
               AND wait_event = 'ClientRead' AND query LIKE 'COPY %%'"""
    return bool(await database.rows(query))


def _rows(_link: Link, way: Way, chunk: bytes) -> bool:
    return way is Way.TO_SERVER and ROWS in chunk


@pytest.mark.parametrize("how", ["crashed", "terminated"])
async def test_a_server_ended_inside_copy_costs_nothing(stack: Stack, tmp_path: Path, judge: Judge, seed: int, how: str) -> None:
    """The rows are on their way when the whole server stops, or an administrator ends the connection."""
    async with own_database(stack, tmp_path) as (server, database), Proxy(server.port, free_port()) as proxy:
        stream = Stream(await register_fleet(database, tmp_path), seed)
        settings = {**SMALL_BATCHES, "database_port": proxy.port}
        async with (
            running_service(database, stack.mosquitto, tmp_path, **settings) as service,
            survived(service, stack.mosquitto, stream, database, judge),
        ):
            before = await failed(service)
            proxy.watch = watching(_rows, lambda _link: Verdict.HOLD)
            await eventually(lambda: is_inside_copy(database), "inside COPY")
            if how == "crashed":
                await asyncio.to_thread(server.stop, "immediate")
                await eventually(lambda: is_unready(service), "unready")
                await asyncio.to_thread(server.start)
            else:
                await database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY %%'")
            await eventually(lambda: has_failed(service, before + 1), "the batch failed")


async def test_database_connections_cut_at_random_instants_cost_nothing(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """Reset while any statement is under way: the batch is written again and stored once; refused for a while, it waits."""
    rng = random.Random(seed)
    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES, database_port=proxy.port) as service,
        survived(service, stack.mosquitto, stream, database, judge),
    ):
        for _ in range(10):
            await receives_more(service, rng.randrange(1, 200))
            await proxy.cut()
        await proxy.refuse()
        await stands_still(service)
        await proxy.resume()


async def test_many_lost_commit_answers_cost_nothing(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """The connection breaks between commit and answer, for every fourth batch or so: it is found to be there, stored once."""
    rng, lost = random.Random(seed), 0

    def watch(link: Link, way: Way, chunk: bytes) -> Verdict:
        nonlocal lost
        if way is Way.TO_SERVER and COPY in chunk:
            link.seen.add("copy")
        if "copy" in link.seen and _answer(link, way, chunk) and rng.random() < 0.25:
            lost += 1
            return Verdict.CUT
        return Verdict.PASS

    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES, database_port=proxy.port) as service,
        survived(service, stack.mosquitto, stream, database, judge),
    ):
        proxy.watch = watch
        await eventually(lambda: lost >= 6, "six answers lost")
        await eventually(lambda: is_unready(service), "unready in between")
        proxy.release()


def _commit(_link: Link, way: Way, chunk: bytes) -> bool:
    return way is Way.TO_SERVER and chunk.endswith(COMMIT)


def _answer(_link: Link, way: Way, chunk: bytes) -> bool:
    return way is Way.TO_CLIENT and COMMITTED in chunk


def _forget(link: Link) -> Verdict:
    link.deaf = link.swallowed = True
    return Verdict.DROP


@pytest.mark.parametrize("silent", [_rows, _commit], ids=["inside_copy", "inside_commit"])
async def test_a_connection_that_goes_silent_without_closing_is_given_up(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, silent: Callable[[Link, Way, bytes], bool]
) -> None:
    """A firewall that forgets the connection answers nothing, ever, and neither side learns that the other has given up.

    The transaction the server still holds open keeps the very rows locked that are written again: it has to end too.
    """
    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, **IMPATIENT, database_port=proxy.port) as service,
        survived(service, stack.mosquitto, stream, database, judge, per_second=200),
    ):
        before = await failed(service)
        proxy.watch = watching(silent, _forget, again=True)
        await eventually(lambda: has_failed(service, before + 1), "given up")
        await eventually(lambda: is_unready(service), "unready")
        proxy.release()
