"""Validation, one round: days that are due -> digests -> signals -> findings, in one snapshot and one transaction.

Only closed days are judged, only from stored rows. A changed row changes its day's digest and the next day's (a register may stand
still over midnight), and so what rules say of the 56 days after; those are judged anew. So any order of rounds gives what a
rebuild gives.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from ingest.metering.calendar import FIRST_DAY, Calendar, Day
from ingest.metering.vee.digest import BEFORE_US, DayAmount, Digest, Raw, digest
from ingest.metering.vee.episodes import findings, never_heard
from ingest.metering.vee.rules import Signal, judge
from ingest.metering.vee.view import DAY_US, LOOK_BACK_DAYS, View
from ingest.storage import vee as store
from ingest.storage.connection import Connection
from ingest.storage.vee import Days, Judged, Part, Peers, Rows, Span

READINGS_HELD: Final = 300_000
"""About so many readings are in memory at once."""


async def find_round(connection: Connection, now: datetime, channel_days: int) -> int:
    """Judge what has waited longest; returns how many channels. `connection` is idle, and its temporary tables are made.

    `now` says which local days are closed. Commits, or raises and leaves everything as it was.
    """
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    due = await store.take_due(connection, now, channel_days)
    channels = await store.judged(connection, due, now)
    spans = {channel: _known(due[channel]) for channel, one in channels.items() if due[channel].first <= one.closed}
    if spans:
        await _digest(connection, channels, spans)
        await _judge(connection, channels, spans, now)
    await connection.commit()
    return len(due)


def _known(span: Span) -> Span:
    """Within the calendar, which knows no day before 2000."""
    return Span(max(span.first, FIRST_DAY + 1), max(span.last, FIRST_DAY + 1))


async def _digest(connection: Connection, channels: Mapping[int, Judged], spans: Mapping[int, Span]) -> None:
    """Make the digests of the days due and the day after them, a bounded part at a time."""
    wanted = {channel: Span(span.first, min(span.last + 1, channels[channel].closed)) for channel, span in spans.items()}
    zones = {channel: channels[channel].calendar for channel in wanted}
    for part in _parts(wanted, channels):
        rows = await store.rows(connection, part, zones)
        made = {channel: list(_digests(channel, zones[channel], span, rows)) for channel, span in part.items()}
        await store.write_digests(connection, part, made)


def _parts(spans: Mapping[int, Span], channels: Mapping[int, Judged]) -> Iterator[dict[int, Span]]:
    """The spans in parts of about `READINGS_HELD` expected readings; no channel stands in one part twice."""
    part: dict[int, Span] = {}
    held = 0
    for channel, span in spans.items():
        a_day = max(DAY_US // min(facts.interval_us for facts in channels[channel].facts), 24)
        at_once = max(READINGS_HELD // a_day, 1)
        for first in range(span.first, span.last + 1, at_once):
            last = min(first + at_once - 1, span.last)
            if part and (held >= READINGS_HELD or channel in part):
                yield part
                part, held = {}, 0
            part[channel] = Span(first, last)
            held += a_day * (last - first + 1)
    if part:
        yield part


def _digests(channel: int, calendar: Calendar, span: Span, rows: Rows) -> Iterator[Digest]:
    """A channel's digests of some days, those apart of which nothing is known."""
    raw, hours = rows.raw.get(channel, []), rows.hours.get(channel, [])
    raw_at, hours_at = [reading.read_at for reading in raw], [hour.start for hour in hours]
    conflicts, jumps = rows.conflicts.get(channel, []), rows.jumps.get(channel, [])
    for day in range(span.first, span.last + 1):
        start, end = calendar.day_start(day), calendar.day_start(day + 1)
        one = digest(
            calendar,
            day,
            rows.days.get((channel, day), DayAmount()),
            hours[bisect_left(hours_at, start) : bisect_left(hours_at, end)],
            _of_day(raw, raw_at, start, end),
            sum(start <= at < end for at in conflicts),
            [jump for at, jump in jumps if start <= at < end],
        )
        if one:
            yield one


def _of_day(raw: Sequence[Raw], raw_at: Sequence[int], start: int, end: int) -> Sequence[Raw]:
    return raw[bisect_left(raw_at, start - BEFORE_US) : bisect_left(raw_at, end)]


async def _judge(connection: Connection, channels: Mapping[int, Judged], spans: Mapping[int, Span], now: datetime) -> None:
    """Judge the days due and all days whose window they are in; then make the channels' findings anew."""
    wanted = {
        channel: Span(span.first, min(span.last + 1 + LOOK_BACK_DAYS, channels[channel].closed)) for channel, span in spans.items()
    }
    parts = await store.parts(connection, wanted)
    windows = dict(wanted)
    for whole, of in parts.items():
        for part in of:
            store.widen(windows, part.channel, wanted[whole])
    windows = {channel: Span(span.first - LOOK_BACK_DAYS, span.last) for channel, span in windows.items()}
    digests = await store.digests(connection, windows)
    beside = _beside(channels, wanted, digests)
    signals = {
        channel: list(_signals(channels[channel], span, digests, channel, parts.get(channel, ()), beside))
        for channel, span in wanted.items()
    }
    await store.write_signals(connection, wanted, signals)
    of_channels = await store.signals(connection, wanted)
    found = {channel: findings(of) for channel, of in of_channels.items()}
    for channel, since in (await store.unheard(connection, wanted, now)).items():
        found[channel] += never_heard(View(channels[channel].closed, channels[channel].facts, {}, unheard_since=since))
    await store.write_findings(connection, found)


def _beside(
    channels: Mapping[int, Judged], wanted: Mapping[int, Span], digests: Mapping[int, Days]
) -> dict[tuple[Peers, Day], dict[str, View]]:
    """Of registers that count alike, those that went on elsewhere on one day, by the code of their meter."""
    found: dict[tuple[Peers, Day], dict[str, View]] = defaultdict(dict)
    for channel in wanted:
        of = channels[channel]
        for day, one in digests[channel].items():
            if one.went_on_elsewhere:
                found[of.peers, day][of.meter] = View(day, of.facts, digests[channel])
    return {key: views for key, views in found.items() if len(views) > 1}


def _signals(
    judged: Judged,
    span: Span,
    digests: Mapping[int, Days],
    channel: int,
    parts: Iterable[Part],
    beside: Mapping[tuple[Peers, Day], Mapping[str, View]],
) -> Iterator[Signal]:
    """What the rules say of each of some days; a window without digests is not judged at all."""
    own, parts = digests[channel], list(parts)
    days = sorted(own)
    for day in range(span.first, span.last + 1):
        at = bisect_left(days, day - LOOK_BACK_DAYS)
        if at < len(days) and days[at] <= day:
            tariffs, children = (_of_kind(kind, parts, digests, judged.calendar, day) for kind in ("tariff", "child"))
            others = {code: view for code, view in beside.get((judged.peers, day), {}).items() if code != judged.meter}
            yield from judge(View(day, judged.facts, own, tariffs, children, beside=others))


def _of_kind(kind: str, parts: Iterable[Part], digests: Mapping[int, Days], calendar: Calendar, day: Day) -> list[Days]:
    """The parts of a kind in force as a day begins; a tariff register that is never heard is not in use."""
    start = calendar.day_start(day)
    found = [digests[part.channel] for part in parts if part.kind == kind and part.valid_from <= start < part.valid_to]
    return [days for days in found if kind == "child" or any(day - LOOK_BACK_DAYS <= at <= day for at in days)]
