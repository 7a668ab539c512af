"""The database is there and takes nothing: a table or privilege is missing, it is read-only, closed to the writer, locked."""

import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ingest.stack import Stack, free_port
from tests.databases import PASSWORDS, Database
from tests.faults.conftest import Judge, register_fleet
from tests.faults.outage import IMPATIENT, SMALL_BATCHES, receives_more, stands_still, survived
from tests.faults.stream import ELECTRICITY, Stream
from tests.proxy import Link, Proxy, Verdict, Way
from tests.published import expected, publish, readings, stored, topic
from tests.running import eventually, running_service

WRITER: Final = "meterwarden_writer"
END_CONNECTIONS: Final = f"SELECT pg_terminate_backend(pid, 60_000) FROM pg_stat_activity WHERE usename = '{WRITER}'"
READ_ONLY: Final = "default_transaction_read_only"


class Fault(NamedTuple):
    """Statements that break a database and mend it; `{name}` stands for its name."""

    name: str
    breaks: tuple[str, ...]
    mends: tuple[str, ...]


def _without(table: str) -> Fault:
    away = f"{table}_away"
    rename = "ALTER TABLE metering.{} RENAME TO {}".format
    return Fault(f"table {table} away", (rename(table, away),), (rename(away, table),))


def _not_granted(table: str) -> Fault:
    privilege = f"INSERT ON metering.{table}"
    return Fault(f"no INSERT on {table}", (f"REVOKE {privilege} FROM {WRITER}",), (f"GRANT {privilege} TO {WRITER}",))


FAULTS: Final = (
    _without("reading"),
    _without("mark"),
    _without("quarantine"),
    _not_granted("reading"),
    _not_granted("mark"),
    _not_granted("conflict"),
    Fault(
        "database read-only",
        (f"ALTER DATABASE {{name}} SET {READ_ONLY} = on", END_CONNECTIONS),
        (f"ALTER DATABASE {{name}} RESET {READ_ONLY}", END_CONNECTIONS),
    ),
    Fault(
        "server read-only",
        (f"ALTER SYSTEM SET {READ_ONLY} = on", "SELECT pg_reload_conf()"),
        (f"ALTER SYSTEM RESET {READ_ONLY}", "SELECT pg_reload_conf()"),
    ),
    Fault("login disabled", (f"ALTER ROLE {WRITER} NOLOGIN", END_CONNECTIONS), (f"ALTER ROLE {WRITER} LOGIN",)),
    Fault(
        "connection limit reached",
        (f"ALTER ROLE {WRITER} CONNECTION LIMIT 0", END_CONNECTIONS),
        (f"ALTER ROLE {WRITER} CONNECTION LIMIT -1",),
    ),
    Fault(
        "database renamed",
        (
            "ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            END_CONNECTIONS,
            "ALTER DATABASE {name} RENAME TO {name}_away",
        ),
        (
            "ALTER DATABASE {name}_away RENAME TO {name}",
            "ALTER DATABASE {name} ALLOW_CONNECTIONS true",
        ),
    ),
    Fault(
        "database closed",
        ("ALTER DATABASE {name} ALLOW_CONNECTIONS false", END_CONNECTIONS),
        ("ALTER DATABASE {name} ALLOW_CONNECTIONS true",),
    ),
)


async def _run(database: Database, statements: Iterable[str]) -> None:
    """Each where it can run while the database is closed: in it only what is about its own tables."""
    for statement in statements:
        url = database.superuser_url if "metering." in statement else make_conninfo(database.superuser_url, dbname="postgres")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(statement.format(name=database.name))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "_"))
async def test_a_database_that_refuses_every_write_is_waited_for(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int, fault: Fault
) -> None:
    """At a random instant under load; for as long as it lasts commits stop, and nothing is taken for a message's own fault."""
    async with (
        running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service,
        survived(service, stack.mosquitto, stream, database, judge),
    ):
        await receives_more(service, random.Random(seed).randrange(1, 500))
        try:
            await _run(database, fault.breaks)
            await stands_still(service)
        finally:
            await _run(database, fault.mends)


async def test_a_fault_mended_between_a_refused_write_and_its_probe_is_no_message_s_own(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """The worst instant to mend it: the last thing the database refused is one message, and the probe goes through."""
    fault = _not_granted("mark")

    def before_probe(_link: Link, way: Way, chunk: bytes) -> Verdict:
        return Verdict.HOLD if way is Way.TO_SERVER and b"SAVEPOINT probe" in chunk else Verdict.PASS

    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES, database_port=proxy.port) as service,
        survived(service, stack.mosquitto, stream, database, judge),
    ):
        proxy.watch = before_probe
        await _run(database, fault.breaks)
        await eventually(lambda: any(link.held for link in proxy.links), "the probe is about to begin")
        await _run(database, fault.mends)
        proxy.release()


async def test_a_password_rotated_under_load_is_read_from_its_file_without_a_restart(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """The role's password changes first, and connections end; nobody can log in until the file has the new one."""
    file = tmp_path / "writer.password"
    file.write_text(PASSWORDS[WRITER], encoding="utf-8")
    settings = {"database__url": make_conninfo(database.writer_url, password=""), "database__password_file": file, **SMALL_BATCHES}
    after = replace(database, writer_url=make_conninfo(database.writer_url, password="another"))
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
        try:
            async with survived(service, stack.mosquitto, stream, after, judge):
                await _run(database, [f"ALTER ROLE {WRITER} PASSWORD 'another'", END_CONNECTIONS])
                await stands_still(service)
                file.write_text("another\n", encoding="utf-8")
        finally:
            await _run(database, [f"ALTER ROLE {WRITER} PASSWORD '{PASSWORDS[WRITER]}'"])


@pytest.mark.parametrize("table", ["reading", "mark"])
async def test_a_lock_held_longer_than_any_statement_may_last_costs_nothing(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, table: str
) -> None:
    """Another session holds the table and does not let go: statements time out and are tried again until it does."""
    async with (
        running_service(database, stack.mosquitto, tmp_path, **IMPATIENT) as service,
        survived(service, stack.mosquitto, stream, database, judge, per_second=500),
        await psycopg.AsyncConnection.connect(database.superuser_url) as holder,
    ):
        await holder.execute(f"LOCK TABLE metering.{table} IN ACCESS EXCLUSIVE MODE")
        await stands_still(service, times=1)
        await holder.rollback()


SLOW: Final = """
    CREATE FUNCTION metering.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.15); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON metering.reading FOR EACH ROW EXECUTE FUNCTION metering.slow();
"""


async def test_a_batch_too_slow_for_the_time_limit_is_written_in_parts(stack: Stack, database: Database, tmp_path: Path) -> None:
    """A slow database, a short limit, a large batch: tried whole for ever, it would stop the line."""
    code = await register_fleet(database, tmp_path)
    await database.run(SLOW)
    settings = {"database__statement_timeout_seconds": 2, "batch__messages": 20, "batch__age_seconds": 30}
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
        await publish(stack.mosquitto, topic(code, ELECTRICITY[0]), readings(range(20)))
        await service.counted(stored=20, acknowledged=20)
        assert service.log_lines("batch not committed, trying again")
    assert expected(range(20)) == await stored(database)
