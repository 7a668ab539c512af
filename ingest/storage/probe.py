"""What can be known of the database, as the role the service is given; nothing is changed."""

import re
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ingest.errors import Unavailable
from ingest.settings import DatabaseSettings
from ingest.storage.connection import Connection, connected
from ingest.storage.migrate import MigrationFault, applied, pending
from ingest.storage.queries import QUERIES
from ingest.storage.zones import unlike

GENERIC_PLANS: Final = 160_000
"""From this server on, a query can be explained, which asks for its privileges, without its parameters."""
UNDECIDED: Final = (
    psycopg.errors.IndeterminateDatatype, psycopg.errors.AmbiguousFunction, psycopg.errors.UndefinedFunction,
    psycopg.errors.DatatypeMismatch, psycopg.errors.SyntaxError, psycopg.errors.InvalidTextRepresentation,
    psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedTable, psycopg.errors.WrongObjectType,
    psycopg.errors.CannotCoerce, psycopg.errors.InvalidColumnReference, psycopg.errors.GroupingError,
)  # fmt: skip
"""What an explained query may fail at without telling anything of privileges."""
TEMPORARY: Final = tuple(name for name in QUERIES if name.startswith("create_"))
"""Queries that make the temporary tables which others use."""
EXPLAINED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
"""What can be explained."""
ROLE: Final = """
    SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user,
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool,
           (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
           current_setting('timescaledb.license', true),
           pg_database_size(current_database())
"""
FLAGS: Final = """
    SELECT flag FROM pg_roles, LATERAL (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
        ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)) AS had (flag, has)
    WHERE rolname = current_user AND has
    UNION ALL
    SELECT 'member of ' || role.rolname FROM pg_roles AS role
    WHERE pg_has_role(current_user, role.oid, 'MEMBER') AND role.rolname <> current_user
      AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    UNION ALL
    SELECT 'CREATE on schema ' || nspname FROM pg_namespace
    WHERE nspname IN ('metering', 'meterwarden', 'public') AND has_schema_privilege(oid, 'CREATE')
    UNION ALL
    SELECT 'CREATE on database ' || current_database() WHERE has_database_privilege(current_database(), 'CREATE')
    UNION ALL
    -- readings and rejected messages are what the service is trusted with: it never changes or deletes one
    SELECT privilege || ' on metering.' || relname FROM pg_class, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
    WHERE relnamespace = to_regnamespace('metering') AND has_table_privilege(pg_class.oid, privilege)
      AND (relname = 'reading' OR relname = 'quarantine' AND privilege <> 'UPDATE'
           OR privilege = 'TRUNCATE' AND relkind IN ('r', 'p'))
"""
COUNTS: Final = """SELECT (SELECT count(*) FROM metering.institution), (SELECT count(*) FROM metering.meter),
                          (SELECT count(*) FROM metering.quota)"""
_COMMENT: Final = re.compile("--.*")
_PARAMETER: Final = re.compile(r"%\((\w+)\)[sbt]|%[sbt]|%%")


@dataclass(slots=True)
class Seen:
    """What the database said; `failure` where it could not be asked. What was not reached is None."""

    failure: str = ""
    version_number: int = 0
    version: str = ""
    role: str = ""
    is_read_only: bool = False
    extension: str | None = None
    edition: str | None = None
    """`apache` or `timescale`."""
    size_bytes: int = 0
    free_bytes: int | None = None
    """Where the database's files lie on this machine, and the role may know where."""
    too_much: list[str] = field(default_factory=list)
    """What the role may do beyond what the service needs."""
    too_little: list[str] = field(default_factory=list)
    """What the service does and the role may not."""
    queries_asked: int = 0
    missing_migrations: list[str] | None = None
    migration_fault: str = ""
    zone_faults: list[str] | None = None
    counts: tuple[int, int, int] | None = None
    """Institutions, meters, quotas."""
    clock_seconds: float = 0.0
    """How far the database's clock is ahead of `now`."""


