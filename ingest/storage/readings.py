"""Readings on their way into the hypertable: COPY, at once where all should be new, else of those that a look misses (ADR 0010)."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeVar

import psycopg

from ingest.messages import Row
from ingest.metering.calendar import HOUR_US, Instant, instant, moment
from ingest.storage import binary
from ingest.storage.connection import Connection
from ingest.storage.outcomes import Key
from ingest.storage.queries import QUERIES

CHUNK_US: Final = 7 * 24 * HOUR_US
"""Length of a chunk of readings (migration 0002)."""

TRIES: Final = 10
"""Another worker may commit a key between look and COPY, but hardly so often. An index at odds with its table fails always, and may
hold up no other message."""

CHANNEL: Final = itemgetter(0)
READ_AT: Final = itemgetter(1)

T = TypeVar("T")


async def copy(connection: Connection, rows: Sequence[Row], meanwhile: Callable[[], T]) -> T:
    """Store rows of distinct keys, given in key order, and work something out while the server takes the last of them in.

    Raises psycopg.errors.UniqueViolation where a key is there already.
    """
    async with connection.cursor() as cursor, cursor.copy(QUERIES["copy_readings"]) as copying:
        for piece in binary.pieces_of_readings(in_lock_order(rows)):
            await copying.write(piece)
        return meanwhile()


async def copy_missing(connection: Connection, rows: Sequence[Row], meanwhile: Callable[[Sequence[Row], dict[Key, int]], T]) -> T:
    """Store those of rows, of distinct keys in key order, not there yet; `meanwhile` gets them, and what is there of the others.

    The transaction goes on whatever it meets. Raises psycopg.errors.UniqueViolation where looking and storing never agree.
    """
    for _ in range(1, TRIES):
        try:
            return await _copy_missing(connection, rows, meanwhile)
        except psycopg.errors.UniqueViolation:
            await connection.execute("ROLLBACK TO SAVEPOINT readings")
    return await _copy_missing(connection, rows, meanwhile)


async def _copy_missing(connection: Connection, rows: Sequence[Row], meanwhile: Callable[[Sequence[Row], dict[Key, int]], T]) -> T:
    there = await stored_values(connection, rows)
    missing = [row for row in rows if (row[0], row[1]) not in there] if there else rows
    if not missing:
        return meanwhile(missing, there)
    await connection.execute("SAVEPOINT readings")
    return await copy(connection, missing, lambda: meanwhile(missing, there))


async def stored_values(connection: Connection, rows: Sequence[Row]) -> dict[Key, int]:
    """The stored values of those keys that are there. Each chunk is asked for itself: its siblings are not even planned for."""
    found: dict[Key, int] = {}
    for within in by_chunk(rows):
        # never prepared: a plan for any instants at all would look into every chunk for each key
        cursor = await connection.execute(QUERIES["stored_values"], keys_to_look_up(within), prepare=False)
        found.update((within[place - 1][:2], value) for place, value in await cursor.fetchall())
    return found


def keys_to_look_up(rows: Sequence[Row]) -> dict[str, Any]:
    """Parameters of `stored_values`, at least one row."""
    instants = list(map(READ_AT, rows))
    return {
        "channel": binary.ints(list(map(CHANNEL, rows))), "read_at": binary.instants(instants),
        "since": moment(min(instants)), "until": moment(max(instants)),
    }  # fmt: skip


async def keep_conflicts(connection: Connection, others: Sequence[Row]) -> set[tuple[int, Instant, int]]:
    """Keep other values of stored keys; returns those that were not kept before."""
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


def in_lock_order(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows, given in key order, as every worker locks them: COPY fills a hypertable chunk by chunk, within a chunk in key order."""
    chunks = list(by_chunk(rows))
    return chunks[0] if len(chunks) == 1 else [row for within in chunks for row in within]


def by_chunk(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """The rows of each chunk in the order they come in; nearly always there is one chunk."""
    if not rows:
        return []
    instants = list(map(READ_AT, rows))
    if min(instants) // CHUNK_US == max(instants) // CHUNK_US:
        return [rows]
    return [list(within) for _, within in groupby(sorted(rows, key=_chunk), _chunk)]  # sorting leaves the order within a chunk


def _chunk(row: Row) -> int:
    return row.read_at // CHUNK_US
