"""Whether a database has the structure that this version works on: asked where a connection is opened, never for a batch."""

from typing import NamedTuple

from ingest.errors import Unavailable
from ingest.settings import DatabaseSettings
from ingest.storage.connection import Connection, as_unavailable, connected
from ingest.storage.migrate import MigrationFault, applied, migrations, pending


class Difference(NamedTuple):
    """Migrations that the database lacks, and those it has that this version does not know."""

    missing: list[str]
    newer: list[str]


async def fault(settings: DatabaseSettings) -> str | None:
    """Why a process that starts must not write to this database, and what to do; None where it may. Raises Unavailable."""
    async with connected(settings, autocommit=True) as connection:
        try:
            missing = pending(await applied(connection))
        except MigrationFault as error:
            return str(error)
    return lacking([migration.name for migration in missing]) if missing else None


async def difference(settings: DatabaseSettings) -> Difference:
    """What the database lacks and has beyond what this version knows. Raises Unavailable."""
    async with connected(settings, autocommit=True) as connection:
        return await _difference(connection)


async def require(connection: Connection) -> None:
    """Raises Unavailable where migrations are missing: another database than the one this process began with, a restored one.

    One that is ahead is written to: it was migrated while this process ran.
    """
    with as_unavailable():
        missing = (await _difference(connection)).missing
    if missing:
        raise Unavailable(lacking(missing))


def lacking(missing: list[str]) -> str:
    """What to do about missing migrations; the same text while they are being applied."""
    return f"the database lacks migrations up to {max(missing)}; run `meterwarden migrate`"


async def _difference(connection: Connection) -> Difference:
    there, known = set(await applied(connection)), {migration.name for migration in migrations()}
    return Difference(sorted(known - there), sorted(there - known))
