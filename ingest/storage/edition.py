"""What TimescaleDB keeps and how: length of chunks, columnstore, retention. Done by the owner, step by step; again changes nothing.

The Apache edition has chunks and can drop them; its columnstore and its policies are the community edition's alone. Nothing here is
a policy of the database: only who knows what is settled may drop, and one command at a quiet hour does all three.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, sql

from ingest.settings import IntakeSettings, StorageSettings

Connection = AsyncConnection[tuple[Any, ...]]
"""Of the owner, in autocommit: putting a chunk into the columnstore takes as long as it takes."""

COMMUNITY: Final = "timescale"
"""What `SHOW timescaledb.license` says of the edition with the columnstore."""
LONG: Final = {"reading": "read_at", "consumption_hour": "hour"}
"""The hypertables, and the column that orders each."""
BRIEFLY: Final = "SET LOCAL lock_timeout = '60s'"
"""So long retention waits for the round of settlement in progress: others wait behind it."""

FITS: Final = """
    SELECT time_interval = %(weeks)s * interval '7 days' FROM timescaledb_information.dimensions
    WHERE hypertable_schema = 'metering' AND hypertable_name = 'reading'
"""
READY: Final = """
    SELECT compression_enabled FROM timescaledb_information.hypertables
    WHERE hypertable_schema = 'metering' AND hypertable_name = %s
"""
CHUNKS: Final = """
    SELECT format('%%I.%%I', chunk_schema, chunk_name), is_compressed FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'metering' AND hypertable_name = %s AND range_end <= %s ORDER BY range_start
"""
END_OF_LAST: Final = """
    SELECT max(range_end) FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'metering' AND hypertable_name = 'reading' AND range_end <= %s
"""
KEEP_SINCE: Final = """
    -- never back: what is gone stays gone
    UPDATE metering.retention SET raw_kept_since = greatest(raw_kept_since, %s) RETURNING raw_kept_since
"""
# A day more, since local days and sessions reach across the instant. What an open message of an unknown meter holds is stored once
# the meter is registered, and must find its neighbours.
HELD_BY: Final = {
    "marks": """SELECT FROM metering.mark CROSS JOIN unnest(utc_hour) AS hour
                WHERE to_timestamp(hour * 3600.0) < %(since)s + interval '1 day'""",
    "vee_due": "SELECT FROM metering.vee_due WHERE first_day <= (%(since)s AT TIME ZONE 'UTC')::date + 1",
    "charging_due": """SELECT FROM metering.charging_due JOIN metering.session_statement USING (meter, connector, session)
                       WHERE started_at < %(since)s + interval '1 day'""",
    "quarantine": """SELECT FROM metering.quarantine WHERE resolved_at IS NULL AND wanted <> '{}'
                     AND received_at < %(since)s + %(back)s""",
}  # fmt: skip
"""What still needs readings from before an instant."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was done; where `dry`, what would be."""

    edition: str
    """`apache` or `timescale` (community)."""
    chunks_changed: bool
    """Whether the length of new chunks changed."""
    compressed: dict[str, int]
    """Chunks that went into the columnstore, by table."""
    raw_kept_since: datetime | None
    """Since when readings are kept, as asked for; None: no chunk is old enough, or retention is off."""
    held_by: tuple[str, ...]
    """What still needs older readings (names of `HELD_BY`): nothing was dropped then."""
    dropped: int
    """Chunks of readings that are gone."""

    @property
    def has_columnstore(self) -> bool:
        """Whether the edition has one."""
        return self.edition == COMMUNITY


async def keep(connection: Connection, settings: StorageSettings, intake: IntakeSettings, now: datetime, *, dry: bool) -> Kept:
    """Bring chunks, columnstore and retention to the settings; each step is committed for itself. Raises psycopg.Error."""
    ((edition,),) = await _rows(connection, "SELECT current_setting('timescaledb.license')")
    changed = await _fit_chunks(connection, settings.reading_chunk_weeks, dry=dry)
    since: datetime | None = None
    held_by: tuple[str, ...] = ()
    dropped = 0
    if settings.raw_retention_days is not None:  # before the columnstore: what goes need not be compressed first
        until = now - timedelta(days=settings.raw_retention_days)
        since, held_by, dropped = await _drop(connection, until, timedelta(days=intake.accept_days_back), dry=dry)
    compressed: dict[str, int] = {}
    if settings.columnstore and edition == COMMUNITY:
        before = now - timedelta(days=settings.columnstore_after_days)
        compressed = {table: await _compress(connection, table, before, dry=dry) for table in LONG}
    return Kept(edition, changed, compressed, since, held_by, dropped)


async def _fit_chunks(connection: Connection, weeks: int, *, dry: bool) -> bool:
    """A multiple of the week that the writer orders its rows by, so that workers go on locking in one order."""
    ((fits,),) = await _rows(connection, FITS, {"weeks": weeks})
    if not fits and not dry:
        await connection.execute("SELECT set_chunk_time_interval('metering.reading', %s * interval '7 days')", [weeks])
    return not fits


async def _compress(connection: Connection, table: str, before: datetime, *, dry: bool) -> int:
    """Chunks that went into the columnstore. Those that have late rows beside it are merged with them."""
    chunks = await _rows(connection, CHUNKS, [table, before])
    if chunks and not dry:
        if not (await _rows(connection, READY, [table]))[0][0]:
            await connection.execute(
                sql.SQL(
                    "ALTER TABLE metering.{} SET (timescaledb.compress, timescaledb.compress_segmentby = 'channel',"
                    " timescaledb.compress_orderby = {})"
                ).format(sql.Identifier(table), sql.Literal(LONG[table]))
            )
        for chunk, _ in chunks:
            await connection.execute("SELECT compress_chunk(%s::regclass, if_not_compressed => true)", [chunk])
    return sum(not is_compressed for _, is_compressed in chunks)


async def _drop(
    connection: Connection, until: datetime, back: timedelta, *, dry: bool
) -> tuple[datetime | None, tuple[str, ...], int]:
    """Commit the instant that no round goes behind, then drop the chunks before it: a crash between leaves them for next time."""
    ((since,),) = await _rows(connection, END_OF_LAST, [until])
    if since is None:
        return None, (), 0
    async with connection.transaction() as transaction:
        await connection.execute(BRIEFLY)
        ((kept,),) = await _rows(connection, KEEP_SINCE, [since])  # waits for whoever settles, and keeps the next one waiting
        held_by = await _held_by(connection, since, back)
        if held_by or dry:
            raise psycopg.Rollback(transaction)
    chunks = 0 if held_by else len(await _rows(connection, CHUNKS, ["reading", since]))
    if chunks and not dry:
        async with connection.transaction():
            await connection.execute(BRIEFLY)
            await connection.execute("SELECT drop_chunks('metering.reading', older_than => %s)", [since])
    return kept, held_by, chunks


async def _held_by(connection: Connection, since: datetime, back: timedelta) -> tuple[str, ...]:
    given = {"since": since, "back": back}
    return tuple([name for name, query in HELD_BY.items() if (await _rows(connection, f"SELECT EXISTS ({query})", given))[0][0]])


async def _rows(connection: Connection, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, parameters)).fetchall()
