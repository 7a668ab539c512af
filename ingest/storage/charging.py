"""What the charging part of a round reads and writes: statements, sessions, findings, a charger's register days."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from ingest.metering.calendar import Calendar, Day, Instant, calendar, instant, moment
from ingest.metering.charger_days import RegisterDay
from ingest.metering.sessions import Charger, Finding, Session, Statement, Version
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES


class Key(NamedTuple):
    """A session of a connector of a charger."""

    meter: int
    connector: int
    session: str


class Span(NamedTuple):
    """From when until when, both included."""

    begins: Instant
    ends: Instant


class DayKey(NamedTuple):
    """A local day of a charger."""

    meter: int
    day: Day


@dataclass(frozen=True, slots=True)
class Touching:
    """A stored session as far as a day asks for it."""

    started_at: Instant
    ends_at: Instant
    energy: int | None
    state: str


async def take_due(connection: Connection, most: int) -> set[Key]:
    """Delete the oldest due rows and return whose they are."""
    cursor = await connection.execute(QUERIES["take_charging_due"], {"most": most})
    return {Key(*row) for row in await cursor.fetchall()}


async def changed_days(connection: Connection) -> set[DayKey]:
    """The days of chargers' registers that this round changed."""
    cursor = await connection.execute(QUERIES["changed_charger_days"])
    return {DayKey(meter, day.toordinal()) for meter, day in await cursor.fetchall()}


async def chargers(connection: Connection, meters: Iterable[int]) -> dict[int, Charger]:
    """What the registry says of chargers."""
    cursor = await connection.execute(QUERIES["chargers"], [sorted(set(meters))])
    versions: dict[int, list[Version]] = defaultdict(list)
    known: dict[int, tuple[Calendar, int]] = {}
    for meter, timezone, rated_kw, valid_from, ratio, quantum, digits, interval_s in await cursor.fetchall():
        known[meter] = calendar(timezone), int(rated_kw * 1000)
        modulus = None if digits is None else 10 ** (digits + 3)
        versions[meter].append(Version(instant(valid_from), ratio, quantum, modulus, interval_s * 1_000_000))
    return {meter: Charger(*known[meter], tuple(found)) for meter, found in versions.items()}


async def statements(connection: Connection, keys: Collection[Key]) -> dict[Key, list[Statement]]:
    """Everything said of each session."""
    found: dict[Key, list[Statement]] = defaultdict(list)
    cursor = await connection.execute(QUERIES["session_statements"], _columns(keys))
    for meter, connector, session, started_at, start, stopped_at, stop, energy in await cursor.fetchall():
        stopped = None if stopped_at is None else instant(stopped_at)
        found[Key(meter, connector, session)].append(Statement(instant(started_at), start, stopped, stop, energy))
    return found


async def stored(connection: Connection, keys: Collection[Key]) -> dict[Key, Span]:
    """When each session was held to lie, of those that were derived before."""
    cursor = await connection.execute(QUERIES["stored_sessions"], _columns(keys))
    return _spans(await cursor.fetchall())


async def around(connection: Connection, spans: Mapping[tuple[int, int], Span], without: Collection[Key]) -> dict[Key, Span]:
    """The stored sessions of each connector within a span, the last before it, the first after it; `without` are not looked for."""
    parameters = {
        "meter": [meter for meter, _ in spans],
        "connector": [connector for _, connector in spans],
        "from": [moment(span.begins) for span in spans.values()],
        "until": [moment(span.ends) for span in spans.values()],
        "without": ["/".join(map(str, key)) for key in without],
    }
    cursor = await connection.execute(QUERIES["sessions_around"], parameters)
    return _spans(await cursor.fetchall())


def _spans(rows: Iterable[Sequence[Any]]) -> dict[Key, Span]:
    return {
        Key(meter, connector, session): Span(instant(started_at), instant(ends_at))
        for meter, connector, session, started_at, ends_at in rows
    }


def _columns(keys: Collection[Key]) -> dict[str, Any]:
    return {name: [getattr(key, name) for key in keys] for name in Key._fields}


async def write_sessions(connection: Connection, sessions: Mapping[Key, Session]) -> None:
    """Put sessions and their findings in the place of what was derived before."""
    await connection.execute(QUERIES["delete_session_findings"], _columns(sessions))
    async with connection.cursor() as cursor:
        await cursor.executemany(QUERIES["upsert_session"], [_row(key, session) for key, session in sessions.items()])
        await cursor.executemany(
            QUERIES["insert_finding"],
            [
                (*key, moment(session.started_at), finding.kind, Jsonb(finding.evidence))
                for key, session in sessions.items()
                for finding in session.findings
            ],
        )


def _row(key: Key, of: Session) -> tuple[Any, ...]:
    stopped_at = None if of.stopped_at is None else moment(of.stopped_at)
    return (
        *key, moment(of.started_at), moment(of.ends_at), stopped_at, of.start_register, of.stop_register, of.energy, of.state,
        of.quality, of.reason, of.billable, of.statements,
    )  # fmt: skip


async def first_starts(connection: Connection, meters: Iterable[int]) -> dict[int, Instant]:
    """When the first session of each charger started."""
    cursor = await connection.execute(QUERIES["first_sessions"], [sorted(set(meters))])
    return {meter: instant(started_at) for meter, started_at in await cursor.fetchall()}


async def last_register_days(connection: Connection, meters: Iterable[int]) -> dict[int, Day]:
    """The last day of each charger's register that was derived."""
    cursor = await connection.execute(QUERIES["last_register_days"], [sorted(meters)])
    return {meter: day.toordinal() for meter, day in await cursor.fetchall()}


async def register_days(connection: Connection, days: Collection[DayKey]) -> dict[DayKey, RegisterDay]:
    """What the registers say of days."""
    parameters = {"meter": [key.meter for key in days], "day": [date.fromordinal(key.day) for key in days]}
    cursor = await connection.execute(QUERIES["register_days"], parameters)
    return {
        DayKey(meter, day.toordinal()): RegisterDay(day.toordinal(), amount, measured_us)
        for meter, day, amount, measured_us in await cursor.fetchall()
    }


async def sessions_of_days(connection: Connection, spans: Mapping[DayKey, Span]) -> dict[DayKey, list[Touching]]:
    """The sessions that may touch each day, its span given."""
    parameters = {
        "meter": [key.meter for key in spans],
        "day": [date.fromordinal(key.day) for key in spans],
        "from": [moment(span.begins) for span in spans.values()],
        "until": [moment(span.ends) for span in spans.values()],
    }
    found: dict[DayKey, list[Touching]] = defaultdict(list)
    cursor = await connection.execute(QUERIES["sessions_between"], parameters)
    for meter, day, started_at, ends_at, energy, state in await cursor.fetchall():
        found[DayKey(meter, day.toordinal())].append(Touching(instant(started_at), instant(ends_at), energy, state))
    return found


async def write_days(connection: Connection, findings: Mapping[DayKey, tuple[Instant, Sequence[Finding]]]) -> None:
    """Put the findings of days, each with its first instant, in the place of those found before."""
    begins = [moment(at) for at, _ in findings.values()]
    await connection.execute(QUERIES["delete_day_findings"], {"meter": [key.meter for key in findings], "begins": begins})
    async with connection.cursor() as cursor:
        await cursor.executemany(
            QUERIES["insert_finding"],
            [
                (key.meter, 0, "", moment(at), finding.kind, Jsonb(finding.evidence))
                for key, (at, found) in findings.items()
                for finding in found
            ],
        )
