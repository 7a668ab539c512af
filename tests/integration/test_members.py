"""Workers come and go: alone and plainly, in a group, from the one to the other, and for good."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ingest.stack import Mosquitto, Stack
from tests.databases import Database
from tests.published import expected, publish, publish_with_paho, readings, stored, topic
from tests.running import Service, eventually, own_broker, running_service

SMALL_BATCHES = {"batch__messages": 50, "batch__age_seconds": 0.02}


def group() -> str:
    """A share group of the test's own."""
    return f"group-{secrets.token_hex(4)}"


async def has_stored(database: Database, number: int) -> bool:
    return len(await stored(database)) >= number


async def test_what_is_published_between_a_brokers_restart_and_our_reconnect_arrives(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """A plain subscription is the session's, and the broker's disk's: it holds before its client is back."""
    with own_broker(stack.programs) as broker:
        broker.start()
        async with running_service(database, broker, tmp_path, **SMALL_BATCHES) as service:
            await publish(broker, topic(code), readings(range(10)))
            await service.counted(stored=10)
            await service.terminate()
            await asyncio.to_thread(broker.restart)
            await publish(broker, topic(code), readings(range(10, 20)))
            await service.start()
            await service.ready()
            await eventually(lambda: has_stored(database, 20), "all stored")
            assert expected(range(20)) == await stored(database)


async def run_drain(service: Service, *arguments: str, log: Path) -> int:
    """`meterwarden drain` with a service's settings; returns its exit status."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest", "drain", *arguments, env=service.environment, stdout=output, stderr=output
        )
        async with asyncio.timeout(180):
            return await process.wait()


@asynccontextmanager
async def two_workers(
    database: Database, broker: Mosquitto, directory: Path, **settings: object
) -> AsyncIterator[tuple[Service, Service]]:
    """Two workers of one group, ready."""
    common = {"broker__share_group": group(), **SMALL_BATCHES, **settings}
    async with (
        running_service(database, broker, directory, **common) as one,
        running_service(database, broker, directory, **common) as two,
    ):
        yield one, two


async def test_a_drained_worker_stores_its_share_and_leaves_nothing_behind(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Scale-in: what the broker had dealt to the stopped worker is stored, its session ends, the other gets all from then on."""
    log = tmp_path / "drain.log"
    async with two_workers(database, stack.mosquitto, tmp_path) as (one, two):
        await two.terminate()
        await publish_with_paho(stack.mosquitto, topic(code), readings(range(2000)))
        await eventually(lambda: has_stored(database, 1000), "the share of the one that stayed")
        assert len(await stored(database)) < 2000, "the other's share waits at the broker"

        assert 0 == await run_drain(two, log=log), log.read_text()
        assert "left: the broker holds nothing" in log.read_text()
        await publish_with_paho(stack.mosquitto, topic(code), readings(range(2000, 3000)))
        await eventually(lambda: has_stored(database, 3000), "all stored")
        assert expected(range(3000)) == await stored(database)
        assert [(one.environment["METERWARDEN_BROKER__CLIENT_IDENTIFIER"],)] == await database.rows(
            "SELECT client_identifier FROM metering.subscription"
        )
        await two.start()
        await two.ready()
        assert two.log_lines("subscribed")[-1]["session_present"] is False, "the broker kept nothing"


async def test_drain_says_what_is_wrong_and_changes_nothing(stack: Stack, database: Database, tmp_path: Path, code: str) -> None:
    """The last one does not leave without being told to; a worker that runs is stopped first."""
    log = tmp_path / "drain.log"
    async with running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service:
        assert 1 == await run_drain(service, log=log)
        assert "--last" in log.read_text()
        assert 1 == await run_drain(service, "--last", log=log)
        assert "stop the worker" in log.read_text()
        await publish(stack.mosquitto, topic(code), readings(range(10)))
        await service.counted(stored=10)


async def test_a_member_that_stays_away_is_counted_before_its_session_expires(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """A quarter of the session's life without a sign: time to bring it back, or to drain it."""
    settings = {"intake__registry_seconds": 0.2, "broker__session_expiry_seconds": 3600}
    async with two_workers(database, stack.mosquitto, tmp_path, **settings) as (one, two):
        assert 0 == await one.metric("members_absent")
        await two.kill()
        identifier = two.environment["METERWARDEN_BROKER__CLIENT_IDENTIFIER"]

        async def missed() -> bool:
            """What the killed one said last may reach the database after its death."""
            await database.run(
                "UPDATE metering.subscription SET seen_at = now() - interval '901 s' WHERE client_identifier = %s", identifier
            )
            return await _absent(one, 1)

        await eventually(missed, "missed")
        await two.start()
        await eventually(lambda: _absent(one, 0), "back")


async def _absent(service: Service, number: int) -> bool:
    return await service.metric("members_absent") == number
