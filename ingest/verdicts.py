"""Institution days that changed -> how each institution stands against its quotas: the last step of a round."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ingest.metering.calendar import Day, calendar, instant, period
from ingest.metering.levels import Standing, Thresholds, fold, less
from ingest.metering.quotas import INDICATORS, Basis, basis
from ingest.storage import levels as level_store
from ingest.storage.connection import Connection
from ingest.storage.levels import Affected, Wanted

PERIOD_KINDS: Final = ("month", "year")
DAYS_AT_ONCE: Final = 10_000
"""Institution days that are assessed together. Ours: an ordinary round, with a day of each institution, is one part."""


@dataclass(frozen=True, slots=True)
class Given:
    """How many standings were computed, and the institutions where any is new, gone or another than before."""

    standings: int = 0
    changed: frozenset[int] = frozenset()

    def __add__(self, other: "Given") -> "Given":
        """Of both."""
        return Given(self.standings + other.standings, self.changed | other.changed)


async def verdicts(connection: Connection, now: datetime, thresholds: Thresholds) -> Given:
    """Assess every affected institution, some at a time, so that memory does not grow with how far back days changed."""
    given, part, days = Given(), list[Affected](), 0
    for affected in await level_store.roll_up(connection, now):
        part.append(affected)
        days += calendar(affected.timezone).day(instant(now)) + 1 - affected.first
        if days >= DAYS_AT_ONCE:
            given += await _assess(connection, part, now, thresholds)
            await level_store.begin_again(connection)
            part, days = [], 0
    return given + await _assess(connection, part, now, thresholds)


async def _assess(connection: Connection, affected: Sequence[Affected], now: datetime, thresholds: Thresholds) -> Given:
    """Fold the standings of every affected institution from its first affected day on, and write them."""
    wanted = [one for institution in affected for one in _wanted(institution, now)]
    if not wanted:
        return Given()
    before = await level_store.standings_before(connection, wanted)
    firsts = [before[position].day + 1 if position in before else one.period[0] for position, one in enumerate(wanted)]
    days = await level_store.days(connection, wanted, firsts)
    begins = [(position, one, days[position][0].day if days[position] else one.until)
              for position, one in enumerate(wanted) if position not in before]  # fmt: skip
    expected = await level_store.expected_before(connection, begins)
    for position, _, day in begins:
        before[position] = _nothing_known(day, expected.get(position, 0))
    bases = await _bases(connection, wanted)
    deductions = await level_store.deductions(connection, wanted, bases, firsts)
    folded = []
    for position, (one, basis_) in enumerate(zip(wanted, bases, strict=True)):
        today = calendar(one.affected.timezone).day(instant(now))
        start, left = less(before[position], days[position], deductions.get(position, {}))
        standings = fold(start, left, one.period, basis_.allowance, today, thresholds)
        folded.append((one, basis_, [standing for standing in standings if _is_kept(standing, one, today)]))
    changed = await level_store.write(connection, folded)
    return Given(sum(len(standings) for _, _, standings in folded), frozenset(changed))


def _wanted(affected: Affected, now: datetime) -> list[Wanted]:
    """The folds an affected institution needs: every period from its first affected day to the running one."""
    today = calendar(affected.timezone).day(instant(now))
    found = []
    for indicator in INDICATORS.values():
        if indicator.medium != affected.medium:
            continue
        for kind in PERIOD_KINDS:
            day = affected.first
            while day <= today:
                within = period(kind, day)
                found.append(Wanted(affected, indicator.name, kind, within, max(day, within[0]), min(within[1], today + 1)))
                day = within[1]
    return found


def _nothing_known(first: Day, expected_us: int) -> Standing:
    """The standing before an institution's first day with a row: nothing measured of what was expected."""
    return Standing(first - 1, "not_assessable", "not_assessable", expected_us=expected_us)


def _is_kept(standing: Standing, wanted: Wanted, today: Day) -> bool:
    """Closed days from the first affected one; the running day only where it is over already."""
    return standing.day >= wanted.first and (standing.day < today or standing.level == "exceeded")


async def _bases(connection: Connection, wanted: Sequence[Wanted]) -> list[Basis]:
    quotas = await level_store.quotas(connection)
    denominators = await level_store.denominators(connection, {one.affected.institution for one in wanted})
    return [
        basis(
            quotas, one.affected.attributes, denominators.get(one.affected.institution, ()), INDICATORS[one.indicator],
            one.period_kind, one.period,
        )
        for one in wanted
    ]  # fmt: skip
