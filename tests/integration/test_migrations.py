"""Migrations on a real database: once each, in order, none edited."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from ingest.storage import migrate as migrations
from ingest.storage.connection import Connection
from ingest.storage.migrate import MigrationFault, migrate
from tests.databases import Database


@asynccontextmanager
async def as_owner(database: Database) -> AsyncIterator[Connection]:
    """A connection as migrations have it: the owner's, in autocommit."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        yield connection


async def test_a_migrated_database_has_nothing_to_migrate(database: Database) -> None:
    """Run twice, also at the same time, it changes nothing; the owner can do it without being superuser."""

    async def once() -> list[str]:
        async with as_owner(database) as connection:
            return await migrate(connection)

    before = await database.rows("SELECT * FROM public.meterwarden_migration ORDER BY name")
    assert [] == await once()
    assert [[], [], []] == await asyncio.gather(once(), once(), once())
    assert before == await database.rows("SELECT * FROM public.meterwarden_migration ORDER BY name")
    assert [one.name for one in migrations.migrations()] == [name for name, *_ in before]


@pytest.mark.parametrize(
    ("tampering", "said_of_it"),
    [
        ("UPDATE {} SET digest = 'x' WHERE name LIKE '0002%%'", "0002_.* was edited after it was applied"),
        ("INSERT INTO {} (name, digest) VALUES ('9999_later', 'x')", "9999_later, .*install the newer version"),
    ],
)
async def test_an_edited_or_unknown_migration_is_refused_by_name(database: Database, tampering: str, said_of_it: str) -> None:
    """Structure and files that do not agree stop here, before anything is changed, and the lock is given back."""
    await database.run(tampering.format("public.meterwarden_migration"))
    async with as_owner(database) as connection:
        with pytest.raises(MigrationFault, match=said_of_it):
            await migrate(connection)
        locks = await connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert [(0,)] == await locks.fetchall()
