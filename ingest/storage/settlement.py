"""What settlement reads and writes in its one transaction: marks, states, readings; hours and days."""

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg.types.json import Jsonb

from ingest.metering.calendar import HOUR_US, Day, Instant, instant, moment
from ingest.metering.consumption import Settled
from ingest.metering.profile import LIKE_DAYS_BACK_US
from ingest.metering.resume import State
from ingest.metering.steps import Counted, Fold
from ingest.metering.tallies import NOTHING, DayTally, Tally
from ingest.storage import binary
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES

POSTGRES_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
MIN_READ_AT: Final = 0
"""Before the first day of the calendar."""
MIN_64, MAX_64 = -(2**63), 2**63 - 1
MIN_32, MAX_32 = -(2**31), 2**31 - 1
"""PostgreSQL's -infinity and infinity, of instants and of dates."""


class Span(NamedTuple):
    """Local days of a channel that changed: first and last."""

    first: Day
    last: Day


class Marked(NamedTuple):
    """What has changed of a channel: first and last UTC hour, first and last instant."""

    first_hour: int
    last_hour: int
    changed_from: Instant
    changed_until: Instant


async def open_round(connection: Connection) -> None:
    """Make the session's own tables, once a connection."""
    await connection.execute(QUERIES["create_settled"])
    await connection.commit()


async def take_marks(connection: Connection, channel_hours: int) -> dict[int, Marked]:
    """Delete the oldest marks and return what they say of each channel. One that names no instants means its whole hour."""
    cursor = await connection.execute(QUERIES["take_marks"], {"channel_hours": channel_hours})
    marked: dict[int, Marked] = {}
    for channels, hours, from_us, until_us in await cursor.fetchall():
        from_us = from_us or [hour * HOUR_US for hour in hours]
        until_us = until_us or [(hour + 1) * HOUR_US - 1 for hour in hours]
        for channel, hour, since, until in zip(channels, hours, from_us, until_us, strict=True):
            if channel in marked:
                first, last, earliest, latest = marked[channel]
                marked[channel] = Marked(min(first, hour), max(last, hour), min(earliest, since), max(latest, until))
            else:
                marked[channel] = Marked(hour, hour, since, until)
    return marked


async def raw_kept_since(connection: Connection) -> Instant | None:
    """The instant before which raw readings may be gone; None: all are kept."""
    cursor = await connection.execute(QUERIES["raw_kept_since"])
    rows = await cursor.fetchall()
    return None if not rows or rows[0][0] is None else instant(rows[0][0])


async def newest_states(connection: Connection, channels: Iterable[int]) -> dict[int, tuple[Day, State]]:
    """The last state of each channel."""
    cursor = await connection.execute(QUERIES["newest_states"], [binary.ints(list(channels))])
    return {row[0]: (row[1].toordinal(), _state(row)) for row in await cursor.fetchall()}


async def start_states(connection: Connection, spans: Mapping[int, Span]) -> dict[int, tuple[Day, State]]:
    """Where each channel's fold resumes: the state of the last day before its span."""
    cursor = await connection.execute(QUERIES["start_states"], _by_day(spans))
    return {row[0]: (row[1].toordinal(), _state(row)) for row in await cursor.fetchall()}


async def later_states(connection: Connection, spans: Mapping[int, Span]) -> dict[int, dict[Day, State]]:
    """What earlier runs stored for the days of each span and after."""
    cursor = await connection.execute(QUERIES["later_states"], _by_day(spans))
    states: dict[int, dict[Day, State]] = defaultdict(dict)
    for row in await cursor.fetchall():
        states[row[0]][row[1].toordinal()] = _state(row)
    return states


def _by_day(spans: Mapping[int, Span]) -> dict[str, Any]:
    return {"channel": list(spans), "day": [date.fromordinal(span.first) for span in spans.values()]}


def _state(row: Sequence[Any]) -> State:
    (
        _, _, anchor_us, anchor_value, suspects, hour_amount, hour_measured_us, hour_estimated_us,
        day_amount, unallocated, day_measured_us, day_estimated_us, *beyond, still_us,
    ) = row  # fmt: skip
    hour, own = Tally(hour_amount, hour_measured_us, hour_estimated_us), Tally(day_amount, day_measured_us, day_estimated_us)
    month, year = (Tally(*beyond[:3]), Tally(*beyond[3:])) if any(beyond) else (NOTHING, NOTHING)
    pairs = tuple(map(Counted, suspects[::2], suspects[1::2])) if suspects else ()
    return State(Fold(Counted(anchor_us, anchor_value), still_us, pairs), hour, DayTally(own, unallocated, month, year))


async def readings(connection: Connection, spans: Mapping[int, tuple[Instant | None, Instant]]) -> dict[int, list[Counted]]:
    """The readings that count of each channel from one instant (None: from the first) up to another, in order."""
    begins = [MIN_READ_AT if begin is None else begin for begin, _ in spans.values()]
    ends = [end for _, end in spans.values()]
    parameters = {
        "channel": binary.ints(list(spans)), "from": binary.bigint_array(begins), "until": binary.bigint_array(ends),
        "earliest": moment(min(begins, default=MIN_READ_AT)), "latest": moment(max(ends, default=MIN_READ_AT)),
    }  # fmt: skip
    cursor = await connection.execute(QUERIES["settling_readings"], parameters, binary=True)
    found: dict[int, list[Counted]] = {channel: [] for channel in spans}
    for channel, read_at, value in await cursor.fetchall():
        found[channel].append(Counted(read_at, value))
    return found


