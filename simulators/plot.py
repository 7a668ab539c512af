"""What the pictures show, chosen from a fleet's true amounts: nothing is drawn here.

A week of each class, a charger site's day, a leak, and a year of temperature and air conditioning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from schemas.registers import Medium
from simulators import site
from simulators.charger import Session
from simulators.city import truth, weather
from simulators.city.behaviour import EndUse
from simulators.city.hours import HOURS_A_DAY, hours, months, of_month
from simulators.city.identity import Identity
from simulators.city.plan import Plan
from simulators.month import HOUR_SECONDS, Month, local

Numbers = npt.NDArray[np.float64]
DAYS_A_WEEK = 7
WEEK_HOURS = DAYS_A_WEEK * HOURS_A_DAY
MICRO = 1e6
CHARGING = "charging"
CLASSES = ("government", "school", "hospital", "venue", "other")


@dataclass(frozen=True, slots=True)
class Curve:
    """Hourly amounts of one meter, in kWh or m3: `sub_item` is empty for a main meter."""

    code: str
    sub_item: str
    amounts: Numbers


@dataclass(frozen=True, slots=True)
class Week:
    """An institution's electricity and water from a Monday on."""

    of: Identity
    start: datetime
    electricity: tuple[Curve, ...]
    """The main meter first; then sub-meters, and all chargers together as `CHARGING`."""
    water: Curve
    leaking: bool


@dataclass(frozen=True, slots=True)
class ChargerDay:
    """A site's day: every charger's hourly energy and the sessions that touch the day."""

    of: Identity
    start: datetime
    chargers: tuple[tuple[Curve, float, tuple[Session, ...]], ...]
    """Curve, rated kW, sessions."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A water meter's hours around the day a leak began, with what runs through the leak."""

    of: Identity
    start: datetime
    began: datetime
    water: Numbers
    leaking: Numbers


@dataclass(frozen=True, slots=True)
class Year:
    """Every day of a year: temperature (least, mean, most) and an institution's air conditioning in kWh."""

    of: Identity
    start: datetime
    temperature_c: Numbers
    hvac_kwh: Numbers


def weeks(plans: Sequence[Plan], month: Month) -> list[Week]:
    """One institution of each class: sub-metered where there is one, without a leak where there is one."""
    best: dict[str, Plan] = {}
    for plan in sorted(plans, key=lambda plan: (bool(plan.traits.leak), not plan.traits.sub_metered, plan.identity.number)):
        best.setdefault(plan.identity.institution_class, plan)
    return [_week(best[name], month) for name in CLASSES if name in best]


def _week(plan: Plan, month: Month) -> Week:
    first = _ordinary_monday(month)
    at, in_year = slice(first, first + WEEK_HOURS), of_month(month).start + first
    curves = list(_curves(plan, month, at))
    power = [curve for medium, curve in curves if medium is Medium.ELECTRICITY]
    if plan.chargers:
        power.append(Curve("", CHARGING, plan.charging[in_year : in_year + WEEK_HOURS] / MICRO))
    water = next(curve for medium, curve in curves if medium is Medium.WATER)
    leaking = bool(plan.leak_micro[in_year : in_year + WEEK_HOURS].any())
    return Week(plan.identity, local(month.start_s + first * HOUR_SECONDS), tuple(power), water, leaking)


def _ordinary_monday(month: Month) -> int:
    """The hour the week with the most working days begins; of equal ones the first."""
    rest = hours(month.year).rest[of_month(month)]
    mondays = range((-local(month.start_s).weekday() % DAYS_A_WEEK) * HOURS_A_DAY, month.hours - WEEK_HOURS + 1, WEEK_HOURS)
    return min(mondays, key=lambda hour: int(rest[hour : hour + WEEK_HOURS].sum()))


def _curves(plan: Plan, month: Month, at: slice) -> Iterator[tuple[Medium, Curve]]:
    for channel in truth.channels(plan, month):
        if channel.register != truth.EXPORT_REGISTER and channel.point.role != "check":
            amounts = channel.hours_micro[at] / MICRO
            yield channel.point.medium, Curve(channel.point.code, channel.point.sub_item, amounts)


def charger_day(plans: Sequence[Plan], month: Month) -> ChargerDay | None:
    """The busiest day of the site with the most chargers; None in a fleet without any."""
    plan = max(plans, key=lambda plan: len(plan.chargers))
    if not plan.chargers:
        return None
    daily = plan.charging[of_month(month)].reshape(-1, HOURS_A_DAY).sum(axis=1)
    first = int(daily.argmax()) * HOURS_A_DAY
    start_s = month.start_s + first * HOUR_SECONDS
    stop_s = start_s + HOURS_A_DAY * HOUR_SECONDS
    curves = {curve.code: curve for _, curve in _curves(plan, month, slice(first, first + HOURS_A_DAY))}
    chargers = tuple(
        (curves[each.code], float(each.rated_kw), tuple(s for s in each.sessions if s.stopped_s > start_s and s.started_s < stop_s))
        for each in site.build(plan, month).chargers
    )
    return ChargerDay(plan.identity, local(start_s), chargers)


def leak(plans: Sequence[Plan]) -> Leak | None:
    """Ten days before a leak began and fourteen after; of the largest leak's institution."""
    leaking = [plan for plan in plans if plan.traits.leak and 10 <= plan.traits.leak.day <= 350]
    if not leaking:
        return None
    plan = max(leaking, key=lambda plan: plan.traits.leak.per_mille if plan.traits.leak else 0)
    assert plan.traits.leak is not None
    day = plan.traits.leak.day
    at = slice((day - 10) * HOURS_A_DAY, (day + 14) * HOURS_A_DAY)
    year_start = local(Month(plan.year, 1).start_s)
    water = np.concatenate([truth.water(plan, month) for month in months(plan.year)])
    return Leak(
        plan.identity, year_start + timedelta(days=day - 10), year_start + timedelta(days=day),
        water[at] / MICRO, plan.leak_micro[at] / MICRO,
    )  # fmt: skip


def year(plans: Sequence[Plan]) -> Year:
    """The largest institution's air conditioning against the weather of its year."""
    plan = max(plans, key=lambda plan: plan.identity.floor_area_m2)
    outside = weather.temperature_c(plan.seed, plan.year).reshape(-1, HOURS_A_DAY)
    hvac = np.concatenate([truth.load(plan, month).uses[EndUse.HVAC] for month in months(plan.year)])
    temperature = np.stack([outside.min(axis=1), outside.mean(axis=1), outside.max(axis=1)])
    return Year(plan.identity, local(Month(plan.year, 1).start_s), temperature, hvac.reshape(-1, HOURS_A_DAY).sum(axis=1) / MICRO)
