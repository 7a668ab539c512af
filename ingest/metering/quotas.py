"""Which quota row an institution is held against, and what it allows.

Never a default row: where the institution lacks what the rows distinguish (class, climate zone, floor area ...), the answer is the
list of what is missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ingest.metering.calendar import Day

MILLION: Final = 1_000_000
DIMENSIONS: Final = ("class", "sub_class", "climate_zone", "heating_type")
"""What a quota row may distinguish institutions by; a row that leaves one empty applies to all of it."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """A quantity an institution is held against: consumption of one medium's main meters over one denominator.

    What a quota row excludes is taken off first.
    """

    name: str
    medium: str
    denominator: str
    unit: str


INDICATORS: Final = {
    "electricity_per_area": Indicator("electricity_per_area", "electricity", "floor_area_m2", "kWh/m2"),
    "water_per_person": Indicator("water_per_person", "water", "people", "m3/person"),
}


@dataclass(frozen=True, slots=True)
class Quota:
    """One row of a standard's table. `constraint` is per unit of the denominator and period; above it is over quota."""

    code: str
    indicator: str
    period_kind: str
    dimensions: Mapping[str, str]
    constraint: Decimal
    valid_from: Day
    valid_to: Day
    excludes: str = ""
    """What the numerator leaves out, such as `D1;charger`; only what is metered by itself can be."""


@dataclass(frozen=True, slots=True)
class Denominator:
    """Floor area, people or beds of an institution, from a day up to, not including, another."""

    kind: str
    value: Decimal
    valid_from: Day
    valid_to: Day


@dataclass(frozen=True, slots=True)
class Basis:
    """What a period is assessed on. `allowance` is in millionths of the medium's unit; None when `missing` says what lacks."""

    quota: str | None
    denominator: Decimal | None
    allowance: Decimal | None
    missing: tuple[str, ...]
    excludes: str = ""


def basis(
    quotas: Iterable[Quota],
    attributes: Mapping[str, str | None],
    denominators: Sequence[Denominator],
    indicator: Indicator,
    period_kind: str,
    period: tuple[Day, Day],
) -> Basis:
    """The quota row, denominator and allowance of one institution, indicator and period.

    The denominator is the mean over the period's days. `attributes` are the institution's dimensions; None is unknown.
    """
    quota, missing = _select(quotas, attributes, indicator.name, period_kind, period[0])
    denominator = _mean(denominators, indicator.denominator, period)
    if denominator is None:
        missing = (*missing, indicator.denominator)
    if missing or quota is None or denominator is None:
        return Basis(quota.code if quota else None, denominator, None, missing, quota.excludes if quota else "")
    return Basis(quota.code, denominator, quota.constraint * denominator * MILLION, (), quota.excludes)


def _select(
    quotas: Iterable[Quota], attributes: Mapping[str, str | None], indicator: str, period_kind: str, first_day: Day
) -> tuple[Quota | None, tuple[str, ...]]:
    matches: list[Quota] = []
    unknown: set[str] = set()
    for quota in quotas:
        if (quota.indicator, quota.period_kind) != (indicator, period_kind):
            continue
        if not quota.valid_from <= first_day < quota.valid_to:
            continue
        lacking = {name for name in quota.dimensions if attributes[name] is None}
        if all(attributes[name] == value for name, value in quota.dimensions.items() if name not in lacking):
            unknown |= lacking
            matches += [] if lacking else [quota]
    if unknown:
        return None, tuple(sorted(unknown))
    if len(matches) != 1:
        return None, ("quota" if not matches else "one quota row: several apply",)
    return matches[0], ()


def _mean(denominators: Sequence[Denominator], kind: str, period: tuple[Day, Day]) -> Decimal | None:
    """The mean over the days of a period; None unless every day has a value."""
    total, day = Decimal(0), period[0]
    for denominator in sorted(denominators, key=lambda denominator: denominator.valid_from):
        if denominator.kind != kind or denominator.valid_to <= day or denominator.valid_from >= period[1]:
            continue
        if denominator.valid_from > day:
            return None
        until = min(denominator.valid_to, period[1])
        total += denominator.value * (until - day)
        day = until
    return total / (period[1] - period[0]) if day == period[1] else None
