"""What truly passed in every hour of a month, at every meter of an institution."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.registers import MAIN_REGISTER, Medium
from simulators.city import behaviour, weather
from simulators.city.behaviour import EndUse
from simulators.city.chance import generator
from simulators.city.hours import of_month
from simulators.city.metering import FEED, MAIN, Point, points
from simulators.city.plan import Plan
from simulators.city.spread import Amounts, spread
from simulators.month import Month

EXPORT_REGISTER: Final = "energy_export_kwh"


@dataclass(frozen=True, slots=True)
class Channel:
    """One cumulative register of one meter, and what passed in every hour, in micro-units."""

    point: Point
    register: str
    hours_micro: Amounts


@dataclass(frozen=True, slots=True)
class Load:
    """An institution's electricity of every hour of a month.

    The end uses and the loss sum to the building; with charging they are what the grid gives and the roof, less what flows back.
    """

    uses: dict[EndUse, Amounts]
    loss: Amounts
    charging: Amounts
    roof: Amounts

    @property
    def whole(self) -> Amounts:
        """All that is used, whoever gave it."""
        return self.charging + self.loss + total(self.uses.values())

    @property
    def imported(self) -> Amounts:
        """What the grid gives."""
        return np.asarray(np.maximum(self.whole - self.roof, 0))

    @property
    def exported(self) -> Amounts:
        """What flows back to the grid."""
        return np.asarray(np.maximum(self.roof - self.whole, 0))


def channels(plan: Plan, month: Month) -> Iterator[Channel]:
    """Every register of the institution, in the order of its meters."""
    used, at = load(plan, month), of_month(month)
    charging = iter(plan.sessions)
    for point in points(plan):
        match point.medium:
            case Medium.WATER:
                hours = water(plan, month)
            case Medium.CHARGER:
                hours = next(charging).hours_micro[at]
            case Medium.ELECTRICITY:
                hours = used.imported if point.code in FEED else total(used.uses[use] for use in point.uses)
        yield Channel(point, MAIN_REGISTER[point.medium], hours)
        if point.code == MAIN and plan.traits.roof_kw:
            yield Channel(point, EXPORT_REGISTER, used.exported)


def total(parts: Iterable[Amounts]) -> Amounts:
    """The sum of every hour."""
    return np.asarray(np.sum(list(parts), axis=0))


def load(plan: Plan, month: Month) -> Load:
    """The institution's electricity of a month."""
    at, number = of_month(month), month.number - 1
    uses = {use: _hours(use, int(months[number]), plan, month) for use, months in plan.building.uses.items()}
    loss = spread(int(plan.building.loss[number]), total(uses.values()).astype(float))
    return Load(uses, loss, plan.charging[at], _roof(plan, month))


def water(plan: Plan, month: Month) -> Amounts:
    """The institution's water of a month, with a leak's."""
    at, number = of_month(month), month.number - 1
    return _hours(EndUse.WATER, int(plan.water[number]), plan, month) + plan.leak_micro[at]


def _hours(use: EndUse, total: int, plan: Plan, month: Month) -> Amounts:
    """An end use's month, shared out by what drives it and by chance."""
    of, rng = plan.identity, generator("hours", plan.seed, plan.identity.number, use, month)
    weights = behaviour.weights(use, of.institution_class, of.heating_type, month.year, plan.seed)[of_month(month)]
    return spread(total, weights * behaviour.noise(len(weights), rng))


def _roof(plan: Plan, month: Month) -> Amounts:
    sun = weather.sun(plan.seed, month.year)[of_month(month)]
    return np.asarray(np.floor(sun * plan.traits.roof_kw * 1e6), dtype=np.int64)
