"""What levels are folded from, and where they are written: institution days, quotas, denominators, standings."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from psycopg.types.json import Jsonb

from ingest.metering.calendar import Day
from ingest.metering.levels import DayOfPeriod, Deducted, Excluded, Standing
from ingest.metering.quotas import DIMENSIONS, INDICATORS, Basis, Denominator, Quota
from ingest.metering.sub_items import exclusions
from ingest.storage import binary
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES

LAST_DAY: Final = date.max.toordinal()
PUT_OFF: Final = timedelta(minutes=1)
"""So long verdicts may wait while marks do. Ours: four scrapes of Prometheus at 15 s."""


@dataclass(frozen=True, slots=True)
class Affected:
    """An institution and medium with its first day whose sums changed, its zone and its dimensions."""

    institution: int
    medium: str
    first: Day
    timezone: str
    attributes: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One fold to be run again: an indicator and period of an institution, from a day on; `until` is exclusive."""

    affected: Affected
    indicator: str
    period_kind: str
    period: tuple[Day, Day]
    first: Day
    until: Day


async def affect(connection: Connection, marked: Iterable[tuple[int, Day]], now: datetime, media: Sequence[str]) -> None:
    """Note whose days changed: those of changed and marked channels, and of regions whose day has just ended."""
    days = list(marked)
    parameters = {"channel": binary.ints([channel for channel, _ in days]), "day": _dates(day for _, day in days)}
    await connection.execute(QUERIES["affect_institutions"], parameters)
    cursor = await connection.execute(QUERIES["due_ticks"], {"now": now})
    for region, day in await cursor.fetchall():
        await connection.execute(QUERIES["affect_region"], {"region": region, "day": day, "media": list(media)})


async def put_off(connection: Connection, now: datetime) -> bool:
    """Whether verdicts wait for a later round, since more marks wait: a backlog of a month would be judged in each of its rounds.

    Whose days changed is kept. Nothing waits for longer than `PUT_OFF` and a round.
    """
    ((marks_left, since),) = await (await connection.execute(QUERIES["verdicts_waiting"])).fetchall()
    if marks_left and (since is None or now - since < PUT_OFF):
        await connection.execute(QUERIES["put_off_verdicts"], {"now": now})
        return True
    if since is not None:
        await connection.execute(QUERIES["take_up_verdicts"])
    return False


async def judge_again(connection: Connection, since: Mapping[str, date | None]) -> None:
    """Have the next round judge institutions anew, each from a day on (None: from its first), also where no meter has a mark."""
    await connection.execute(QUERIES["judge_again"], {"institution": list(since), "since": list(since.values())})


async def roll_up(connection: Connection, now: datetime) -> list[Affected]:
    """Sum the affected institution days anew; returns each institution and medium with its first affected day."""
    await connection.execute(QUERIES["affect_days_without_row"], {"now": now})
    await connection.execute(QUERIES["roll_up_institutions"])
    cursor = await connection.execute(QUERIES["affected_institutions"])
    return [
        Affected(institution, medium, first.toordinal(), timezone, dict(zip(DIMENSIONS, attributes, strict=True)))
        for institution, medium, first, timezone, *attributes in await cursor.fetchall()
    ]


async def quotas(connection: Connection) -> list[Quota]:
    """Every quota row that names its source."""
    cursor = await connection.execute(QUERIES["quotas"])
    return [
        Quota(
            code, indicator, kind, {name: value for name, value in zip(DIMENSIONS, dimensions, strict=True) if value is not None},
            constraint, valid_from.toordinal(), _end(valid_to), excludes,
        )
        for code, indicator, kind, *dimensions, constraint, valid_from, valid_to, excludes in await cursor.fetchall()
    ]  # fmt: skip


async def denominators(connection: Connection, institutions: Iterable[int]) -> dict[int, list[Denominator]]:
    """Floor areas, people and beds by institution."""
    cursor = await connection.execute(QUERIES["denominators"], [list(institutions)])
    found: dict[int, list[Denominator]] = defaultdict(list)
    for institution, kind, value, valid_from, valid_to in await cursor.fetchall():
        found[institution].append(Denominator(kind, value, valid_from.toordinal(), _end(valid_to)))
    return found


async def standings_before(connection: Connection, wanted: Sequence[Wanted]) -> dict[int, Standing]:
    """The last standing before each fold's first day, by position."""
    parameters = {**_keys(wanted), "position": binary.ints(range(len(wanted)))}
    cursor = await connection.execute(QUERIES["standings_before"], parameters)
    return {position: _standing(*row) for position, *row in await cursor.fetchall()}


def _standing(
    day: date,
    level: str,
    previous: str,
    used: int,
    measured: int,
    estimated: int,
    expected: int,
    ratio: Decimal,
    projected: Decimal,
) -> Standing:
    return Standing(day.toordinal(), level, previous, used, measured, estimated, expected, ratio, projected)


async def expected_before(connection: Connection, wanted: Sequence[tuple[int, Wanted, Day]]) -> dict[int, int]:
    """Microseconds expected of the main meters from each period's begin to a day, by position."""
    parameters = {
        "position": binary.ints([position for position, _, _ in wanted]),
        "institution": binary.ints([one.affected.institution for _, one, _ in wanted]),
        "medium": binary.texts(one.affected.medium for _, one, _ in wanted),
        "from": _dates(one.period[0] for _, one, _ in wanted),
        "until": _dates(day for _, _, day in wanted),
        "timezone": binary.texts(one.affected.timezone for _, one, _ in wanted),
    }
    cursor = await connection.execute(QUERIES["expected_before"], parameters)
    return dict(await cursor.fetchall())


