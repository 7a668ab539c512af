"""The broker restarted, cut off, gone silent under load: what it acknowledged to the gateway is stored, once."""

import asyncio
import random
from pathlib import Path

import pytest

from ingest.retry import CEILING_SECONDS
from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import publishing
from tests.faults.health import all_acknowledged, is_connected, more_published, more_received, unready
from tests.faults.stream import Stream
from tests.faults.wire import hold_connects
from tests.proxy import Proxy
from tests.running import EVENTUALLY_SECONDS, eventually, own_broker, running_service

SMALL_BATCHES = {"batch__messages": 50, "batch__age_seconds": 0.02}
"""Many commits a second, so that a random instant falls before, into and after one."""
PER_SECOND = 2_000


@pytest.mark.parametrize(("database_away", "restarts"), [(False, 4), (True, 2)], ids=["alone", "while the database is away"])
async def test_a_broker_restarted_in_order_under_load(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, database_away: bool, restarts: int
) -> None:
    """It saves its sessions when it ends and has them again: nothing it queued is lost, and nothing is counted as lost."""
    with own_broker(stack.programs) as broker:
        broker.start()
        async with (
            Proxy(stack.postgres.port, free_port()) as base,
            running_service(database, broker, tmp_path, database_port=base.port, **SMALL_BATCHES) as service,
        ):
            async with publishing(broker, stream, per_second=PER_SECOND) as gateway:
                for _ in range(restarts):
                    if database_away:
                        await base.refuse()
                        await unready(service, "database")
                    await more_published(gateway, 500)
                    await asyncio.to_thread(broker.stop)
                    await unready(service)
                    await asyncio.to_thread(broker.start)
                    await eventually(lambda: is_connected(service), "subscribed again", CEILING_SECONDS + EVENTUALLY_SECONDS)
                    await more_published(gateway, 500)
                    await base.resume()
                    await service.ready()
            await judge(database, stream)
            assert [True] * restarts == [line["session_present"] for line in service.log_lines("subscribed")[1:]]
            assert restarts <= await service.metric("broker_reconnects_total")
            assert 0 == await service.metric("broker_sessions_lost_total")


async def test_broker_connections_cut_at_random_instants_under_load(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """What was not acknowledged comes again on the next connection; every third time the broker cannot be reached for a while."""
    rng, cuts = random.Random(seed), 9
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        settings = {**SMALL_BATCHES, "broker_port": proxy.port}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            async with publishing(stack.mosquitto, stream, per_second=PER_SECOND):
                for number in range(cuts):
                    await more_received(service, rng.randrange(1, 1000))
                    if number % 3:
                        await proxy.cut()
                    else:
                        await proxy.refuse()
                        await unready(service)
                        await proxy.resume()
                await service.ready()
            await judge(database, stream)
            await all_acknowledged(service)
            refusals = len(range(0, cuts, 3))
            assert refusals <= await service.metric("broker_reconnects_total"), "several cuts may hit one connection"
            assert 0 == await service.metric("broker_sessions_lost_total")


async def test_a_half_open_broker_connection_is_found_by_keepalive(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """A link that went deaf carries nothing and ends nothing: given up after one and a half keepalives; all comes on the next."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        settings = {"broker_port": proxy.port, "broker__keepalive_seconds": 8}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            async with publishing(stack.mosquitto, stream, per_second=200):
                await more_received(service, 100)
                proxy.watch = hold_connects
                proxy.forget_links()
                await unready(service)
                proxy.release()
                await service.ready()
            await judge(database, stream)
            assert ["the broker is silent"] == [line["message"] for line in service.log_lines("the broker is silent")]
            assert 1 == await service.metric("broker_reconnects_total")
