"""The service on a database of another structure: started before the migration, beside it, and after a newer version's."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from ingest.stack import Stack
from ingest.storage import migrate as migrations
from ingest.storage.bootstrap import bootstrap
from ingest.storage.migrate import Migration, migrate
from tests.databases import PASSWORDS, Database, database_of
from tests.integration.serving import quarantine, register
from tests.published import expected, institution_code, publish, readings, stored, topic
from tests.running import Service, eventually, running_service

KNOWN = migrations.migrations()
LATER = Migration("9999_later", "ALTER TABLE metering.reading ADD COLUMN later int", "of a newer version")
WAITING = "waiting for another structure of the database, nothing is written to it"


@pytest.fixture
async def behind(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database of the version before: its last migration is missing, roles and privileges are as an operator has them."""
    one = database_of(stack, f"test_{secrets.token_hex(4)}")
    await bootstrap(stack.postgres.url(), one.name, PASSWORDS)
    with monkeypatch.context() as before:
        before.setattr(migrations, "migrations", lambda: KNOWN[:-1])
        assert len(await migrated(one)) == len(KNOWN) - 1
    yield one
    async with await psycopg.AsyncConnection.connect(stack.postgres.url(), autocommit=True) as connection:
        await connection.execute(f"DROP DATABASE {one.name} WITH (FORCE)")


async def migrated(database: Database) -> list[str]:
    """What `meterwarden migrate` does."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        return await migrate(owner)


async def migrate_to_a_later_version(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `meterwarden migrate` of a newer version does."""
    with monkeypatch.context() as later:
        later.setattr(migrations, "migrations", lambda: [*KNOWN, LATER])
        assert [LATER.name] == await migrated(database)


async def looked(service: Service, database: Database, times: int = 3) -> None:
    """Wait until a service that waits has looked so many times more, by the database's own count of its connections."""
    count = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    ((before,),) = await database.rows(count)

    async def again() -> bool:  # each of our looks counts as one, too
        nonlocal ours
        ours += 1
        ((now,),) = await database.rows(count)
        return now - before - ours >= times

    ours = 0
    await eventually(again, "it looks again", 40)
    assert service.is_running


async def test_a_worker_started_before_the_migration_writes_nothing_and_goes_on_by_itself(
    stack: Stack, behind: Database, tmp_path: Path
) -> None:
    """It says once what to do, is not ready meanwhile, and needs no restart; it is the writer, who may change no structure."""
    code = institution_code()
    async with running_service(
        behind, stack.mosquitto, tmp_path, until_ready=False, settlement__enabled=True, canary__enabled=True
    ) as service:
        await eventually(lambda: service.log_lines(WAITING))
        assert {"ready": False, "broker": False, "database": True, "migrations": False} == await service.unready()
        assert 0 == await service.metric("database_migrated")
        await looked(service, behind)
        (told,) = service.log_lines(WAITING)
        assert told["reason"] == f"the database lacks migrations up to {KNOWN[-1].name}; run `meterwarden migrate`"
        assert [(0, 0)] == await behind.rows(
            "SELECT (SELECT count(*) FROM metering.reading), (SELECT count(*) FROM metering.subscription)"
        )
        assert [KNOWN[-1].name] == await migrated(behind)
        await service.ready()
        await register(behind, tmp_path, code)
        await publish(stack.mosquitto, topic(code), readings([1]))
        await eventually(lambda: has_stored(behind, 1))
        assert 1 == await service.metric("database_migrated")
        assert [] == service.log_lines("settlement interrupted")


async def has_stored(database: Database, number: int) -> bool:
    """Whether so many readings are stored, canaries apart."""
    return (await database.rows("SELECT count(*) FROM metering.reading WHERE channel <> 0"))[0][0] == number


async def test_a_worker_that_runs_while_somebody_migrates_goes_on_also_after_its_connections_were_lost(
    stack: Stack, database: Database, tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rolling upgrade: the database is ahead until the worker's turn has come. It says so once and stays ready."""
    async with running_service(database, stack.mosquitto, tmp_path, intake__registry_seconds=0.2) as service:
        await publish(stack.mosquitto, topic(code), readings([1]))
        await service.counted(stored=1)
        await migrate_to_a_later_version(database, monkeypatch)
        await eventually(lambda: service.log_lines("the database is newer than this process"))
        await publish(stack.mosquitto, topic(code), readings([2]))
        await service.counted(stored=2)
        assert await service.is_ready()
        await database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'meterwarden_writer'")
        await publish(stack.mosquitto, topic(code), readings([3]))
        await service.counted(stored=3)
        await service.ready()
        (told,) = service.log_lines("the database is newer than this process")
        assert told["newest"] == LATER.name
        assert "start the version that it was migrated for" in told["remedy"]
    assert expected([1, 2, 3]) == await stored(database)


async def test_a_worker_started_on_a_newer_database_writes_nothing_and_says_which_program_to_start(
    stack: Stack, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version by mistake: nobody can know whether it works on that structure. It ends when told to."""
    await migrate_to_a_later_version(database, monkeypatch)
    async with running_service(database, stack.mosquitto, tmp_path, until_ready=False) as service:
        await eventually(lambda: service.log_lines(WAITING))
        assert {"ready": False, "broker": False, "database": True, "migrations": False} == await service.unready()
        await looked(service, database)
        (told,) = service.log_lines(WAITING)
        assert told["reason"] == f"the database has {LATER.name}, which this version does not know; install the newer version"
        assert [(0,)] == await database.rows("SELECT count(*) FROM metering.subscription")
        assert 0 == await service.terminate()


async def test_a_worker_that_is_led_to_an_older_database_holds_its_messages_until_that_is_migrated(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """As by a restore: the connections are new ones, and the structure is the one of the backup."""
    last = KNOWN[-1]
    async with running_service(database, stack.mosquitto, tmp_path, intake__registry_seconds=0.2) as service:
        await publish(stack.mosquitto, topic(code), readings([1]))
        await service.counted(stored=1)
        await database.run("DELETE FROM public.meterwarden_migration WHERE name = %s", last.name)
        await database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'meterwarden_writer'")
        await publish(stack.mosquitto, topic(code), readings([2]))
        await eventually(lambda: service.log_lines("the database is of an older structure, nothing is written to it"))
        await eventually(lambda: holds(service, last.name))
        assert not (await service.unready())["migrations"]
        assert expected([1]) == await stored(database)
        await database.run("INSERT INTO public.meterwarden_migration (name, digest) VALUES (%s, %s)", last.name, last.digest)
        await service.counted(stored=2)
        await service.ready()
    assert expected([1, 2]) == await stored(database)
    assert [] == await quarantine(database)


def holds(service: Service, name: str) -> bool:
    """Whether intake says that it writes nothing for want of a migration."""
    return any(
        f"lacks migrations up to {name}" in line["reason"] for line in service.log_lines("batch not committed, trying again")
    )
