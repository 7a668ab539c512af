"""Whatever is killed, crashed, cut or silenced in mid-stream: every published reading is stored once, and nothing else happens."""

import asyncio
import random
from pathlib import Path

import pytest

from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.proxy import Proxy
from tests.registries import import_files, institution, meter, write_files
from tests.running import (
    Service,
    eventually,
    expected,
    institution_code,
    own_broker,
    publish,
    publish_with_paho,
    readings,
    running_service,
    stored,
    topic,
)

SMALL_BATCHES = {"batch__messages": 50, "batch__age_seconds": 0.02}
"""Many commits a second, so that a random instant falls before, into and after one."""
STREAM = 3000


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution of the test's own."""
    return await register(database, tmp_path)


async def register(database: Database, directory: Path) -> str:
    code = institution_code()
    await import_files(database, write_files(directory / "registry", [institution(code)], [meter(of=code)]))
    return code


async def nothing_is_lost_or_doubled(database: Database, number: int) -> None:
    """Every reading once, none in dispute, no message in quarantine."""
    await eventually(lambda: has_stored(database, number), f"{number} stored", 30)
    assert expected(range(number)) == await stored(database)
    for table in ("quarantine", "conflict"):
        assert [] == await database.rows(f"SELECT FROM metering.{table}")


async def has_stored(database: Database, number: int) -> bool:
    return (await database.rows("SELECT count(*) FROM metering.reading"))[0][0] >= number


async def has_received(service: Service, number: int) -> bool:
    return await service.metric("messages_received_total") >= number


async def is_settled(service: Service) -> bool:
    """Nothing in flight, and all that was received has been acknowledged: with the queue empty nothing is delivered again."""
    metrics = await service.metrics()
    return metrics.get("messages_in_flight") == 0 and metrics["messages_received_total"] == metrics["messages_acknowledged_total"]


async def test_a_service_killed_at_random_instants_loses_and_doubles_nothing(
    stack: Stack, database: Database, tmp_path: Path, code: str, seed: int
) -> None:
    """SIGKILL again and again while readings stream in, sometimes before it has even connected."""
    rng = random.Random(seed)
    payloads = readings(range(STREAM))
    cuts = sorted(rng.sample(range(100, STREAM - 100), 6))
    async with running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service:
        for begin, end in zip([0, *cuts], cuts, strict=False):
            load = asyncio.create_task(publish(stack.mosquitto, topic(code), payloads[begin:end]))
            delivered = rng.randrange(end - begin)
            await eventually(lambda least=delivered: has_received(service, least), f"{delivered} received")
            await service.kill()
            await service.start()
            if rng.random() < 0.7:
                await service.ready()
            await load
        await publish(stack.mosquitto, topic(code), payloads[cuts[-1] :])
        await service.ready()
        await nothing_is_lost_or_doubled(database, STREAM)
        await eventually(lambda: is_settled(service), "all acknowledged")


async def test_a_service_killed_while_it_works_off_a_backlog_loses_and_doubles_nothing(
    stack: Stack, database: Database, tmp_path: Path, code: str, seed: int
) -> None:
    """The worst moment: batches follow each other without a pause, and the kill falls into the middle of one."""
    rng = random.Random(seed)
    async with running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service:
        await service.terminate()
        await publish_with_paho(stack.mosquitto, topic(code), readings(range(STREAM)))
        for _ in range(4):
            await service.start()
            before, more = len(await stored(database)), rng.randrange(1, STREAM // 8)
            least = min(before + more, STREAM)  # a slow machine kills late: all may be stored before the last kill
            await eventually(lambda least=least: has_stored(database, least), f"{more} more stored")
            await service.kill()
        await service.start()
        await service.ready()
        await nothing_is_lost_or_doubled(database, STREAM)
        await eventually(lambda: is_settled(service), "all acknowledged")


async def test_broker_connections_cut_in_mid_stream_cost_nothing(
    stack: Stack, database: Database, tmp_path: Path, code: str, seed: int
) -> None:
    """Reset at random instants: what was not acknowledged comes again on the next connection, and is stored once."""
    rng = random.Random(seed)
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        settings = {**SMALL_BATCHES, "broker_port": proxy.port}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            load = asyncio.create_task(publish(stack.mosquitto, topic(code), readings(range(STREAM))))
            for least in sorted(rng.sample(range(1, STREAM), 5)):
                await eventually(lambda least=least: has_received(service, least), f"{least} received")
                await proxy.cut()
            await load
            await nothing_is_lost_or_doubled(database, STREAM)
            await service.ready()
            assert 1 <= await service.metric("broker_reconnects_total")


async def test_a_broker_restarted_with_a_full_queue_keeps_what_was_not_acknowledged(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """A broker stopped in order saves its queue; packet identifiers begin anew, and no old acknowledgement frees a new message.

    What is published between its restart and our reconnect is another matter: mosquitto 2.0 does not restore shared subscriptions.
    """
    with own_broker(stack.programs) as broker:
        broker.start()
        async with running_service(database, broker, tmp_path, **SMALL_BATCHES) as service:
            for number, begin in enumerate(range(0, STREAM, STREAM // 3), start=2):
                await publish_with_paho(broker, topic(code), readings(range(begin, begin + STREAM // 3)))
                await asyncio.to_thread(broker.restart)
                await eventually(lambda number=number: len(service.log_lines("subscribed")) == number, "subscribed again")
            await nothing_is_lost_or_doubled(database, STREAM)
            assert {True} == {line["session_present"] for line in service.log_lines("subscribed")[1:]}
            assert 0 == await service.metric("broker_sessions_lost_total")
