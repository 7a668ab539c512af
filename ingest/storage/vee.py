"""What validation reads and writes in its one transaction: days that are due, digests, signals, findings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from ingest.metering.calendar import Calendar, Day, Instant, calendar, instant, moment
from ingest.metering.vee.digest import BEFORE_US, CatchUp, DayAmount, Digest, Hour, Jump, Raw
from ingest.metering.vee.episodes import Finding
from ingest.metering.vee.rules import Signal
from ingest.metering.vee.view import LOOK_BACK_DAYS, Facts, Found, Severity
from ingest.storage import binary
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES

Days = dict[Day, Digest]


class Span(NamedTuple):
    """Local days of a channel: first and last."""

    first: Day
    last: Day


class Peers(NamedTuple):
    """Which registers count alike, in one institution: their meters may be taken for each other."""

    institution: int
    medium: str
    register: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A cumulative channel: its calendar, the last closed day, and what the registry says of it in valid time."""

    calendar: Calendar
    closed: Day
    facts: tuple[Facts, ...]
    meter: str
    peers: Peers


class Part(NamedTuple):
    """A channel that another one is the sum of, while it is."""

    channel: int
    kind: str
    valid_from: Instant
    valid_to: Instant


async def open_judging(connection: Connection) -> None:
    """Make the session's own tables, once a connection."""
    await connection.execute(QUERIES["create_judged"])
    await connection.commit()


async def note_due(
    connection: Connection, marked: Mapping[int, Span], closed: Mapping[int, Day], floors: Mapping[int, Day | None]
) -> None:
    """Put days of a round of settlement on the list, inside its transaction, up to each channel's last closed one.

    Those that were marked, and those that were written otherwise. Not those before a channel's floor: of such days the readings are
    gone, and what was found stays.
    """
    if not marked:
        return
    parameters = {
        "channel": binary.ints(list(marked)),
        "first": binary.days(max(span.first, floors.get(number) or 1) for number, span in marked.items()),
        "last": binary.days(span.last for span in marked.values()),
        "closed": binary.days(closed[number] for number in marked),
    }
    await connection.execute(QUERIES["note_due"], parameters)


async def take_due(connection: Connection, now: datetime, channel_days: int) -> dict[int, Span]:
    """Delete what has waited longest and return it, with what it is part of; puts days that have just closed on the list first."""
    await connection.execute(QUERIES["vee_tick"], {"now": now})
    cursor = await connection.execute(QUERIES["take_due"], {"channel_days": channel_days, "look_back": LOOK_BACK_DAYS})
    spans: dict[int, Span] = {}
    for channel, first, last in await cursor.fetchall():
        widen(spans, channel, Span(first.toordinal(), last.toordinal()))
    cursor = await connection.execute(QUERIES["due_wholes"], {"channel": list(spans)})
    taken = dict(spans)
    for part, whole in await cursor.fetchall():
        widen(spans, whole, taken[part])
    await _add_beside(connection, spans)
    return spans


async def _add_beside(connection: Connection, spans: dict[int, Span]) -> None:
    """Add what is said of together with what is there: until whatever jumped beside a channel is judged on that day too."""
    before: dict[int, Span] = {}
    while spans != before:
        before = dict(spans)
        cursor = await connection.execute(QUERIES["due_beside"], {**_by_day(before), "look_back": LOOK_BACK_DAYS})
        for channel, first, last in await cursor.fetchall():
            widen(spans, channel, Span(first.toordinal(), last.toordinal()))


def widen(spans: dict[int, Span], channel: int, span: Span) -> None:
    """Make a channel's span hold another."""
    there = spans.get(channel, span)
    spans[channel] = Span(min(there.first, span.first), max(there.last, span.last))


async def judged(connection: Connection, channels: Iterable[int], now: datetime) -> dict[int, Judged]:
    """What the registry says of the cumulative channels among some."""
    cursor = await connection.execute(QUERIES["judged_channels"], {"channel": list(channels), "now": now})
    facts: dict[int, list[Facts]] = defaultdict(list)
    found: dict[int, Judged] = {}
    for channel, timezone, closed, institution, code, *row in await cursor.fetchall():
        zone = calendar(timezone)
        facts[channel].append(_facts(zone, *row))
        found[channel] = Judged(zone, closed.toordinal(), tuple(facts[channel]), code, Peers(institution, *row[:3]))
    return found


