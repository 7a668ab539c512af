"""Promise 8 once more: a message that the server's process dies of is that message's fault, and no failing world ever is."""

import asyncio
import random
from pathlib import Path

import psycopg
import pytest

from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.faults.conftest import Judge, register_fleet
from tests.faults.gateway import Gateway
from tests.faults.outage import survived
from tests.faults.servers import own_database
from tests.faults.stream import Sent, Stream
from tests.faults.test_database_connection import COPY
from tests.faults.test_poison import POISON_KWH, is_idle, poison_of
from tests.proxy import Link, Proxy, Verdict, Way
from tests.published import expected, institution_code, publish, reading, readings, stored, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, balances, eventually, running_service

DEADLY = """
    CREATE FUNCTION metering.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF NEW.value = 666666 THEN {how}; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER die BEFORE INSERT ON metering.reading FOR EACH ROW EXECUTE FUNCTION metering.die();
"""
ENDS_ITS_SESSION = "PERFORM pg_terminate_backend(pg_backend_pid())"
CRASHES_THE_SERVER = "EXECUTE format('COPY (SELECT 1) TO PROGRAM %%L', 'kill -9 ' || pg_backend_pid())"
"""As a fault in the server's memory does: one process dies of a signal, and the server ends all others and recovers."""
END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'meterwarden_writer'"
CONVICTED_SECONDS = 240
"""A server that crashes each time has to recover ten times and more, seconds each where the machine is busy."""
CUTS = 25
ALONE = {"batch__messages": 1}
"""Each message is a batch: whatever fails under it fails under it alone."""


@pytest.mark.parametrize(
    ("how", "lives"), [(ENDS_ITS_SESSION, 2), (CRASHES_THE_SERVER, 1)], ids=["ends its session", "crashes the server"]
)
async def test_one_message_that_the_server_dies_of_is_quarantined_once_however_often_it_comes(
    stack: Stack, tmp_path: Path, judge: Judge, seed: int, how: str, lives: int
) -> None:
    """Found among whole batches, again after a kill, told in the log with its evidence; the line goes on."""
    rng = random.Random(seed)
    async with own_database(stack, tmp_path) as (_, database):
        stream = Stream(await register_fleet(database, tmp_path), seed)
        await database.run(DEADLY.format(how=how))
        async with running_service(database, stack.mosquitto, tmp_path, batch__messages=500) as service:
            for life in range(lives):
                if life:
                    await service.kill()
                    await service.start()
                await Gateway(stack.mosquitto).publish(with_one(rng, stream, poison_of(stream)))
                await eventually(lambda: has_convicted(service), "quarantined", CONVICTED_SECONDS)
            await eventually(lambda: is_idle(service), "all acknowledged", CONVICTED_SECONDS)
            await judge(database, stream)
            metrics = await service.metrics()

        kept = await database.rows("SELECT payload, reason, detail FROM metering.quarantine WHERE stage = 'store'")
        assert [(poison_of(stream).payload, "breaks_connection")] == [(bytes(payload), reason) for payload, reason, _ in kept]
        assert "5 times, each right after probes that committed on the same connection" in kept[0][2]
        assert balances(metrics)


def with_one(rng: random.Random, stream: Stream, bad: Sent) -> list[Sent]:
    """A thousand messages of the stream, and the bad one among them."""
    messages = stream.take(1000)
    messages.insert(rng.randrange(1000), bad)
    stream.ledger.note(bad, [], rejected=True)
    return messages


async def has_convicted(service: Service) -> bool:
    return await service.metric('messages_rejected_total{reason="breaks_connection"}') > 0


@pytest.mark.parametrize("how", [ENDS_ITS_SESSION, CRASHES_THE_SERVER], ids=["ends its session", "crashes the server"])
async def test_one_message_that_the_server_dies_of_does_not_stop_the_replay_of_the_others(
    stack: Stack, tmp_path: Path, how: str
) -> None:
    """They waited for their meter together; it stays in quarantine for a reason of its own."""
    async with own_database(stack, tmp_path) as (_, database):
        code = institution_code()
        await import_files(database, write_files(tmp_path / "registry", [institution(code)], [meter(of=code)]))
        await database.run(DEADLY.format(how=how))
        async with running_service(database, stack.mosquitto, tmp_path, intake__replay_seconds=0.2) as service:
            waiting = [*readings(range(30)), reading(100, POISON_KWH), *readings(range(30, 60))]
            await publish(stack.mosquitto, topic(code, "E2"), waiting)
            await service.counted(rejected=61)
            await import_files(database, write_files(tmp_path / "both", [institution(code)], [meter(of=code), meter("E2", code)]))
            await eventually(lambda: _waits_alone(database), "the others are replayed", CONVICTED_SECONDS)
        assert await stored(database) == expected(range(60))


async def _waits_alone(database: Database) -> bool:
    try:
        left = await database.rows("SELECT reason FROM metering.quarantine WHERE resolved_at IS NULL")
    except psycopg.OperationalError:  # it is recovering
        return False
    return left == [("breaks_connection",)]


async def test_a_network_that_ends_one_transaction_in_six_convicts_no_message(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """The worst share there is, of messages and probes alike, with a single message in each batch."""
    rng, cuts = random.Random(seed), 0

    def watch(_link: Link, way: Way, chunk: bytes) -> Verdict:
        nonlocal cuts
        if way is Way.TO_SERVER and COPY in chunk and cuts < CUTS and rng.random() < 1 / 6:
            cuts += 1
            return Verdict.CUT
        return Verdict.PASS

    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, **ALONE, database_port=proxy.port) as service,
        survived(service, stack.mosquitto, stream, database, judge, per_second=20),
    ):
        proxy.watch = watch
        await eventually(lambda: cuts == CUTS, f"cut so often, seed {seed}", 90)


async def test_sessions_that_somebody_keeps_ending_convict_no_message(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """Hundreds of times in a row, as fast as they are made, with a single message in each batch."""
    async with (
        running_service(database, stack.mosquitto, tmp_path, **ALONE) as service,
        survived(service, stack.mosquitto, stream, database, judge, per_second=20),
    ):
        for _ in range(200):
            await database.run(END_CONNECTIONS)
            assert (await service.http("/livez"))[0] == 200


async def test_a_server_that_restarts_again_and_again_convicts_no_message(
    stack: Stack, tmp_path: Path, judge: Judge, seed: int
) -> None:
    """Each time as soon as the service has come back to it: no fault but its own falls into so many writes of one message."""
    async with own_database(stack, tmp_path) as (server, database):
        stream = Stream(await register_fleet(database, tmp_path), seed)
        async with (
            running_service(database, stack.mosquitto, tmp_path, **ALONE) as service,
            survived(service, stack.mosquitto, stream, database, judge, per_second=20),
        ):
            for _ in range(5):
                await eventually(lambda: is_writing(database), "back at the database")
                await asyncio.to_thread(server.stop, "immediate")
                await asyncio.to_thread(server.start)


async def is_writing(database: Database) -> bool:
    """Whether the service has a session that writes."""
    query = "SELECT FROM pg_stat_activity WHERE usename = 'meterwarden_writer' AND (query LIKE 'COPY %%' OR query LIKE 'COMMIT%%')"
    return bool(await database.rows(query))
