"""Faults that come two at a time: each recovers by itself, discards nothing, and takes nobody else along."""

import json
import time
from pathlib import Path

import pytest

from ingest.stack import Stack, free_port
from schemas.topics import charger_session, gateway_readings
from tests.databases import Database
from tests.faults.test_ack_after_commit import is_waiting, readings_locked
from tests.faults.test_poison import POISON_KWH, REFUSE_POISON
from tests.faults.wire import hold_connects
from tests.integration.listening import running, settings_of, topic_of
from tests.proxy import Proxy
from tests.published import at, client, expected, institution_code, publish, publish_with_paho, reading, readings, stored, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import eventually, running_service


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution of the test's own, with electricity meter E1."""
    code = institution_code()
    await register(database, tmp_path, code)
    return code


async def register(database: Database, tmp_path: Path, code: str, *more: dict[str, object]) -> None:
    """E1 and more meters of an institution."""
    directory = tmp_path / f"registry-{len(list(tmp_path.iterdir()))}"
    await import_files(database, write_files(directory, [institution(code)], [meter(of=code), *more]))


async def test_a_broker_reconnect_during_a_database_outage_is_a_reconnect(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The session needs no database to be taken up again; what was in hand is stored once the database is back."""
    async with Proxy(stack.postgres.port, free_port()) as base, Proxy(stack.mosquitto.port, free_port()) as broker:
        ports = {"database_port": base.port, "broker_port": broker.port}
        async with running_service(database, stack.mosquitto, tmp_path, **ports) as service:
            await base.refuse()
            await publish(stack.mosquitto, topic(code), readings(range(5)))
            await eventually(lambda: service.log_lines("batch not committed, trying again"))
            accepted = broker.accepted
            await broker.cut()
            await eventually(lambda: broker.accepted > accepted or not service.is_running)

            assert service.is_running
            await base.resume()
            await service.counted(stored=5)  # in parts: after setbacks less is tried at once
            assert expected(range(5)) == await stored(database)


async def test_good_readings_of_a_message_that_stays_rejected_are_stored_at_its_replay(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """One reading waits for its meter, another is wrong for ever: the first is stored once its meter is registered."""
    numbers = [("E1", 0.0), ("E2", 0.001), ("E1", "bad")]
    batch = [
        {"medium": "electricity", "meter": name, "read_at": at(n).isoformat(), "energy_import_kwh": kwh}
        for n, (name, kwh) in enumerate(numbers)
    ]
    async with running_service(database, stack.mosquitto, tmp_path, intake__replay_seconds=0.2) as service:
        await publish(stack.mosquitto, gateway_readings(code, "G1"), [json.dumps({"readings": batch}).encode()])
        await service.counted(rejected=1)
        assert expected([0]) == await stored(database)
        await register(database, tmp_path, code, meter("E2", code))

        async def both() -> bool:
            return await stored(database) == expected([0, 1])

        await eventually(both)
        assert [("wrong_type",)] == await database.rows("SELECT reason FROM metering.quarantine")


async def test_one_poisoned_message_does_not_stop_the_replay_of_the_others(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """It stays in quarantine as unstorable; the others are replayed."""
    await database.run(REFUSE_POISON)
    async with running_service(database, stack.mosquitto, tmp_path, intake__replay_seconds=0.2) as service:
        waiting = [*readings(range(5)), reading(10, POISON_KWH), *readings(range(5, 9))]
        await publish(stack.mosquitto, topic(code, "E2"), waiting)
        await service.counted(rejected=10)
        await register(database, tmp_path, code, meter("E2", code))

        async def others() -> bool:
            return await stored(database) == expected(range(9))

        await eventually(others)

        async def only_the_poison_waits() -> bool:
            return [("unstorable",)] == await database.rows("SELECT reason FROM metering.quarantine WHERE resolved_at IS NULL")

        await eventually(only_the_poison_waits)


@pytest.mark.parametrize("table", ["conflict", "session_statement"])
async def test_a_privilege_missing_on_a_rarely_used_table_quarantines_nothing(
    stack: Stack, database: Database, tmp_path: Path, code: str, table: str
) -> None:
    """The probe goes through every statement a batch may need."""
    await register(database, tmp_path, code, meter("C1", code, "charger"))
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        await database.run(f"REVOKE INSERT ON metering.{table} FROM meterwarden_writer")
        if table == "conflict":
            await publish(stack.mosquitto, topic(code), [reading(0, 1), reading(0, 2)])
        else:
            session = {"session": "S1", "connector": 1, "started_at": at(0).isoformat(), "start_register_kwh": 12.5}
            await publish(stack.mosquitto, charger_session(code, "C1"), [json.dumps(session).encode()])

        async def judged() -> bool:
            samples = await service.metrics()
            return bool(samples['write_failures_total{kind="unavailable"}'] or samples['messages_total{outcome="rejected"}'])

        await eventually(judged)
        assert [] == await database.rows("SELECT reason FROM metering.quarantine")
        await database.run(f"GRANT INSERT ON metering.{table} TO meterwarden_writer")
        await service.counted(rejected=0)


async def test_above_its_limit_a_session_does_not_reconnect_for_more(stack: Stack, tmp_path: Path) -> None:
    """Each new connection would bring another chunk of what is delivered again: it waits until there is room."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        settings = settings_of(stack.mosquitto, tmp_path, port=proxy.port, keepalive_seconds=5)  # who does not read hears of no end
        async with running(settings, limit=300_000) as one:
            await one.connected()
            await publish_with_paho(stack.mosquitto, topic_of(settings), [b"x" * 10_000] * 500)
            await eventually(lambda: one.sample("broker_reading_paused") == 1)
            await proxy.cut()
            await eventually(lambda: not one.metrics.connected)
            accepted, held = proxy.accepted, one.sample("uncommitted_bytes")
            noticed = time.monotonic() + 1  # five times the first pause between two attempts
            await eventually(lambda: time.monotonic() > noticed)

            assert (accepted, held) == (proxy.accepted, one.sample("uncommitted_bytes"))
            one.session.release(int(held))
            await eventually(lambda: proxy.accepted > accepted)


async def test_an_absent_broker_after_one_take_over_is_not_another_take_over(stack: Stack, tmp_path: Path) -> None:
    """Only the broker's own word counts; a connection that fails afterwards has a reason of its own."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        settings = settings_of(stack.mosquitto, tmp_path, port=proxy.port, taken_over_seconds=0.1)
        async with running(settings) as one:
            await one.connected()
            proxy.watch = hold_connects  # else it would be back before anybody looks
            async with client(stack.mosquitto, "ingest", identifier=settings.client_identifier):
                await eventually(lambda: not one.metrics.connected)
                await proxy.refuse()
            proxy.release()
            several_attempts = time.monotonic() + 3
            await eventually(lambda: time.monotonic() > several_attempts)

            assert 1 == one.sample("broker_sessions_taken_over_total")


async def test_a_stop_that_cannot_drain_says_so_in_its_status_and_loses_nothing(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Status 1 after the grace period; what was not acknowledged is delivered again to the next process."""
    async with running_service(database, stack.mosquitto, tmp_path, shutdown_grace_seconds=1) as service:
        async with readings_locked(database):
            await publish(stack.mosquitto, topic(code), readings(range(10)))
            await eventually(lambda: is_waiting(database))
            assert 1 == await service.terminate()
        await service.start()
        await service.counted(stored=10)
