"""A backlog at the broker: drained whatever happens on the way, and taken in no faster than it can be committed."""

import random
import time
from pathlib import Path

from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.faults.backlog import publish_fast
from tests.faults.conftest import Judge, Note
from tests.faults.gateway import publishing
from tests.faults.health import all_acknowledged, memory_of, more_received, unready
from tests.faults.stream import Stream
from tests.proxy import Proxy
from tests.running import Service, eventually, running_service

MESSAGES = 300_000
DRAIN_SECONDS = 600
WAITING = 200
"""Messages of 200 kB: more than twice the limit."""
LIMIT_BYTES = 16 * 1024 * 1024
"""Default of `batch.uncommitted_bytes`."""
ONE_READ_BYTES = 512 * 1024
"""What a single read of the socket may bring beyond it."""
MOST_MIB = 48
"""What the process may grow by: the limit, and what is decoded and written of it at a time."""
KEEPALIVE_SECONDS = 8


async def test_three_hundred_thousand_messages_drained_through_two_kills_and_two_cuts(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """They wait for a service that is away; it is killed and cut off while it takes them in. Each is stored, once."""
    rng = random.Random(seed)
    async with (
        Proxy(stack.mosquitto.port, free_port()) as link,
        running_service(database, stack.mosquitto, tmp_path, broker_port=link.port) as service,
    ):
        assert 0 == await service.terminate()
        assert MESSAGES == await publish_fast(stack.mosquitto, stream.take(MESSAGES))
        await service.start()
        faults = [service.kill, service.kill, link.cut, link.refuse]
        for fault in rng.sample(faults, len(faults)):
            await more_received(service, rng.randrange(1, MESSAGES // 20))
            await fault()
            if fault == link.refuse:
                await unready(service)
                await link.resume()
            if not service.is_running:
                await service.start()
        await service.ready()
        await all_acknowledged(service, DRAIN_SECONDS)  # in order that the judge need not count meanwhile
        await judge(database, stream, rebuilt=False, seconds=DRAIN_SECONDS)


async def test_reading_is_paused_while_the_database_stalls_and_the_connection_outlives_it(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, note: Note
) -> None:
    """Above 16 MiB uncommitted nothing more is read, for longer than one and a half keepalives: the broker keeps the connection,
    memory stays bounded, and all goes on when the database does."""
    large = [stream.bulky(200_000) if number % 8 else stream.large(1_900) for number in range(WAITING)]
    async with Proxy(stack.postgres.port, free_port()) as base:
        settings = {"database_port": base.port, "broker__keepalive_seconds": KEEPALIVE_SECONDS}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service, memory_of(service) as memory:
            async with publishing(stack.mosquitto, stream, per_second=200):
                await more_received(service, 200)
                base.go_deaf()
                await publish_fast(stack.mosquitto, large)
                await eventually(lambda: is_paused(service), "paused")
                enough = time.monotonic() + 1.5 * KEEPALIVE_SECONDS + 1
                await eventually(lambda: time.monotonic() > enough, "longer than the broker waits for a silent client")
                metrics = await service.metrics()
                assert (1, 0) == (metrics["broker_connected"], metrics["broker_reconnects_total"])
                assert LIMIT_BYTES < metrics["uncommitted_bytes"] < LIMIT_BYTES + ONE_READ_BYTES
                await base.refuse()
                await unready(service, "database")
                await base.resume()
                await service.ready()
            await judge(database, stream)
            metrics = await service.metrics()
            assert [0, 0, 0] == [
                metrics[name] for name in ("broker_reading_paused", "broker_reconnects_total", "uncommitted_bytes")
            ]
        note(f"paused: {max(memory) - memory[0]:.1f} MiB more at most, over {memory[0]:.1f} MiB")
        assert max(memory) - memory[0] < MOST_MIB


async def is_paused(service: Service) -> bool:
    return await service.metric("broker_reading_paused") == 1