def _facts(
    zone: Calendar, medium: str, register: str, decimals: int, valid_from: datetime, role: str, parent: str | None, ratio: int,
    quantum: int, digits: int | None, capacity: Decimal, interval_s: int, sub_item: str | None, exports: bool,
) -> Facts:  # fmt: skip
    at = min(max(instant(valid_from), zone.midnights[0]), zone.midnights[-1] - 1)
    return Facts(
        since=zone.day(at),
        medium=medium,
        register=register,
        role=role,
        parent=parent,
        ratio_milli=ratio,
        scale=ratio * 10 ** (3 - decimals),
        quantum=max(quantum * 10**decimals // 1000, 1),
        modulus=None if digits is None else 10 ** (digits + decimals),
        capacity=int(capacity * 1_000_000),
        interval_us=interval_s * 1_000_000,
        exports=exports,
        sub_item=sub_item,
    )


async def parts(connection: Connection, channels: Iterable[int]) -> dict[int, list[Part]]:
    """What some channels are the sum of."""
    cursor = await connection.execute(QUERIES["judged_parts"], {"channel": list(channels)})
    found: dict[int, list[Part]] = defaultdict(list)
    for whole, part, kind, valid_from, valid_to in await cursor.fetchall():
        found[whole].append(Part(part, kind, instant(valid_from), instant(valid_to)))
    return found


async def unheard(connection: Connection, channels: Iterable[int], now: datetime) -> dict[int, Day]:
    """Of some channels those whose meter was never heard on a closed day, and since when it is registered."""
    cursor = await connection.execute(QUERIES["unheard"], {"channel": list(channels), "now": now})
    return {channel: since.toordinal() for channel, since in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that digests are made of, by channel and in order."""

    raw: Mapping[int, list[Raw]]
    hours: Mapping[int, list[Hour]]
    days: Mapping[tuple[int, Day], DayAmount]
    conflicts: Mapping[int, list[Instant]]
    jumps: Mapping[int, list[tuple[Instant, Jump]]]


async def rows(connection: Connection, spans: Mapping[int, Span], zones: Mapping[int, Calendar]) -> Rows:
    """What is stored of some days of some channels."""
    bounds = {
        channel: (zones[channel].day_start(span.first), zones[channel].day_start(span.last + 1)) for channel, span in spans.items()
    }
    times = {
        "channel": list(bounds),
        "from": [moment(begin) for begin, _ in bounds.values()],
        "until": [moment(end) for _, end in bounds.values()],
    }
    earlier = {**times, "from": [moment(begin - BEFORE_US) for begin, _ in bounds.values()]}
    raw: dict[int, list[Raw]] = defaultdict(list)
    for channel, *reading in await _all(connection, "digest_readings", earlier):
        raw[channel].append(Raw(*reading))
    hours: dict[int, list[Hour]] = defaultdict(list)
    for channel, *hour in await _all(connection, "digest_hours", times):
        hours[channel].append(Hour(*hour))
    days = {
        (channel, day.toordinal()): DayAmount(*amounts)
        for channel, day, *amounts in await _all(connection, "digest_days", _by_day(spans))
    }
    conflicts: dict[int, list[Instant]] = defaultdict(list)
    for channel, at in await _all(connection, "digest_conflicts", times):
        conflicts[channel].append(at)
    jumps: dict[int, list[tuple[Instant, Jump]]] = defaultdict(list)
    for channel, at, *jump in await _all(connection, "digest_events", times):
        jumps[channel].append((at, Jump(*jump)))
    return Rows(raw, hours, days, conflicts, jumps)


async def _all(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(QUERIES[query], parameters, binary=True)
    return await cursor.fetchall()


def _by_day(spans: Mapping[int, Span]) -> dict[str, Any]:
    return {
        "channel": list(spans),
        "first": [date.fromordinal(span.first) for span in spans.values()],
        "last": [date.fromordinal(span.last) for span in spans.values()],
    }


async def write_digests(connection: Connection, spans: Mapping[int, Span], digests: Mapping[int, Iterable[Digest]]) -> None:
    """Put the digests of some days in the place of those there."""
    await connection.execute(QUERIES["forget_new_digests"])
    await _copy(connection, "digested_range", _ranges(spans))
    await _copy(connection, "new_digest", (_digest_row(channel, one) for channel, of in digests.items() for one in of))
    await connection.execute(QUERIES["stale_digests"])
    await connection.execute(QUERIES["upsert_digests"])


def _ranges(spans: Mapping[int, Span]) -> Iterator[tuple[Any, ...]]:
    return ((channel, date.fromordinal(span.first), date.fromordinal(span.last)) for channel, span in spans.items())


async def _copy(connection: Connection, table: str, lines: Iterable[Sequence[Any]]) -> None:
    async with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for line in lines:
            await copy.write_row(line)


def _digest_row(channel: int, one: Digest) -> tuple[Any, ...]:
    return (
        channel, date.fromordinal(one.day), one.length_us, one.amount, one.unallocated, one.measured_us, one.estimated_us,
        one.hours, one.zero_hours, one.hour_max, one.hour_third, one.hour_min, one.night_flow, one.readings, one.values,
        one.first_value, one.last_value, one.interval_median_us, one.interval_least_us, one.interval_most_us, one.lag_least_us,
        one.lag_most_us, one.still_us, None if one.catch_up is None else list(one.catch_up), one.conflicts, one.events,
        Jsonb([list(jump) for jump in one.jumps]),
    )  # fmt: skip


async def digests(connection: Connection, spans: Mapping[int, Span]) -> dict[int, Days]:
    """The digests of some days of some channels."""
    found: dict[int, Days] = {channel: {} for channel in spans}
    for channel, day, *numbers, catch_up, conflicts, events, jumps in await _all(connection, "window_digests", _by_day(spans)):
        stood_still = None if catch_up is None else CatchUp(*catch_up)
        fields: list[Any] = [day.toordinal(), *numbers, stood_still, conflicts, events, tuple(Jump(*jump) for jump in jumps)]
        found[channel][fields[0]] = Digest(*fields)
    return found


async def write_signals(connection: Connection, spans: Mapping[int, Span], signals: Mapping[int, Iterable[Signal]]) -> None:
    """Put the signals of the judged days in the place of those there."""
    await _copy(connection, "judged_range", _ranges(spans))
    await _copy(connection, "new_signal", (_signal_row(channel, one) for channel, of in signals.items() for one in of))
    await connection.execute(QUERIES["stale_signals"])
    await connection.execute(QUERIES["upsert_signals"])


def _signal_row(channel: int, signal: Signal) -> tuple[Any, ...]:
    found = signal.found
    return channel, signal.rule, date.fromordinal(signal.day), str(found.severity), found.impact, Jsonb(dict(found.evidence))


async def signals(connection: Connection, channels: Iterable[int]) -> dict[int, list[Signal]]:
    """Every signal of some channels."""
    found: dict[int, list[Signal]] = {channel: [] for channel in channels}
    for channel, rule, day, severity, impact, evidence in await _all(connection, "channel_signals", {"channel": list(found)}):
        found[channel].append(Signal(rule, day.toordinal(), Found(Severity(severity), impact, evidence)))
    return found


async def write_findings(connection: Connection, findings: Mapping[int, Iterable[Finding]]) -> None:
    """Put every finding of some channels in the place of those there; what people made of them stays."""
    await _copy(connection, "new_finding", (_finding_row(channel, one) for channel, of in findings.items() for one in of))
    await connection.execute(QUERIES["note_changed_findings"])
    await connection.execute(QUERIES["upsert_findings"])
    await connection.execute(QUERIES["delete_findings"], {"channel": list(findings)})
    await connection.execute(QUERIES["withdraw_findings"], {"channel": list(findings)})


def _finding_row(channel: int, one: Finding) -> tuple[Any, ...]:
    days = date.fromordinal(one.from_day), date.fromordinal(one.to_day)
    return one.rule, channel, *days, one.days, str(one.severity), one.impact, Jsonb(dict(one.evidence))


async def findings_open(connection: Connection) -> dict[tuple[str, str], int]:
    """Open findings by rule and severity."""
    cursor = await connection.execute(QUERIES["findings_open"])
    counts = {(rule, severity): count for rule, severity, count in await cursor.fetchall()}
    await connection.commit()
    return counts
