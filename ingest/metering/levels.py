"""Days of a period -> how the institution stands on each: a fold with hysteresis.

`exceeded` needs no completeness: what is missing can only add to what was used. Every other level needs enough of the period so
far measured or estimated, else it is `not_assessable`. Only what is taken off (exclusions, subtracted meters, what flowed back)
must be known well enough for every level: where it is missing, too much seems used. Levels fall back only 2 points below where they
rose, except `exceeded`, which holds exactly while the constraint is exceeded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, NamedTuple

from ingest.metering.calendar import Day

HYSTERESIS: Final = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a level begins: shares of the constraint, share of time known, days before a projection is trusted."""

    warning_ratio: Decimal = Decimal("0.8")
    completeness: Decimal = Decimal("0.8")
    projection_days: int = 7


class Excluded(NamedTuple):
    """What an exclusion left out: millionths, and on how many days it was metered by itself."""

    name: str
    amount: int
    days: int


@dataclass(frozen=True, slots=True)
class Deducted:
    """What was taken off: by exclusion, and how long it was known of how long it should have been."""

    excluded: tuple[Excluded, ...] = ()
    known_us: int = 0
    expected_us: int = 0

    def __add__(self, other: "Deducted") -> "Deducted":
        """Both together, exclusion by exclusion."""
        sums = {one.name: one for one in self.excluded}
        for one in other.excluded:
            before = sums.get(one.name, Excluded(one.name, 0, 0))
            sums[one.name] = Excluded(one.name, before.amount + one.amount, before.days + one.days)
        return Deducted(tuple(sums.values()), self.known_us + other.known_us, self.expected_us + other.expected_us)

    @property
    def amount(self) -> int:
        """All that was left out, in millionths."""
        return sum(one.amount for one in self.excluded)


NOTHING: Final = Deducted()


@dataclass(frozen=True, slots=True)
class DayOfPeriod:
    """What one local day adds: millionths used, microseconds measured, estimated and expected over all main meters.

    `used` is what remains after what is `deducted`.
    """

    day: Day
    used: int
    measured_us: int
    estimated_us: int
    expected_us: int
    deducted: Deducted = NOTHING


@dataclass(frozen=True, slots=True)
class Standing:
    """How an institution stands at the end of a day: sums since the period began, ratios, level."""

    day: Day
    level: str
    previous_level: str
    used: int = 0
    measured_us: int = 0
    estimated_us: int = 0
    expected_us: int = 0
    used_ratio: Decimal | None = None
    projected_ratio: Decimal | None = None
    deducted: Deducted = NOTHING


def fold(
    before: Standing | None,
    days: Iterable[DayOfPeriod],
    period: tuple[Day, Day],
    allowance: Decimal | None,
    as_of: Day,
    thresholds: Thresholds,
) -> Iterator[Standing]:
    """The standing on each day, in order. `before` is that of the day before the first; None at the period's begin.

    `as_of` is the first local day that is not closed: on it only `exceeded` may be raised.
    """
    standing = before or Standing(period[0] - 1, "not_assessable", "not_assessable")
    for day in days:
        standing = _next(standing, day, period, allowance, thresholds, closed=day.day < as_of)
        yield standing


def less(before: Standing, days: Sequence[DayOfPeriod], deductions: Mapping[Day, Deducted]) -> tuple[Standing, list[DayOfPeriod]]:
    """Standing and days after what is taken off; `before` has had it taken off its sum already, and is told what that was."""
    first = days[0].day if days else before.day + 1
    earlier = sum((deducted for day, deducted in sorted(deductions.items()) if day < first), start=NOTHING)
    left = [
        replace(day, used=day.used - taken.amount, deducted=taken) if (taken := deductions.get(day.day)) else day for day in days
    ]
    return replace(before, deducted=earlier), left


def _next(
    before: Standing,
    day: DayOfPeriod,
    period: tuple[Day, Day],
    allowance: Decimal | None,
    thresholds: Thresholds,
    *,
    closed: bool,
) -> Standing:
    used = before.used + day.used
    measured_us = before.measured_us + day.measured_us
    estimated_us = before.estimated_us + day.estimated_us
    expected_us = before.expected_us + day.expected_us
    used_ratio = None if allowance is None else _rounded(Decimal(used) / allowance)
    elapsed = day.day + 1 - period[0]
    trusted = elapsed >= thresholds.projection_days and day.day + 1 < period[1]
    projected = _rounded(used * (period[1] - period[0]) / (allowance * elapsed)) if allowance is not None and trusted else None
    deducted = before.deducted + day.deducted
    certain = deducted.known_us >= thresholds.completeness * deducted.expected_us
    over = allowance is not None and used > allowance and certain
    complete = expected_us > 0 and measured_us + estimated_us >= thresholds.completeness * expected_us and certain
    if over:
        level = "exceeded"
    elif not closed:
        level = "within" if before.level == "exceeded" else before.level
    elif used_ratio is None or not complete:
        level = "not_assessable"
    else:
        level = _level(before.level, used_ratio, projected, thresholds)
    return Standing(
        day.day, level, before.level, used, measured_us, estimated_us, expected_us, used_ratio, projected, deducted
    )  # fmt: skip


def _level(before: str, used_ratio: Decimal, projected: Decimal | None, thresholds: Thresholds) -> str:
    """The level of a closed, assessable day below the constraint."""
    if projected is not None and projected > 1 - (HYSTERESIS if before == "projected" else 0):
        return "projected"
    warned = before in ("warning", "projected", "exceeded")
    if used_ratio >= thresholds.warning_ratio - (HYSTERESIS if warned else 0):
        return "warning"
    return "within"


def _rounded(ratio: Decimal) -> Decimal:
    """A ratio to six places: the same on every run and in the database."""
    return ratio.quantize(Decimal("0.000001"))
