"""The canary: ready only when a reading of our own has made the whole way."""

import asyncio
from pathlib import Path

from ingest.stack import Mosquitto, Stack, places
from tests.databases import Database
from tests.running import eventually, own_broker, running_service

CANARY = {"canary__enabled": True, "canary__every_seconds": 0.2, "canary__within_seconds": 10}


async def test_a_canary_is_published_stored_and_seen_and_nothing_is_derived_from_it(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """On channel 0, which is nobody's: no view, no consumption, no institution; its latency is measured."""
    async with running_service(database, stack.mosquitto, tmp_path, **CANARY, settlement__enabled=True) as service:
        assert 1 <= await service.metric("canary_latency_seconds_count")
        assert 0 == await service.metric("registry_meters")
        await eventually(lambda: _marks_taken(database), "settled")
        assert [(0,)] == await database.rows("SELECT DISTINCT channel FROM metering.reading")
        for view in ("reading", "consumption_hour", "consumption_day", "quota_status", "quarantine", "event"):
            assert [] == await database.rows(f"SELECT FROM meterwarden.{view}")


async def test_a_broker_that_grants_the_subscription_and_denies_every_message_is_found(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """mosquitto answers SUBACK 1 to a client that its access list lets read nothing; only the canary knows."""
    with own_broker(stack.programs) as broker:
        access = deny_reading(broker)
        broker.start()
        async with running_service(database, broker, tmp_path, until_ready=False, **CANARY) as service:
            await eventually(lambda: service.log_lines("subscribed"), "subscribed, as the broker says")
            await eventually(lambda: service.log_lines("the canary did not come home, trying again"), "missed")
            assert {"ready": False, "broker": True, "database": True, "canary": False} == await service.unready()
            places.write(broker.directory / "access", access, 0o600)
            await asyncio.to_thread(broker.restart)
            await service.ready()


def deny_reading(broker: Mosquitto) -> str:
    """Take from the service's user what lets it read meters; returns the access list as it was."""
    file = broker.directory / "access"
    access = file.read_text(encoding="utf-8")
    assert "topic read metering/#\n" in access
    places.write(file, access.replace("topic read metering/#\n", "", 1), 0o600)
    return access


async def _marks_taken(database: Database) -> bool:
    return [] == await database.rows("SELECT FROM metering.mark") and [] != await database.rows("SELECT FROM metering.reading")
