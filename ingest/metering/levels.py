"""Days of a period -> how the institution stands on each: a fold with hysteresis.

`exceeded` needs no completeness: what is missing can only add to what was used. Every other level needs enough of the period so
far measured or estimated, else it is `not_assessable`. Levels fall back only 2 points below where they rose, except `exceeded`,
which holds exactly while the constraint is exceeded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ingest.metering.calendar import Day

HYSTERESIS: Final = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a level begins: shares of the constraint, share of time known, days before a projection is trusted."""

    warning_ratio: Decimal = Decimal("0.8")
    completeness: Decimal = Decimal("0.8")
    projection_days: int = 7


@dataclass(frozen=True, slots=True)
class DayOfPeriod:
    """What one local day adds: millionths used, microseconds measured, estimated and expected over all main meters."""

    day: Day
    used: int
    measured_us: int
    estimated_us: int
    expected_us: int


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
    over = allowance is not None and used > allowance
    complete = expected_us > 0 and measured_us + estimated_us >= thresholds.completeness * expected_us
    if over:
        level = "exceeded"
    elif not closed:
        level = "within" if before.level == "exceeded" else before.level
    elif used_ratio is None or not complete:
        level = "not_assessable"
    else:
        level = _level(before.level, used_ratio, projected, thresholds)
    return Standing(day.day, level, before.level, used, measured_us, estimated_us, expected_us, used_ratio, projected)


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
