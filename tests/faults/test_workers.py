"""Several workers on one shared subscription: killed in turn, fed the same messages, one of them settling."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg
import pytest

from ingest.stack import Stack
from schemas.topics import charger_session
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import Gateway, publishing
from tests.faults.script import Script, key_of
from tests.faults.stream import Sent, Stream
from tests.faults.workers import (
    SETTLING,
    SMALL_BATCHES,
    all_is_settled,
    deadlocks,
    decided,
    no_round_collided,
    settlers,
    the_settler,
    workers,
)
from tests.published import at, institution_code
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, eventually

PAIRS = 300
"""Messages that both of two workers are given."""


@pytest.mark.parametrize("number", [2, 4])
async def test_workers_killed_in_turn_under_load_lose_nothing_and_one_of_them_settles(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int, number: int
) -> None:
    """Each is killed once and then whoever settles, twice: another takes over, no mark is left, every row is a rebuild's."""
    rng = random.Random(seed)
    async with workers(database, stack.mosquitto, tmp_path, number, **SETTLING, **SMALL_BATCHES) as pool:
        async with publishing(stack.mosquitto, stream):
            for victim in rng.sample(pool, number):
                await _kill_under_load(victim, rng)
                await victim.start()
                await settlers(pool)
            for _ in range(2):
                settler = await the_settler(pool)
                await _kill_under_load(settler, rng)
                assert settler is not await the_settler(pool)
                await settler.start()
        await judge(database, stream, rebuilt=False)
        await all_is_settled(database)
        for one in pool:
            await one.ready()
        await the_settler(pool)
        await no_round_collided(pool)
        assert [0] * number == [await one.terminate() for one in pool]
    await judge(database, stream)
    assert 0 == await deadlocks(database)


async def _kill_under_load(service: Service, rng: random.Random) -> None:
    least = await service.metric("messages_received_total") + rng.randrange(1, 300)
    await eventually(lambda: _has_received(service, least), f"{least} received")
    await service.kill()


async def _has_received(service: Service, number: float) -> bool:
    return await service.metric("messages_received_total") >= number


KINDS: Final = {"reading": (0, 1, 2, 3), "quarantine": (1,), "session_statement": (2,)}
"""Kinds of messages that are held up before a table; those alone that meet nowhere else."""


@pytest.mark.parametrize("table", KINDS)
async def test_workers_given_the_same_messages_in_opposite_order_never_wait_in_a_circle(
    stack: Stack, database: Database, tmp_path: Path, judge: Judge, table: str
) -> None:
    """Readings, conflicts, sessions and bad messages, held up before the first write until both have them all: no deadlock."""
    code, script = institution_code(), Script()
    meters = [*(meter(f"E{n}", code) for n in range(5)), meter("C1", code, "charger")]
    await import_files(database, write_files(tmp_path / "registry", [institution(code)], meters))
    async with workers(database, stack.mosquitto, tmp_path, 2, batch__age_seconds=1) as pool:
        for turn in range(3):
            number = 2 * (turn + 1) * PAIRS
            messages = [_of_every_kind(script, code, turn * PAIRS + n, KINDS[table]) for n in range(PAIRS)]
            both = [one for pair in zip(messages, reversed(messages), strict=True) for one in pair]
            for repeated in messages:
                script.ledger.note(repeated, [], rejected=repeated.key in script.ledger.rejected)
            async with held_up(database, table, at((turn * PAIRS + PAIRS // 2) // 20 * 20)):
                await Gateway(stack.mosquitto).publish(both)
                await eventually(lambda number=number: _have_received(pool, number), "both workers have theirs")
                await eventually(lambda: _both_wait(database), "both workers stand before it")
            await decided(pool, number)
        await judge(database, script)
    assert 0 == await deadlocks(database)


@asynccontextmanager
async def held_up(database: Database, table: str, read_at: datetime) -> AsyncIterator[None]:
    """Inside the block nobody can write to a table; of readings, beyond the one of meter E2, in the middle of its batch."""
    async with await psycopg.AsyncConnection.connect(database.superuser_url) as connection:
        if table == "reading":
            await connection.execute(
                """INSERT INTO metering.reading (read_at, value, received_at, channel)
                   SELECT %s, 0, now(), channel FROM metering.channel JOIN metering.meter USING (meter)
                   WHERE code = 'E2' AND register = 'energy_import_kwh'""",
                [read_at],
            )
        else:
            await connection.execute(f"LOCK TABLE metering.{table} IN ACCESS EXCLUSIVE MODE")
        yield
        await connection.rollback()


async def _both_wait(database: Database) -> bool:
    waiting = """SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'meterwarden' AND wait_event_type = 'Lock'"""
    return (await database.rows(waiting))[0][0] >= 2


async def _have_received(pool: Sequence[Service], number: int) -> bool:
    return number <= sum(await asyncio.gather(*(one.metric("messages_received_total") for one in pool)))


def _of_every_kind(script: Script, code: str, n: int, kinds: Sequence[int]) -> Sent:
    """Values that differ for one key, messages nobody can read, charging sessions, batches with a bad reading: in turn."""
    match kinds[n % len(kinds)]:
        case 0:
            return script.reading(code, f"E{n // 20 % 5}", n - n % 20, n)
        case 1:
            return script.message(f"metering/{code}/electricity/E1/reading", b"[%d" % n, [], rejected=True)
        case 2:
            session = {"session": f"S{n}", "connector": 1, "started_at": at(n).isoformat(), "start_register_kwh": 1.5}
            return script.message(charger_session(code, "C1"), session, [])
    payload = {"readings": [{"read_at": at(n + m).isoformat(), "energy_import_kwh": n} for m in (400_000, 3)]}
    return script.message(f"metering/{code}/electricity/E4/reading", payload, [(key_of("E4", n + 3), 1000 * n)], rejected=True)
