"""The charging part of a round: due sessions -> statements -> sessions -> findings of sessions and days.

A session is derived from its statements alone, then held against its neighbours on the connector, and each touched day against the
charger's own register. What changes reaches no further than 72 hours and one neighbour on either side, so a round reads no more
than that; a rebuild, which reads everything, gives the same rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ingest.metering.calendar import Day, Instant
from ingest.metering.charger_days import judge_day, reach_us
from ingest.metering.connectors import judge
from ingest.metering.sessions import LONGEST_US, Charger, Session, fold
from ingest.storage import charging as store
from ingest.storage.charging import DayKey, Key, Span
from ingest.storage.connection import Connection

MOST_SESSIONS: Final = 5_000
"""Due rows that one round takes."""
Connectors = Mapping[tuple[int, int], Span]


async def settle_charging(connection: Connection, most: int) -> int:
    """Derive what is due again, inside the round's transaction, after its hours and days; returns how many sessions were due."""
    due = await store.take_due(connection, min(most, MOST_SESSIONS))
    days = await store.changed_days(connection)
    if not due and not days:
        return 0
    meters = {key.meter for key in due} | {key.meter for key in days}
    chargers = await store.chargers(connection, meters)
    starts_before = await store.first_starts(connection, meters)
    if due:
        days |= await _settle_sessions(connection, due, chargers)
    starts = await store.first_starts(connection, meters)
    lasts = await store.last_register_days(connection, starts.keys() - starts_before.keys())
    days |= set(_days_since_the_first(chargers, starts_before, starts, lasts))
    await _settle_days(connection, days, chargers, starts)
    return len(due)


async def _settle_sessions(connection: Connection, due: set[Key], chargers: Mapping[int, Charger]) -> set[DayKey]:
    """Write the due sessions and the neighbours that they touch; returns the days of all of them, as they were and as they are."""
    before = await store.stored(connection, due)
    folded = await _fold(connection, due, chargers)
    touched = await store.around(connection, _reach([*before.items(), *_spans(folded)]), due)
    before |= {key: span for key, span in touched.items() if key not in before}
    context = await store.around(connection, _reach([*before.items(), *_spans(folded)]), due)
    folded |= await _fold(connection, (context.keys() | touched.keys()) - folded.keys(), chargers)
    judged = {key: session for key, session in _judged(folded, chargers) if key in due or key in touched}
    await store.write_sessions(connection, judged)
    return {day for key, span in (*before.items(), *_spans(judged)) for day in _days(chargers[key.meter], key.meter, span)}


async def _fold(connection: Connection, keys: Iterable[Key], chargers: Mapping[int, Charger]) -> dict[Key, Session]:
    said = await store.statements(connection, sorted(keys))
    return {key: fold(key.connector, key.session, found, chargers[key.meter]) for key, found in said.items()}


def _spans(sessions: Mapping[Key, Session]) -> list[tuple[Key, Span]]:
    return [(key, Span(session.started_at, session.ends_at)) for key, session in sessions.items()]


def _reach(spans: Iterable[tuple[Key, Span]]) -> Connectors:
    """How far each connector's sessions may reach others: none holds its connector for longer than `LONGEST_US`."""
    found: dict[tuple[int, int], Span] = {}
    for key, span in spans:
        there = found.get(key[:2], span)
        found[key[:2]] = Span(min(there.begins, span.begins), max(there.ends, span.ends))
    return {connector: Span(span.begins - LONGEST_US, span.ends) for connector, span in found.items()}


def _judged(folded: Mapping[Key, Session], chargers: Mapping[int, Charger]) -> Iterator[tuple[Key, Session]]:
    connectors: dict[tuple[int, int], list[Session]] = defaultdict(list)
    for key, session in folded.items():
        connectors[key[:2]].append(session)
    for (meter, connector), sessions in connectors.items():
        for session in judge(sessions, chargers[meter]):
            yield Key(meter, connector, session.session), session


def _days(charger: Charger, meter: int, span: Span) -> Iterator[DayKey]:
    """The days that a session may have been read in, of its register."""
    reach = reach_us(charger)
    first, last = charger.calendar.day(span.begins - reach), charger.calendar.day(span.ends + reach)
    return (DayKey(meter, day) for day in range(first, last + 1))


def _days_since_the_first(
    chargers: Mapping[int, Charger], before: Mapping[int, Instant], now: Mapping[int, Instant], lasts: Mapping[int, Day]
) -> Iterator[DayKey]:
    """Days that a charger's first session used to follow, or follows now; of a charger without any before, all that there are."""
    for meter, at in now.items():
        if before.get(meter) != at:
            day = chargers[meter].calendar.day
            bounds = sorted([day(at), day(before[meter]) if meter in before else lasts.get(meter, 0)])
            yield from (DayKey(meter, each) for each in range(bounds[0] or bounds[1], bounds[1] + 1))


async def _settle_days(
    connection: Connection, days: Iterable[DayKey], chargers: Mapping[int, Charger], starts: Mapping[int, Instant]
) -> None:
    """Hold each day's register against its sessions."""
    wanted = sorted(key for key in days if key.meter in starts)
    if not wanted:
        return
    registers = await store.register_days(connection, wanted)
    spans = {key: _span_of_day(chargers[key.meter], key.day) for key in wanted}
    touching = await store.sessions_of_days(connection, spans)
    findings = {}
    for key in wanted:
        charger, register = chargers[key.meter], registers.get(key)
        first = charger.calendar.day(starts[key.meter])
        found = judge_day(charger, register, touching.get(key, ()), first) if register else []
        findings[key] = (charger.calendar.day_start(key.day), found)
    await store.write_days(connection, findings)


def _span_of_day(charger: Charger, day: Day) -> Span:
    reach = reach_us(charger)
    return Span(charger.calendar.day_start(day) - reach, charger.calendar.day_start(day + 1) + reach)
