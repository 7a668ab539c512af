"""Forward-only migrations: numbered files, each in a transaction of its own, recorded with its digest, under an advisory lock."""

import hashlib
from importlib.resources import files
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

Connection = AsyncConnection[tuple[Any, ...]]
"""Of the owner; a migration may take as long as it takes."""

LOCK: Final = 5_170_001
"""Advisory lock number of migrations; settlement's is next to it."""


class Migration(NamedTuple):
    """One file: its number and name, its text, the digest that shows whether it was edited afterwards."""

    name: str
    text: str
    digest: str


class MigrationFault(Exception):  # noqa: N818 - says what stands in the way
    """The database's history and this version's files do not agree."""


def migrations() -> list[Migration]:
    """All migrations, in order."""
    folder = files("ingest.storage") / "sql" / "migrations"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [_migration(entry.name.removesuffix(".sql"), entry.read_bytes()) for entry in found]


def _migration(name: str, content: bytes) -> Migration:
    return Migration(name, content.decode(), hashlib.sha256(content).hexdigest())


async def applied(connection: Connection) -> dict[str, str]:
    """Name and digest of every migration the database has."""
    exists = await connection.execute("SELECT to_regclass('public.meterwarden_migration') IS NOT NULL")
    if not (await exists.fetchall())[0][0]:
        return {}
    cursor = await connection.execute("SELECT name, digest FROM public.meterwarden_migration")
    return dict(await cursor.fetchall())


async def migrate(connection: Connection) -> list[str]:
    """Apply what is missing; returns the names. `connection` is the owner's, in autocommit.

    Raises MigrationFault where a migration was edited after it was applied, or the database is newer than this version.
    """
    await connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        missing = pending(await applied(connection))
        for migration in missing:
            async with connection.transaction():
                await connection.execute(
                    "CREATE TABLE IF NOT EXISTS public.meterwarden_migration"
                    " (name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
                )
                await connection.execute(migration.text)
                await connection.execute(
                    "INSERT INTO public.meterwarden_migration (name, digest) VALUES (%s, %s)",
                    [migration.name, migration.digest],
                )
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    return [migration.name for migration in missing]


def pending(there: dict[str, str]) -> list[Migration]:
    """The migrations a database lacks. Raises MigrationFault."""
    known = migrations()
    edited = [migration.name for migration in known if there.get(migration.name, migration.digest) != migration.digest]
    if edited:
        raise MigrationFault(f"migration {edited[0]} was edited after it was applied; restore its file")
    newer = set(there) - {migration.name for migration in known}
    if newer:
        raise MigrationFault(f"the database has {max(newer)}, which this version does not know; install the newer version")
    return [migration for migration in known if migration.name not in there]