async def days(connection: Connection, wanted: Sequence[Wanted], firsts: Sequence[Day]) -> dict[int, list[DayOfPeriod]]:
    """What each fold's days add, by position; a month knows more than its days, a year more than its months."""
    parameters = {
        "position": binary.ints(range(len(wanted))),
        "institution": binary.ints([one.affected.institution for one in wanted]),
        "medium": binary.texts(one.affected.medium for one in wanted),
        "from": _dates(firsts),
        "until": _dates(one.until for one in wanted),
    }
    cursor = await connection.execute(QUERIES["institution_days"], parameters)
    found: dict[int, list[DayOfPeriod]] = defaultdict(list)
    for position, day, *sums in await cursor.fetchall():
        found[position].append(_day_of_period(day.toordinal(), sums, yearly=wanted[position].period_kind == "year"))
    return found


def _day_of_period(day: Day, sums: Sequence[int], *, yearly: bool) -> DayOfPeriod:
    amount, measured, estimated, expected, month_amount, month_measured, month_estimated, *year = sums
    if not yearly:
        year = [0, 0, 0]
    return DayOfPeriod(
        day,
        amount + month_amount + year[0],
        measured + month_measured + year[1],
        estimated + month_estimated + year[2],
        expected,
    )


async def deductions(
    connection: Connection, wanted: Sequence[Wanted], bases: Sequence[Basis], firsts: Sequence[Day]
) -> dict[int, dict[Day, Deducted]]:
    """What is taken off on each fold's days, by position; all that lies before the first day is summed on the day before it."""
    parameters = {
        "position": binary.ints(range(len(wanted))),
        "institution": binary.ints([one.affected.institution for one in wanted]),
        "medium": binary.texts(one.affected.medium for one in wanted),
        "excludes": binary.texts(basis.excludes for basis in bases),
        "begins": _dates(one.period[0] for one in wanted),
        "first": _dates(firsts),
        "ends": _dates(one.until for one in wanted),
        "yearly": binary.array(int(one.period_kind == "year") for one in wanted),
    }
    cursor = await connection.execute(QUERIES["deductions"], parameters)
    found: dict[int, dict[Day, Deducted]] = defaultdict(dict)
    for position, day, kind, name, amount, known_us, expected_us, days in await cursor.fetchall():
        excluded = (Excluded(name, amount, days),) if kind == "excluded" else ()
        of_day = found[position].get(day.toordinal(), Deducted())
        found[position][day.toordinal()] = of_day + Deducted(excluded, known_us, expected_us)
    return found


async def write(connection: Connection, folded: Sequence[tuple[Wanted, Basis, list[Standing]]]) -> None:
    """Put the standings of every fold in the place of those from its first day on."""
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY settled_level FROM STDIN") as copy,
    ):
        for wanted, basis, standings in folded:
            for standing in standings:
                await copy.write_row(_row(wanted, basis, standing))
    stale = await (await connection.execute(QUERIES["stale_levels"], _keys([wanted for wanted, _, _ in folded]))).fetchall()
    if stale:
        async with connection.cursor() as cursor:
            await cursor.executemany(QUERIES["delete_level"], stale)
    await connection.execute(QUERIES["upsert_levels"])


async def begin_again(connection: Connection) -> None:
    """Make room for more standings within one transaction."""
    await connection.execute("TRUNCATE settled_level")


def _keys(wanted: Sequence[Wanted]) -> dict[str, Any]:
    return {
        "institution": binary.ints([one.affected.institution for one in wanted]),
        "indicator": binary.texts(one.indicator for one in wanted),
        "period_kind": binary.texts(one.period_kind for one in wanted),
        "period_start": _dates(one.period[0] for one in wanted),
        "day": _dates(one.first for one in wanted),
    }


def _dates(days: Iterable[Day]) -> str:
    """Days, mostly the same few, as PostgreSQL reads an array of dates."""
    found = list(days)
    dates = {day: date.fromordinal(day) for day in set(found)}
    return binary.array(map(dates.__getitem__, found))


def _row(wanted: Wanted, basis: Basis, standing: Standing) -> tuple[Any, ...]:
    return (
        wanted.affected.institution, wanted.indicator, wanted.period_kind, date.fromordinal(wanted.period[0]),
        date.fromordinal(standing.day), date.fromordinal(wanted.period[1]), standing.level, standing.previous_level,
        standing.used, standing.measured_us, standing.estimated_us, standing.expected_us,
        INDICATORS[wanted.indicator].unit, _plain(basis.allowance),
        standing.used_ratio, standing.projected_ratio, basis.quota, _plain(basis.denominator), list(basis.missing),
        Jsonb(_excluded(basis, standing.deducted)), standing.deducted.known_us, standing.deducted.expected_us,
    )  # fmt: skip


def _excluded(basis: Basis, deducted: Deducted) -> dict[str, tuple[int, int]]:
    """By exclusion; one that was never metered by itself shows with nothing."""
    nothing = dict.fromkeys(exclusions(basis.excludes), (0, 0))
    return nothing | {one.name: (one.amount, one.days) for one in deducted.excluded}


def _plain(number: Decimal | None) -> Decimal | None:
    """To nine places, without an exponent: the same text on every run."""
    return None if number is None else number.quantize(Decimal("1e-9")).normalize() + 0


def _end(valid_to: date | None) -> Day:
    return LAST_DAY if valid_to is None else valid_to.toordinal()