async def probe(settings: DatabaseSettings, now: Callable[[], datetime]) -> Seen:
    """Everything that can be known. Never raises what the world does."""
    seen = Seen()
    where = conninfo_to_dict(settings.url.get_secret_value())
    try:
        async with connected(settings, autocommit=True) as connection:
            await _look(connection, seen, now, is_here=_is_here(str(where.get("host") or "")))
    except (Unavailable, OSError) as error:
        seen.failure = str(error)
    return seen


async def _look(connection: Connection, seen: Seen, now: Callable[[], datetime], *, is_here: bool) -> None:
    (
        (seen.version_number, seen.version, seen.role, seen.is_read_only, seen.extension, seen.edition, seen.size_bytes),
    ) = await _rows(connection, ROLE)
    before = now()
    ((theirs,),) = await _rows(connection, "SELECT clock_timestamp()")
    seen.clock_seconds = (theirs - before - (now() - before) / 2).total_seconds()
    seen.free_bytes = await _free_bytes(connection) if is_here else None
    try:
        seen.missing_migrations = [migration.name for migration in pending(await applied(connection))]
    except MigrationFault as error:
        seen.migration_fault, seen.missing_migrations = str(error), []
    except psycopg.errors.InsufficientPrivilege as error:
        seen.too_little = [_first_line(error)]
        return
    if seen.missing_migrations or seen.is_read_only:
        return
    flags = [flag for (flag,) in await _rows(connection, FLAGS)]
    seen.too_much = flags[:1] if "SUPERUSER" in flags else flags  # who may do everything
    seen.too_little, seen.queries_asked = await _refused(connection, seen.version_number)
    if not seen.too_little:
        seen.counts = (await _rows(connection, COUNTS))[0]
        zones = [zone for (zone,) in await _rows(connection, "SELECT DISTINCT timezone FROM metering.region ORDER BY 1")]
        seen.zone_faults = [fault for zone in zones or ["Asia/Shanghai", "UTC"] if (fault := await unlike(connection, zone))]


async def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query)).fetchall()


async def _refused(connection: Connection, version_number: int) -> tuple[list[str], int]:
    """What the service's own queries are refused, each explained and never run; and how many could be asked."""
    if version_number < GENERIC_PLANS:
        return [], 0
    refused, asked = set[str](), 0
    async with connection.transaction(force_rollback=True):
        try:
            for name in TEMPORARY:
                await connection.execute(QUERIES[name])
        except psycopg.errors.InsufficientPrivilege as error:
            return [_first_line(error)], 0
        for query in (text for text in QUERIES.values() if _COMMENT.sub("", text).lstrip().startswith(EXPLAINED)):
            try:
                async with connection.transaction(force_rollback=True):
                    await connection.execute(f"EXPLAIN (GENERIC_PLAN) {_numbered(query)}")
                asked += 1
            except psycopg.errors.InsufficientPrivilege as error:
                refused.add(_first_line(error))
            except UNDECIDED:
                continue
    return sorted(refused), asked


def _numbered(query: str) -> str:
    """A query with the server's own placeholders."""
    names: dict[object, int] = {}
    return _PARAMETER.sub(
        lambda one: "%" if one[0] == "%%" else f"${names.setdefault(one[1] or one.start(), len(names) + 1)}", query
    )


async def _free_bytes(connection: Connection) -> int | None:
    try:
        ((directory,),) = await _rows(connection, "SELECT current_setting('data_directory')")
        return shutil.disk_usage(Path(directory)).free
    except (psycopg.errors.InsufficientPrivilege, OSError):  # only who may read all settings learns where the files are
        return None


def _is_here(host: str) -> bool:
    """Whether a host is this machine, as far as its name tells."""
    return host in ("", "localhost", "127.0.0.1", "::1", socket.gethostname()) or host.startswith("/")


def _first_line(error: psycopg.Error) -> str:
    return str(error).splitlines()[0]
