"""SIGKILL at random instants: whatever was published has one outcome, and every derived row is a rebuild's."""

import asyncio
import random
from pathlib import Path

from ingest.stack import Stack
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import Gateway, publishing
from tests.faults.health import all_acknowledged, has_received
from tests.faults.stream import Stream
from tests.running import eventually, running_service

KILLS = 50
BACKLOG = 5000
SMALL_BATCHES = {"batch__messages": 50, "batch__age_seconds": 0.02}
"""Many commits a second, so that a random instant falls before, into and after one."""


async def test_fifty_kills_at_random_instants_under_load(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """A fifth of the kills comes before the service is even connected, the others between two random counts of messages."""
    rng = random.Random(seed)
    async with running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service:
        async with publishing(stack.mosquitto, stream, per_second=1500):
            for _ in range(KILLS):
                if rng.random() < 0.2:
                    await asyncio.sleep(rng.random() * 0.5)  # into the start, wherever that is
                else:
                    least = rng.randrange(1, 1000)
                    await eventually(lambda least=least: has_received(service, least), f"{least} received")
                await service.kill()
                await service.start()
        await service.ready()
        await judge(database, stream)
        await all_acknowledged(service)


async def test_kills_in_the_middle_of_a_backlog(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """The worst moment: batches follow each other without a pause, and the kill falls into the middle of one."""
    rng = random.Random(seed)
    async with running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service:
        assert 0 == await service.terminate()
        await Gateway(stack.mosquitto).publish(stream.take(BACKLOG))
        for _ in range(4):
            await service.start()
            least = rng.randrange(1, BACKLOG // 8)
            await eventually(lambda least=least: has_received(service, least), f"{least} received")
            await service.kill()
        await service.start()
        await service.ready()
        await judge(database, stream)
        await all_acknowledged(service)
