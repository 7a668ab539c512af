"""The canary: ready only when a reading of our own has made the whole way."""

import asyncio
import itertools
from pathlib import Path

import pytest

from ingest.stack import Mosquitto, Stack, places
from tests.databases import Database
from tests.published import institution_code, publish, publish_with_paho, readings, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, eventually, own_broker, running_service

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
            assert {
                "ready": False,
                "broker": True,
                "database": True,
                "migrations": True,
                "canary": False,
            } == await service.unready()
            places.write(broker.directory / "access", access, 0o600)
            await asyncio.to_thread(broker.restart)
            await service.ready()


SLOW = """
    CREATE FUNCTION metering.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON metering.reading FOR EACH ROW EXECUTE FUNCTION metering.slow();
"""


@pytest.mark.parametrize("at_once", [20, 20_000], ids=["at the broker", "in hand"])
async def test_a_canary_behind_a_backlog_is_late_and_not_missing(
    stack: Stack, database: Database, tmp_path: Path, at_once: int
) -> None:
    """Ready while messages that were queued before it come through, several times as long as it may take otherwise."""
    code = institution_code()
    await import_files(database, write_files(tmp_path / "registry", [institution(code)], [meter(of=code)]))
    await database.run(SLOW)
    small = {"batch__messages": 10, "broker__receive_maximum": at_once}
    async with running_service(database, stack.mosquitto, tmp_path, **CANARY, **small) as service:
        await service.terminate()
        await publish_with_paho(stack.mosquitto, topic(code), readings(range(400)))
        await service.start()
        await eventually(lambda: service.metric("canary_behind"), "late")
        await service.ready()
        assert 0 == await service.metric("canary_latency_seconds_count"), "none of this life has come home"
        assert 0 < await service.metric("messages_in_flight")
        await eventually(lambda: service.metric("canary_latency_seconds_count"), "home")
        assert 0 == await service.metric("canary_behind")
        await service.ready()
        assert [] == service.log_lines("the canary did not come home, trying again")
        assert 400 == await service.metric('messages_total{outcome="stored"}') - await service.metric(
            "canary_latency_seconds_count"
        )


async def test_a_canary_that_is_denied_is_missing_however_many_messages_come_through(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """Nothing is before it any more, and it is not there: what comes after it is no excuse."""
    code = institution_code()
    await import_files(database, write_files(tmp_path / "registry", [institution(code)], [meter(of=code)]))
    with own_broker(stack.programs) as broker:
        deny_reading(broker, f"topic read metering/{code}/#\n")
        broker.start()
        async with running_service(database, broker, tmp_path, until_ready=False, **CANARY) as service:
            await eventually(lambda: service.log_lines("subscribed"), "subscribed")
            publishing = asyncio.create_task(_publish_on_and_on(broker, topic(code)))
            try:
                await eventually(lambda: len(service.log_lines("the canary did not come home, trying again")) > 1, "missed twice")
                await eventually(lambda: _lacks_canary(service), "not ready")
                assert 0 < await service.metric('messages_total{outcome="stored"}')
            finally:
                publishing.cancel()


async def _publish_on_and_on(broker: Mosquitto, to: str) -> None:
    for second in itertools.count():
        await publish(broker, to, readings([second]))


async def _lacks_canary(service: Service) -> bool:
    status, body = await service.http("/readyz")
    return status == 503 and '"canary": false' in body and '"broker": true' in body


def deny_reading(broker: Mosquitto, instead: str = "") -> str:
    """Take from the service's user what lets it read meters, or give it this instead; returns the access list as it was."""
    file = broker.directory / "access"
    access = file.read_text(encoding="utf-8")
    assert "topic read metering/#\n" in access
    places.write(file, access.replace("topic read metering/#\n", instead, 1), 0o600)
    return access


async def _marks_taken(database: Database) -> bool:
    return [] == await database.rows("SELECT FROM metering.mark") and [] != await database.rows("SELECT FROM metering.reading")
