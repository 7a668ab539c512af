"""Promise 1: PUBACK goes out only after the commit, on the connection that delivered the message."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.faults.wire import COMMITTED, COPY, PATIENT, Commits, Wire
from tests.proxy import Link, Proxy, Verdict, Watch, Way
from tests.published import expected, institution_code, publish, readings, stored, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, balances, eventually, running_service

NUMBER = 40


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution of the test's own."""
    name = institution_code()
    await import_files(database, write_files(tmp_path / "registry", [institution(name)], [meter(of=name)]))
    return name


@asynccontextmanager
async def readings_locked(database: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """Nobody can write a reading inside the block."""
    async with await psycopg.AsyncConnection.connect(database.superuser_url) as connection:
        await connection.execute("LOCK TABLE metering.reading IN ACCESS EXCLUSIVE MODE")
        yield connection
        await connection.rollback()


async def is_waiting(database: Database) -> bool:
    """Whether the service's COPY stands before the lock."""
    query = """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY metering.reading%%'"""
    return (await database.rows(query))[0][0] > 0


async def has_in_flight(service: Service, number: int) -> bool:
    return await service.metric("messages_in_flight") == number


async def nothing_is_acknowledged(service: Service, in_flight: int) -> None:
    """All that was received is undecided, says this one scrape."""
    metrics = await service.metrics()
    assert (in_flight, 0) == (metrics["messages_in_flight"], metrics["messages_acknowledged_total"])
    assert balances(metrics)


async def nothing_is_queued(service: Service, broker_test: Callable[[], object]) -> None:
    """The broker holds nothing for the service: restarted, it is delivered the next message and no other."""
    assert await service.terminate() == 0
    await service.start()
    await service.ready()
    await broker_test()
    metrics = await service.counted(received=1)
    assert 1 == metrics["messages_received_total"]


async def test_nothing_is_acknowledged_while_the_write_waits_and_all_is_once_it_has_committed(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Writes blocked by a lock: messages are received and stay unacknowledged; released, every one is, and the broker has none."""
    async with running_service(database, stack.mosquitto, tmp_path, **PATIENT) as service:
        async with readings_locked(database):
            await publish(stack.mosquitto, topic(code), readings(range(NUMBER)))
            await eventually(lambda: has_in_flight(service, NUMBER))
            await eventually(lambda: is_waiting(database), "COPY waits for the lock")
            await nothing_is_acknowledged(service, NUMBER)
        metrics = await service.counted(stored=NUMBER)
        assert NUMBER == metrics["messages_acknowledged_total"]
        await nothing_is_queued(service, lambda: publish(stack.mosquitto, topic(code), readings([NUMBER])))
    assert expected(range(NUMBER + 1)) == await stored(database)


async def test_what_was_received_and_not_committed_is_delivered_again_after_a_kill(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The proof that nothing had been acknowledged: the broker still has every message for the next process."""
    async with running_service(database, stack.mosquitto, tmp_path, **PATIENT) as service:
        async with readings_locked(database):
            await publish(stack.mosquitto, topic(code), readings(range(NUMBER)))
            await eventually(lambda: has_in_flight(service, NUMBER))
            await eventually(lambda: is_waiting(database), "COPY waits for the lock")
            await service.kill()
        await eventually(lambda: is_alone(database), "the killed service's connections have ended")
        assert {} == await stored(database)
        await service.start()
        metrics = await service.counted(stored=NUMBER)
    assert NUMBER == metrics["messages_received_total"] == metrics["messages_acknowledged_total"]
    assert expected(range(NUMBER)) == await stored(database)


async def is_alone(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'meterwarden'"
    return (await database.rows(query))[0][0] == 0


def on_commit(verdict: Verdict) -> Watch:
    """What becomes of the answer to the first commit of readings; everything else passes."""
    done = False

    def watch(link: Link, way: Way, chunk: bytes) -> Verdict:
        nonlocal done
        if way is Way.TO_SERVER and COPY in chunk:
            link.seen.add("copy")
        if way is Way.TO_CLIENT and COMMITTED in chunk and "copy" in link.seen and not done:
            done = True
            return verdict
        return Verdict.PASS

    return watch


async def test_a_commit_whose_answer_is_withheld_is_not_acknowledged(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The rows are there for all to see, but the service has not been told: not one PUBACK, until it is."""
    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, **PATIENT, database_port=proxy.port) as service,
    ):
        proxy.watch = on_commit(Verdict.HOLD)
        await publish(stack.mosquitto, topic(code), readings([0]))
        await eventually(lambda: stored(database), "committed")
        await publish(stack.mosquitto, topic(code), readings(range(1, NUMBER)))
        await eventually(lambda: has_in_flight(service, NUMBER))
        assert expected([0]) == await stored(database)
        await nothing_is_acknowledged(service, NUMBER)
        proxy.release()
        metrics = await service.counted(stored=NUMBER)
        assert NUMBER == metrics["messages_acknowledged_total"]
        assert 0 == metrics['write_failures_total{kind="unavailable"}']
    assert expected(range(NUMBER)) == await stored(database)


async def test_of_batches_in_hand_each_is_acknowledged_after_its_own_commit_in_the_order_delivered(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """While one is written the next one is decided: commits are let through one by one, and no PUBACK runs ahead of its own."""
    batch = NUMBER // 4
    async with Proxy(stack.mosquitto.port, free_port()) as link, Proxy(stack.postgres.port, free_port()) as base:
        settings = {**PATIENT, "batch__messages": batch, "batch__age_seconds": 300}
        ports = {"broker_port": link.port, "database_port": base.port}
        async with running_service(database, stack.mosquitto, tmp_path, **ports, **settings) as service:
            commits, wire = Commits(base), Wire(link)
            commits.hold(1)
            await publish(stack.mosquitto, topic(code), readings(range(NUMBER)))
            await eventually(lambda: has_in_flight(service, NUMBER))
            for done in range(0, NUMBER, batch):
                await eventually(lambda: commits.is_holding, "its commit")
                await eventually(partial(has_in_flight, service, NUMBER - done))
                await eventually(partial(are_acknowledged, wire, done), f"{done} acknowledged")
                assert expected(range(done + batch)) == await stored(database)
                commits.release_and_hold(1)
            await eventually(lambda: wire.acknowledged[0] == wire.delivered[0], "all of them")
    assert expected(range(NUMBER)) == await stored(database)


def are_acknowledged(wire: Wire, number: int) -> bool:
    """Whether the first so many have passed, in the order delivered, and no other; the service counts them before that."""
    return wire.acknowledged[0] == wire.delivered[0][:number]


async def test_a_commit_whose_answer_is_lost_is_stored_once_and_acknowledged_after_it_is_written_again(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The connection breaks between the commit and its answer: the batch is written again and found to be there."""
    async with Proxy(stack.postgres.port, free_port()) as proxy:
        settings = {**PATIENT, "database_port": proxy.port, "batch__messages": NUMBER, "batch__age_seconds": 300}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            proxy.watch = on_commit(Verdict.CUT)
            await publish(stack.mosquitto, topic(code), readings(range(NUMBER)))
            metrics = await service.counted(acknowledged=NUMBER)
    assert 1 == metrics['write_failures_total{kind="unavailable"}']
    assert NUMBER == metrics["messages_received_total"] == metrics["messages_acknowledged_total"]
    assert balances(metrics)
    assert expected(range(NUMBER)) == await stored(database)
    for table in ("quarantine", "conflict"):
        assert [] == await database.rows(f"SELECT FROM metering.{table}")


async def test_a_killed_service_whose_commit_went_through_finds_its_messages_to_be_duplicates(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Committed, never acknowledged: delivered again to the next process, stored once all the same."""
    async with Proxy(stack.postgres.port, free_port()) as proxy:
        settings = {**PATIENT, "database_port": proxy.port, "batch__messages": NUMBER, "batch__age_seconds": 300}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            proxy.watch = on_commit(Verdict.HOLD)
            await publish(stack.mosquitto, topic(code), readings(range(NUMBER)))
            await eventually(lambda: stored(database), "committed")
            await nothing_is_acknowledged(service, NUMBER)
            await service.kill()
            await service.start()
            metrics = await service.counted(duplicate=NUMBER)
    assert NUMBER == metrics["messages_received_total"] == metrics["messages_acknowledged_total"]
    assert expected(range(NUMBER)) == await stored(database)


async def test_a_message_is_never_acknowledged_on_another_connection_than_the_one_that_delivered_it(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Reconnected between receiving and committing: the first deliveries are committed without a PUBACK, the second ones get it."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        settings = {**PATIENT, "broker_port": proxy.port, "batch__messages": NUMBER, "batch__age_seconds": 1}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            async with readings_locked(database):
                await publish(stack.mosquitto, topic(code), readings(range(NUMBER)))
                await eventually(lambda: has_in_flight(service, NUMBER))
                await eventually(lambda: is_waiting(database), "COPY waits for the lock")
                await proxy.cut()
                await eventually(lambda: has_in_flight(service, 2 * NUMBER), "delivered again on the new connection")
                await nothing_is_acknowledged(service, 2 * NUMBER)
            metrics = await service.counted(stored=NUMBER, duplicate=NUMBER)
            assert NUMBER == metrics["messages_acknowledged_total"]
            await nothing_is_queued(service, lambda: publish(stack.mosquitto, topic(code), readings([NUMBER])))
    assert expected(range(NUMBER + 1)) == await stored(database)


async def test_pubacks_of_an_old_connection_free_no_message_of_the_new_one(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """A broker that is restarted numbers its packets from 1 again: with the old batch committed and the process killed, the
    messages that came under the same numbers are still at the broker."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        settings = {**PATIENT, "broker_port": proxy.port, "batch__messages": NUMBER, "batch__age_seconds": 1}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            async with readings_locked(database):
                await publish(stack.mosquitto, topic(code), readings(range(NUMBER)))
                await eventually(lambda: has_in_flight(service, NUMBER), "all are delivered")
                await eventually(lambda: is_waiting(database), "COPY waits for the lock")
                await proxy.refuse()
                wire = Wire(proxy)
            await eventually(lambda: committed_while_disconnected(service), "the old batch is decided")
            await asyncio.gather(proxy.resume(), service.ready())
            metrics = await service.counted(duplicate=NUMBER)
            assert NUMBER == metrics["messages_acknowledged_total"]
            await eventually(partial(are_acknowledged, wire, NUMBER), "seen on the wire")
            assert [0] == list(wire.acknowledged)
    assert expected(range(NUMBER)) == await stored(database)


async def committed_while_disconnected(service: Service) -> bool:
    metrics = await service.metrics()
    assert 0 == metrics["messages_acknowledged_total"]
    return metrics['messages_total{outcome="stored"}'] == NUMBER
