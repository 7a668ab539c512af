"""One batch of assessed messages -> one transaction -> the outcome of each.

COPY straight into the hypertable is the transaction's first write. Where a key is there already the batch is done again, its keys
looked up first, and so are the next batches for a while: redeliveries come in runs.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

import psycopg

from ingest.errors import Lost, Refused, Unavailable
from ingest.messages import Assessed, Message, Outcome, Row, SessionRow
from ingest.metering.calendar import instant, moment
from ingest.settings import DatabaseSettings
from ingest.storage import marking, readings, structure
from ingest.storage.connection import Connection, connect, first_line, is_lost, is_worlds, unavailable
from ingest.storage.outcomes import Key, outcomes, outcomes_of_new
from ingest.storage.queries import QUERIES
from ingest.storage.readings import CHANNEL, READ_AT

WARY_BATCHES: Final = 20
"""After a batch with known keys so many are looked up first."""

KEY: Final = itemgetter(0, 1)

T = TypeVar("T")


class Writer:
    """The one connection that writes what intake decided. Reopened after every fault."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._connection: Connection | None = None
        self._warning: str | None = None
        self._wary_batches = 0

    async def write(self, batch: Sequence[Assessed]) -> list[Outcome]:
        """Commit a batch and say what became of each message.

        Raises Unavailable for the world's faults, Lost where the connection ended under it, Refused for any other error of the
        database. Nothing is stored then, except where the answer to a commit was lost: writing it again stores nothing twice.
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

    async def write_within(self, connection: Connection, batch: Sequence[Assessed]) -> list[Outcome]:
        """Write a batch as part of a transaction that must not be rolled back to try again."""
        rows = rows_in_order(batch)
        return await self._write_looking(connection, batch, rows, first_of_each_key(rows))

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work(connection)` and commit; any fault closes the connection, whose state nobody can know then.

        Raises Unavailable for the world's faults, Lost where the connection ended under the work, and Refused for any other
        error of the database.
        """
        limit = 2 * self._settings.statement_timeout_seconds
        connection: Connection | None = None
        try:
            async with asyncio.timeout(limit):
                connection = await self._opened()
                result = await work(connection)
                await self._commit(connection)
        except psycopg.Error as error:
            lost = connection is not None and is_lost(connection, error)
            await self.close()
            if lost:
                raise Lost(f"database: {first_line(error)}") from error
            if is_worlds(error):
                raise unavailable(error) from error
            raise Refused(f"{error.sqlstate}: {str(error).splitlines()[0]}") from error
        except (TimeoutError, OSError) as error:
            await self.close()
            raise Unavailable(f"database: no answer within {limit} s") from error
        return result

    async def _commit(self, connection: Connection) -> None:
        """Commit. Raises Unavailable where the server warns: somebody has ended its wait for a synchronous standby."""
        self._warning = None
        await connection.commit()
        if self._warning is not None:
            raise Unavailable(f"database: committed, but: {self._warning}")

    def _heard(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warning = notice.message_primary

    async def _opened(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._open()
        return self._connection

    async def _open(self) -> Connection:
        connection = await connect(self._settings)
        try:
            await structure.require(connection)
            connection.add_notice_handler(self._heard)
            await connection.execute(QUERIES["set_up_writer"])
            await connection.commit()
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _write(self, connection: Connection, batch: Sequence[Assessed]) -> list[Outcome]:
        rows = rows_in_order(batch)
        first = first_of_each_key(rows)
        if self._wary_batches:
            self._wary_batches -= 1
        elif (mark := await self._copied_as_new(connection, first)) is not None:
            if first is not rows:
                return await _keep_known(connection, batch, _apart(rows, first, {}, first))
            new_sessions = await _keep_the_rest(connection, batch)
            await _mark(connection, mark)
            return outcomes_of_new(batch, new_sessions)
        return await self._write_looking(connection, batch, rows, first)

    async def _copied_as_new(self, connection: Connection, first: Sequence[Row]) -> marking.Mark | None:
        """Store rows of distinct keys; returns their mark, or None, and nothing is stored, where a key is there already."""
        if not first:
            return marking.NOTHING
        try:
            return await readings.copy(connection, first, lambda: marking.mark(first))
        except psycopg.errors.UniqueViolation:
            await connection.rollback()
            self._wary_batches = WARY_BATCHES
            return None

    async def _write_looking(
        self, connection: Connection, batch: Sequence[Assessed], rows: Sequence[Row], first: Sequence[Row]
    ) -> list[Outcome]:
        """Write a batch of whose keys some may be there already."""
        apart = await readings.copy_missing(connection, first, lambda new, there: _apart(rows, first, there, new))
        if len(apart.new) < len(first):
            self._wary_batches = WARY_BATCHES
        return await _keep_known(connection, batch, apart)


class Apart(NamedTuple):
    """Readings of a batch, some of whose keys came twice or were there: what is new, its mark, and other values of stored keys."""

    new: set[Row]
    mark: marking.Mark
    others: list[Row]


def _apart(rows: Sequence[Row], first: Sequence[Row], there: dict[Key, int], missing: Sequence[Row]) -> Apart:
    """`first` of each key among rows, what is stored of those keys that were there, and the rows whose keys were not."""
    new = set(missing)
    values = there if first is rows else {**{(row[0], row[1]): row[2] for row in first}, **there}
    others = [row for row in rows if row not in new and row[2] != values[row[0], row[1]]]
    return Apart(new, marking.mark(missing), others)


async def _keep_known(connection: Connection, batch: Sequence[Assessed], apart: Apart) -> list[Outcome]:
    """Keep all of a batch but its new readings, which are stored."""
    disputed = await readings.keep_conflicts(connection, apart.others)
    new_sessions = await _keep_the_rest(connection, batch)
    mark = marking.mark(sorted([*map(KEY, apart.new), *map(KEY, disputed)])) if disputed else apart.mark
    await _mark(connection, mark)
    return outcomes(batch, apart.new, disputed, new_sessions)


def rows_in_order(batch: Sequence[Assessed]) -> list[Row]:
    """The readings of a batch in key order; of those with one key, the one that came first is first.

    Measured, 10,000 readings whose instants rise and whose channels do not: 0.06 µs a reading, compared as rows 0.18 µs.
    """
    return sorted(sorted([row for assessed in batch for row in assessed.rows], key=READ_AT), key=CHANNEL)


def first_of_each_key(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows in key order without those of a key that came before; the very same rows where no key comes twice."""
    if len(set(map(CHANNEL, rows))) == len(rows) or len(set(map(KEY, rows))) == len(rows):
        return rows
    keys = list(map(KEY, rows))
    first = dict(zip(reversed(keys), reversed(rows), strict=True))
    return list(reversed(first.values()))


async def _keep_the_rest(connection: Connection, batch: Sequence[Assessed]) -> set[SessionRow]:
    """Keep sessions and rejected messages; returns the statements about sessions that were not kept before.

    The commit that follows waits for synchronous standbys, also where everything was there already.
    """
    await connection.execute(QUERIES["wait_for_standbys"])
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


async def _mark(connection: Connection, mark: marking.Mark) -> None:
    if mark != marking.NOTHING:
        await connection.execute(QUERIES["insert_mark"], mark)


async def _probe(connection: Connection) -> None:
    """Channel 0 is nobody's; the reading never outlives its savepoint."""
    now = instant(datetime.now(UTC))
    await connection.execute("SAVEPOINT probe")
    await readings.copy_missing(connection, [Row(0, now, 0, now)], lambda *_: None)
    await readings.keep_conflicts(connection, [Row(0, now, 0, now)])
    await connection.execute(QUERIES["insert_session"], (0, "probe", 1, moment(now), 0, None, None, None, moment(now)))
    await connection.execute(QUERIES["probe_quarantine"])
    await connection.execute("ROLLBACK TO SAVEPOINT probe")
    await connection.execute(QUERIES["insert_mark"], marking.NOTHING)