async def measured_hours(connection: Connection, before: Mapping[int, Instant]) -> dict[int, dict[Instant, int]]:
    """The amounts of the wholly measured hours of each channel before an instant, as far back as like days go."""
    parameters = {
        "channel": list(before),
        "from": [moment(until - LIKE_DAYS_BACK_US) for until in before.values()],
        "until": [moment(until) for until in before.values()],
    }
    cursor = await connection.execute(QUERIES["measured_hours"], parameters, binary=True)
    found: dict[int, dict[Instant, int]] = {channel: {} for channel in before}
    for channel, hour, amount in await cursor.fetchall():
        found[channel][hour] = amount
    return found


_RANGE: Final = struct.Struct(">hiiiqiqiiiiiiiiiqiqiiiii?")
_HOUR: Final = struct.Struct(">hiiiqiqiqiq")
_DAY: Final = struct.Struct(">hiiii" + "iq" * 10)
_STATE_HEAD: Final = struct.Struct(">hiiiiiqiq")
_STATE_SUMS: Final = struct.Struct(">" + "iq" * 14)


async def write(connection: Connection, settled: Mapping[int, Settled], open_days: Mapping[int, Day], now: datetime) -> None:
    """Put the rows of every settled channel in the place of those they replace; notes the days that changed.

    Changes of days before a channel's open ones stay on record.
    """
    await _copy(connection, "settled_range", (_range(channel, one, open_days[channel]) for channel, one in settled.items()))
    await _copy(connection, "settled_hour", (row for channel, one in settled.items() for row in _hours(channel, one)))
    await _copy(connection, "settled_day", (row for channel, one in settled.items() for row in _days(channel, one)))
    await _copy(connection, "settled_state", (row for channel, one in settled.items() for row in _states(channel, one)))
    events = [row for channel, one in settled.items() for row in _events(channel, one)]
    if events:
        async with connection.cursor() as cursor:
            await cursor.executemany(QUERIES["insert_settled_event"], events)
    await connection.execute(QUERIES["note_day_changes"], {"now": now})
    await connection.execute(QUERIES["compared_forgotten_days"])
    for what in ("hour", "day", "state", "event"):
        await _delete_stale(connection, what)
        await connection.execute(QUERIES[f"upsert_{what}s"])
    await connection.execute(QUERIES["mark_later_silences"])


async def _delete_stale(connection: Connection, what: str) -> None:
    cursor = await connection.execute(QUERIES[f"stale_{what}s"])
    stale = await cursor.fetchall()
    if stale:
        async with connection.cursor() as cursor:
            await cursor.executemany(QUERIES[f"delete_{what}"], stale)


async def _copy(connection: Connection, table: str, rows: Iterable[bytes]) -> None:
    async with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
        await copy.write(b"".join((binary.HEADER, *rows, binary.TRAILER)))


def _range(channel: int, settled: Settled, open_day: Day) -> bytes:
    hour_from, hour_until, day_from, day_until, state_after, state_until, found_from, found_until, only_adds = settled.replaced
    state_from = None if state_after is None else state_after + 1
    last_day = settled.states[-1][0] if settled.states else None
    at, first_day = binary.POSTGRES_EPOCH_US, POSTGRES_EPOCH_DAY
    return _RANGE.pack(
        12, 4, channel,
        8, MIN_64 if hour_from is None else hour_from - at, 8, MAX_64 if hour_until is None else hour_until - at,
        4, MIN_32 if day_from is None else day_from - first_day, 4, MAX_32 if day_until is None else day_until - first_day,
        4, MIN_32 if state_from is None else state_from - first_day, 4, MAX_32 if state_until is None else state_until - first_day,
        8, MIN_64 if found_from is None else found_from - at, 8, MAX_64 if found_until is None else found_until - at,
        4, MIN_32 if last_day is None else last_day - first_day, 4, open_day - first_day, 1, only_adds,
    )  # fmt: skip


def _hours(channel: int, settled: Settled) -> Iterable[bytes]:
    for at, tally in settled.hours:
        at_postgres = at - binary.POSTGRES_EPOCH_US
        yield _HOUR.pack(5, 4, channel, 8, at_postgres, 8, tally.amount, 8, tally.measured_us, 8, tally.estimated_us)


def _days(channel: int, settled: Settled) -> Iterable[bytes]:
    for day, tally in settled.days:
        own, month, year = tally.own, tally.month, tally.year
        yield _DAY.pack(
            12, 4, channel, 4, day - POSTGRES_EPOCH_DAY,
            8, own.amount, 8, tally.unallocated, 8, own.measured_us, 8, own.estimated_us,
            8, month.amount, 8, month.measured_us, 8, month.estimated_us,
            8, year.amount, 8, year.measured_us, 8, year.estimated_us,
        )  # fmt: skip


def _states(channel: int, settled: Settled) -> Iterable[bytes]:
    for day, state in settled.states:
        (anchor, still_since, suspects), hour, (own, unallocated, month, year) = state
        head = _STATE_HEAD.pack(19, 4, channel, 4, day - POSTGRES_EPOCH_DAY, 8, anchor.read_at, 8, anchor.value)
        sums = _STATE_SUMS.pack(
            8, hour.amount, 8, hour.measured_us, 8, hour.estimated_us,
            8, own.amount, 8, unallocated, 8, own.measured_us, 8, own.estimated_us,
            8, month.amount, 8, month.measured_us, 8, month.estimated_us,
            8, year.amount, 8, year.measured_us, 8, year.estimated_us, 8, still_since,
        )  # fmt: skip
        yield head + binary.bigints([number for suspect in suspects for number in suspect]) + sums


def _events(channel: int, settled: Settled) -> Iterable[tuple[Any, ...]]:
    for event in settled.events:
        times = (moment(event.found_at), moment(event.from_at), moment(event.to_at))
        yield (channel, *times, event.kind, event.amount, Jsonb(event.evidence))
