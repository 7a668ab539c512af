"""One batch of assessed messages -> one transaction -> the outcome of each.

COPY straight into the hypertable is the transaction's first write. Where a key is there already the batch is done again through a
staging table, and so are the next batches for a while: redeliveries come in runs.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, TypeVar

import psycopg

from ingest.errors import Refused, Unavailable
from ingest.messages import Assessed, Message, Outcome, Row, SessionRow
from ingest.metering.calendar import HOUR_US, instant, moment
from ingest.settings import DatabaseSettings
from ingest.storage import binary
from ingest.storage.connection import Connection, connect, is_worlds, unavailable
from ingest.storage.outcomes import Key, outcomes, outcomes_of_new
from ingest.storage.queries import QUERIES

STAGED_BATCHES: Final = 20
"""After a batch with known keys so many go through the staging table at once."""

CHUNK_US: Final = 7 * 24 * HOUR_US
"""Length of a chunk of readings (migration 0002)."""

T = TypeVar("T")


class Writer:
    """The one connection that writes what intake decided. Reopened after every fault."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._connection: Connection | None = None
        self._staged_left = 0

    async def write(self, batch: Sequence[Assessed]) -> list[Outcome]:
        """Commit a batch and say what became of each message.

        Raises Unavailable for the world's faults and Refused for any other error of the database. Nothing is stored then,
        except where the answer to a commit was lost: writing the batch again stores nothing twice.
        """
        return await self.in_transaction(lambda connection: self._write(connection, batch))

    async def probe(self) -> None:
        """Commit a transaction through the same statements, leaving nothing behind. Raises Unavailable or Refused."""
        await self.in_transaction(_probe)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def write_staged(self, connection: Connection, batch: Sequence[Assessed]) -> list[Outcome]:
        """Write a batch inside a transaction that must not be rolled back to try again: through the staging table at once."""
        self._staged_left = max(self._staged_left, 1)
        return await self._write(connection, batch)

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work(connection)` and commit; any fault closes the connection, whose state nobody can know then.

        Raises Unavailable for the world's faults and Refused for any other error of the database.
        """
        limit = 2 * self._settings.statement_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                connection = await self._opened()
                result = await work(connection)
                await connection.commit()
        except psycopg.Error as error:
            await self.close()
            if is_worlds(error):
                raise unavailable(error) from error
            raise Refused(f"{error.sqlstate}: {str(error).splitlines()[0]}") from error
        except (TimeoutError, OSError) as error:
            await self.close()
            raise Unavailable(f"database: no answer within {limit} s") from error
        return result

    async def _opened(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._settings)
            await self._connection.execute(QUERIES["create_staging"])
            await self._connection.commit()
        return self._connection

    async def _write(self, connection: Connection, batch: Sequence[Assessed]) -> list[Outcome]:
        rows = sorted([row for assessed in batch for row in assessed.rows])
        if self._staged_left == 0 and await self._copied_as_new(connection, rows):
            new_sessions = await _keep_the_rest(connection, batch)
            await _mark(connection, rows)
            return outcomes_of_new(batch, new_sessions)
        return await self._write_with_known(connection, batch, rows)

    async def _copied_as_new(self, connection: Connection, rows: list[Row]) -> bool:
        """Store rows in key order; False, and nothing stored, where a key comes twice or is there already."""
        if not rows:
            return True
        channels, instants, *_ = zip(*rows, strict=True)
        if len(set(zip(channels, instants, strict=True))) < len(rows):
            return False
        try:
            await _copy(connection, "copy_readings", _in_lock_order(rows))
        except psycopg.errors.UniqueViolation:
            await connection.rollback()
            self._staged_left = STAGED_BATCHES
            return False
        return True

    async def _write_with_known(self, connection: Connection, batch: Sequence[Assessed], rows: list[Row]) -> list[Outcome]:
        """Write a batch some of whose keys come twice, or are there already."""
        rows = list({row[:3]: row for row in rows}.values())
        first = {(row.channel, row.read_at): row for row in reversed(rows)}
        there = await self._store(connection, _in_lock_order(list(reversed(first.values()))))
        disputed = await _keep_conflicts(connection, rows, first, there)
        new_sessions = await _keep_the_rest(connection, batch)
        await _mark(connection, sorted([*(key for key in first if key not in there), *(row[:2] for row in disputed)]))
        return outcomes(batch, {key: row.value for key, row in first.items() if key not in there}, disputed, new_sessions)

    async def _store(self, connection: Connection, rows: list[Row]) -> dict[Key, int]:
        """Insert rows of distinct keys; returns the stored values of those keys that were there already."""
        if not rows:
            return {}
        if self._staged_left == 0:
            try:
                await _copy(connection, "copy_readings", rows)
            except psycopg.errors.UniqueViolation:
                await connection.rollback()
                self._staged_left = STAGED_BATCHES
            else:
                return {}
        self._staged_left -= 1
        await _copy(connection, "copy_staged", rows)
        cursor = await connection.execute(QUERIES["insert_staged"])
        keys = await cursor.fetchall()
        return await _stored_values(connection, keys) if keys else {}


def _in_lock_order(rows: list[Row]) -> list[Row]:
    """Rows as every worker locks them: COPY fills a hypertable chunk by chunk, within a chunk in key order.

    They come in key order, which within one chunk (nearly always) is all.
    """
    instants = [row[1] for row in rows]
    if instants and min(instants) // CHUNK_US != max(instants) // CHUNK_US:
        return sorted(rows, key=lambda row: row.read_at // CHUNK_US)  # stable: key order stays within a chunk
    return rows


async def _copy(connection: Connection, query: str, rows: list[Row]) -> None:
    async with connection.cursor() as cursor, cursor.copy(QUERIES[query]) as copy:
        await copy.write(binary.readings(rows))


async def _stored_values(connection: Connection, keys: list[tuple[Any, ...]]) -> dict[Key, int]:
    keys.sort()
    parameters = {"channel": [key[0] for key in keys], "read_at": [key[1] for key in keys]}
    cursor = await connection.execute(QUERIES["stored_values"], parameters)
    return {(channel, instant(read_at)): value for channel, read_at, value in await cursor.fetchall()}


async def _keep_conflicts(
    connection: Connection, rows: list[Row], first: dict[Key, Row], there: dict[Key, int]
) -> set[tuple[int, int, int]]:
    """Keep every other value seen under a stored key; returns those that were not kept before."""
    others = [row for row in rows if row.value != there.get(row[:2], first[row[:2]].value)]
    if not others:
        return set()
    parameters = {
        "channel": [row.channel for row in others],
        "read_at": [moment(row.read_at) for row in others],
        "value": [row.value for row in others],
        "received_at": [moment(row.received_at) for row in others],
    }
    cursor = await connection.execute(QUERIES["insert_conflicts"], parameters)
    return {(channel, instant(read_at), value) for channel, read_at, value in await cursor.fetchall()}


async def _keep_the_rest(connection: Connection, batch: Sequence[Assessed]) -> set[SessionRow]:
    """Keep sessions and rejected messages; returns the statements about sessions that were not kept before."""
    new_sessions = await _keep_sessions(connection, batch)
    await _quarantine(connection, [assessed for assessed in batch if assessed.rejected])
    return new_sessions


async def _keep_sessions(connection: Connection, batch: Sequence[Assessed]) -> set[SessionRow]:
    """Keep what chargers said of their sessions; returns the statements that were not kept before."""
    new: set[SessionRow] = set()
    statements = {session[:-1]: session for assessed in batch for session in assessed.sessions}.values()
    for session in sorted(statements, key=str):  # any order, if it is every worker's: else they wait for each other in a circle
        cursor = await connection.execute(QUERIES["insert_session"], _session_row(session))
        if cursor.rowcount:
            new.add(session)
    return new


def _session_row(session: SessionRow) -> tuple[Any, ...]:
    *before, started_at, start_register, stopped_at, stop_register, energy, received_at = session
    stopped = None if stopped_at is None else moment(stopped_at)
    return (*before, moment(started_at), start_register, stopped, stop_register, energy, moment(received_at))


async def _quarantine(connection: Connection, rejected: Sequence[Assessed]) -> None:
    if rejected:
        rows = sorted(map(_quarantine_row, rejected), key=itemgetter(0))  # by key, as every worker: never in a circle
        async with connection.cursor() as cursor:
            await cursor.executemany(QUERIES["insert_quarantine"], rows)


def _quarantine_row(assessed: Assessed) -> tuple[Any, ...]:
    message, rejected = assessed.message, assessed.rejected
    assert rejected is not None
    return (
        quarantine_key(message),
        message.topic.encode(),
        message.payload,
        message.qos,
        message.retain,
        moment(message.received_at),
        rejected.stage,
        rejected.reason,
        rejected.detail,
        rejected.failing,
        rejected.wanted,
    )


def quarantine_key(message: Message) -> bytes:
    """The unique key of a message in quarantine: sha256(topic, 0, payload)."""
    return hashlib.sha256(message.topic.encode() + b"\0" + message.payload).digest()


async def _mark(connection: Connection, keys: Sequence[tuple[int, ...]]) -> None:
    """Say which channel-hours changed, from which instant to which, in one row. `keys` begin with channel and instant, in order."""
    if not keys:
        return
    instants = [key[1] for key in keys]
    hours = [(key[0], key[1] // HOUR_US) for key in keys]
    until = dict(zip(hours, instants, strict=True))
    since = dict(zip(reversed(hours), reversed(instants), strict=True))
    parameters = {
        "channel": binary.array(channel for channel, _ in until),
        "utc_hour": binary.array(hour for _, hour in until),
        "from_us": binary.array(map(since.__getitem__, until)),
        "until_us": binary.array(until.values()),
    }
    await connection.execute(QUERIES["insert_mark"], parameters)


async def _probe(connection: Connection) -> None:
    """Channel 0 is nobody's; the reading never outlives its savepoint."""
    now = instant(datetime.now(UTC))
    await connection.execute("SAVEPOINT probe")
    await _copy(connection, "copy_readings", [Row(0, now, 0, now)])
    await _copy(connection, "copy_staged", [Row(0, now, 0, now)])
    await connection.execute(QUERIES["insert_staged"])
    at = moment(now)
    await connection.execute(QUERIES["insert_conflicts"], {"channel": [0], "read_at": [at], "value": [0], "received_at": [at]})
    await connection.execute(QUERIES["insert_session"], (0, "probe", 1, at, 0, None, None, None, at))
    await connection.execute(QUERIES["probe_quarantine"])
    await connection.execute("ROLLBACK TO SAVEPOINT probe")
    await connection.execute(QUERIES["insert_mark"], dict.fromkeys(("channel", "utc_hour", "from_us", "until_us"), "{}"))
