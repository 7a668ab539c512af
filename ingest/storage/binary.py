"""Rows in PostgreSQL's binary COPY format.

Measured, 20,000 rows into a temporary table: 0.9 µs a row packed with one `struct` call each, 2.6 µs with `copy.write_row`.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from ingest.messages import Row
from ingest.metering.calendar import Day, Instant

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01T00:00Z, from which PostgreSQL counts its microseconds."""

_BIGINT: Final = 20
"""PostgreSQL's number of the type."""

_NO_BIGINTS: Final = struct.pack(">iiiI", 12, 0, 0, _BIGINT)

_READING: Final = struct.Struct(">hiqiqiqii")


PIECE_ROWS: Final = 2_000
"""Under 128 KiB, beyond which psycopg would cut the bytes again."""


def readings(rows: Iterable[Row]) -> bytes:
    """The rows as (read_at, value, received_at, channel)."""
    return b"".join((HEADER, *_packed(rows), TRAILER))


def pieces_of_readings(rows: Sequence[Row]) -> Iterator[bytes]:
    """The same bytes in pieces: the server takes one in while the next is packed."""
    yield b"".join((HEADER, *_packed(rows[:PIECE_ROWS])))
    for begin in range(PIECE_ROWS, len(rows), PIECE_ROWS):
        yield b"".join(_packed(rows[begin : begin + PIECE_ROWS]))
    yield TRAILER


def _packed(rows: Iterable[Row]) -> list[bytes]:
    pack = _READING.pack
    epoch = POSTGRES_EPOCH_US
    return [pack(4, 8, at - epoch, 8, value, 8, received - epoch, 4, channel) for channel, at, value, received in rows]


class Array(bytes):
    """An array as PostgreSQL sends it, for a parameter that the query casts."""


class _AsItIs(Dumper):
    """No type is named, so that the cast decides."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


psycopg.adapters.register_dumper(Array, _AsItIs)


def ints(numbers: Sequence[int]) -> Array:
    """For a parameter int[]. Measured, of 10,000 numbers: 0.01 µs of CPU each, 0.07 as text; the server, too, reads this faster."""
    return _array(23, "i", 4, numbers)


def bigint_array(numbers: Sequence[int]) -> Array:
    """For a parameter bigint[]."""
    return _array(_BIGINT, "q", 8, numbers)


def instants(moments: Sequence[Instant]) -> Array:
    """For a parameter timestamptz[]."""
    return _array(1184, "q", 8, [at - POSTGRES_EPOCH_US for at in moments])


def _array(oid: int, code: str, size: int, numbers: Sequence[int]) -> Array:
    """Length and number of each element, laid out for all elements at once, byte by byte: no step of Python for each element."""
    packed, step = struct.pack(f">{len(numbers)}{code}", *numbers), 4 + size
    body = bytearray(step * len(numbers))
    body[3::step] = bytes([size]) * len(numbers)
    for byte in range(size):
        body[4 + byte :: step] = packed[byte::size]
    return Array(struct.pack(">iiIii", 1, 0, oid, len(numbers), 1) + body)


def array(elements: Iterable[int | str]) -> str:
    """Numbers, or texts that need no quotes, as PostgreSQL reads an array, for a parameter that the query casts.

    psycopg would adapt each by itself. Measured, three arrays of 20,000: 4 ms of CPU so, 26 ms as lists.
    """
    return f"{{{','.join(map(str, elements))}}}"


def days(numbers: Iterable[Day]) -> str:
    """Days, mostly the same few, for a parameter date[]."""
    found = list(numbers)
    written = {day: date.fromordinal(day).isoformat() for day in set(found)}
    return array(map(written.__getitem__, found))


def texts(values: Iterable[str]) -> str:
    """Texts as PostgreSQL reads an array, for a parameter that the query casts."""
    found = list(values)
    quoted = {value: _quoted(value) for value in set(found)}
    return f"{{{','.join(map(quoted.__getitem__, found))}}}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def bigints(numbers: list[int]) -> bytes:
    """A field of type bigint[], with its length."""
    if not numbers:
        return _NO_BIGINTS
    elements = b"".join(struct.pack(">iq", 8, number) for number in numbers)
    array = struct.pack(">iiIii", 1, 0, _BIGINT, len(numbers), 1) + elements
    return struct.pack(">i", len(array)) + array
