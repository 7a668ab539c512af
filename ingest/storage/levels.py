"""What levels are folded from, and where they are written: institution days, quotas, denominators, standings."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ingest.metering.calendar import Day
from ingest.metering.levels import NOTHING, DayOfPeriod, Deducted, Excluded, Standing
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


async def affect(connection: Connection, marked: Iterable[tuple[int, Day]], now: datetime, media: Sequence[str]) -> bool:
    """Note whose days changed: those of changed and marked channels, and of regions whose day has just ended; whether one has."""
    days = list(marked)
    parameters = {"channel": binary.ints([channel for channel, _ in days]), "day": binary.days(day for _, day in days)}
    await connection.execute(QUERIES["affect_institutions"], parameters)
    ended = await (await connection.execute(QUERIES["due_ticks"], {"now": now})).fetchall()
    for region, day in ended:
        await connection.execute(QUERIES["affect_region"], {"region": region, "day": day, "media": list(media)})
    return bool(ended)


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
        "from": binary.days(one.period[0] for _, one, _ in wanted),
        "until": binary.days(day for _, _, day in wanted),
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
        "from": binary.days(firsts),
        "until": binary.days(one.until for one in wanted),
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
        "begins": binary.days(one.period[0] for one in wanted),
        "first": binary.days(firsts),
        "ends": binary.days(one.until for one in wanted),
        "yearly": binary.array(int(one.period_kind == "year") for one in wanted),
    }
    cursor = await connection.execute(QUERIES["deductions"], parameters)
    found: dict[int, dict[Day, Deducted]] = defaultdict(dict)
    for position, day, kind, name, amount, known_us, expected_us, days in await cursor.fetchall():
        excluded = (Excluded(name, amount, days),) if kind == "excluded" else ()
        of_day = found[position].get(day.toordinal(), Deducted())
        found[position][day.toordinal()] = of_day + Deducted(excluded, known_us, expected_us)
    return found


async def write(connection: Connection, folded: Sequence[tuple[Wanted, Basis, list[Standing]]]) -> set[int]:
    """Put the standings of every fold in the place of those from its first day on; returns the institutions where any differs."""
    async with connection.cursor() as cursor, cursor.copy("COPY settled_level FROM STDIN") as copy:
        for wanted, basis, standings in folded:
            if standings:  # of most folds there are none: their day runs on
                await copy.write("".join(_lines(wanted, basis, standings)))
    stale = await (await connection.execute(QUERIES["stale_levels"], _keys([wanted for wanted, _, _ in folded]))).fetchall()
    if stale:
        async with connection.cursor() as cursor:
            await cursor.executemany(QUERIES["delete_level"], stale)
    written = await (await connection.execute(QUERIES["upsert_levels"])).fetchall()
    return {institution for institution, *_ in (*stale, *written)}


async def begin_again(connection: Connection) -> None:
    """Make room for more standings within one transaction."""
    await connection.execute("TRUNCATE settled_level")


def _keys(wanted: Sequence[Wanted]) -> dict[str, Any]:
    return {
        "institution": binary.ints([one.affected.institution for one in wanted]),
        "indicator": binary.texts(one.indicator for one in wanted),
        "period_kind": binary.texts(one.period_kind for one in wanted),
        "period_start": binary.days(one.period[0] for one in wanted),
        "day": binary.days(one.first for one in wanted),
    }


def _lines(wanted: Wanted, basis: Basis, standings: Iterable[Standing]) -> Iterator[str]:
    """The rows of a fold as COPY reads text. Measured, 365,000 rows: 2.7 µs each, 8.5 by `copy.write_row`."""
    begin, end = map(date.fromordinal, wanted.period)
    key = f"{wanted.affected.institution}\t{wanted.indicator}\t{wanted.period_kind}\t{begin}"
    limit = f"{INDICATORS[wanted.indicator].unit}\t{_or_null(_plain(basis.allowance))}"
    quota = r"\N" if basis.quota is None else _escaped(basis.quota)
    known = f"{quota}\t{_or_null(_plain(basis.denominator))}\t{_escaped(binary.texts(basis.missing))}"
    nothing = _escaped(json.dumps(_excluded(basis, NOTHING)))
    for at in standings:
        excluded = _escaped(json.dumps(_excluded(basis, at.deducted))) if at.deducted.excluded else nothing
        yield (
            f"{key}\t{date.fromordinal(at.day)}\t{end}\t{at.level}\t{at.previous_level}\t{at.used}\t{at.measured_us}\t{at.estimated_us}"
            f"\t{at.expected_us}\t{limit}\t{_or_null(at.used_ratio)}\t{_or_null(at.projected_ratio)}\t{known}"
            f"\t{excluded}\t{at.deducted.known_us}\t{at.deducted.expected_us}\n"
        )


def _or_null(number: Decimal | None) -> str:
    return r"\N" if number is None else str(number)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def _excluded(basis: Basis, deducted: Deducted) -> dict[str, tuple[int, int]]:
    """By exclusion; one that was never metered by itself shows with nothing."""
    nothing = dict.fromkeys(exclusions(basis.excludes), (0, 0))
    return nothing | {one.name: (one.amount, one.days) for one in deducted.excluded}


def _plain(number: Decimal | None) -> Decimal | None:
    """To nine places, without an exponent: the same text on every run."""
    return None if number is None else number.quantize(Decimal("1e-9")).normalize() + 0


def _end(valid_to: date | None) -> Day:
    return LAST_DAY if valid_to is None else valid_to.toordinal()
