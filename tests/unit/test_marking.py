"""Marks as PostgreSQL reads them, and the bytes of COPY in pieces."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from ingest.messages import Row
from ingest.metering.calendar import HOUR_US
from ingest.storage import binary
from ingest.storage.marking import NOTHING, mark

instants = st.integers(-3 * HOUR_US, 3 * HOUR_US) | st.integers(-(2**52), 2**52)
keys = st.lists(st.tuples(st.integers(0, 3) | st.integers(0, 2**31 - 1), instants), max_size=30).map(sorted)


def numbers(array: binary.Array) -> tuple[int, list[int]]:
    """The type of an array and its elements, by the protocol's own description."""
    dimensions, nulls, oid, length, lower = struct.unpack_from(">iiIii", array)
    assert (1, 0, 1) == (dimensions, nulls, lower)
    found, place = [], 20
    for _ in range(length):
        size = int.from_bytes(array[place : place + 4])
        found.append(int.from_bytes(array[place + 4 : place + 4 + size], signed=True))
        place += 4 + size
    assert place == len(array)
    return oid, found


@given(keys)
def test_a_mark_names_each_channel_hour_once_with_its_first_and_last_instant(some: list[tuple[int, int]]) -> None:
    """Also where a channel reports often, and where a batch spans hours."""
    spans: dict[tuple[int, int], list[int]] = {}
    for channel, at in some:
        spans.setdefault((channel, at // HOUR_US), []).append(at)
    found = mark(some)

    assert (23, [channel for channel, _ in spans]) == numbers(found["channel"])
    assert (23, [hour for _, hour in spans]) == numbers(found["utc_hour"])
    assert (20, [at[0] for at in spans.values()]) == numbers(found["from_us"])
    assert (20, [at[-1] for at in spans.values()]) == numbers(found["until_us"])


def test_the_mark_of_nothing_is_empty() -> None:
    """Four arrays without an element."""
    assert [(23, []), (23, []), (20, []), (20, [])] == list(map(numbers, NOTHING.values()))


@given(st.lists(st.integers(-(2**63) + binary.POSTGRES_EPOCH_US, 2**62), max_size=9))
def test_instants_count_from_the_server_s_own_epoch(some: list[int]) -> None:
    """As timestamptz is sent."""
    assert (1184, [at - binary.POSTGRES_EPOCH_US for at in some]) == numbers(binary.instants(some))


def test_pieces_are_the_same_bytes_whatever_the_number_of_rows() -> None:
    """None, one, a piece less one, a piece, one more; none of them is cut again on its way."""
    for count in (0, 1, binary.PIECE_ROWS - 1, binary.PIECE_ROWS, binary.PIECE_ROWS + 1, 3 * binary.PIECE_ROWS):
        rows = [Row(number, number, 7, 0) for number in range(count)]
        pieces = list(binary.pieces_of_readings(rows))
        assert binary.readings(rows) == b"".join(pieces)
        assert max(map(len, pieces)) <= 128 * 1024
