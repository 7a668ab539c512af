"""The faces of an institution's meters, where they stand when a year begins, and what can pass through them at most."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.registers import Medium
from simulators.city import seasons
from simulators.city.behaviour import MOST_NOISE, EndUse
from simulators.city.chance import generator
from simulators.city.metering import FEED, MAIN, Point
from simulators.city.plan import Plan
from simulators.city.spread import Amounts
from simulators.meter import Display

CT_FROM_KWH: Final = 15_000
"""A meter behind so much in a month sits behind current transformers."""
RATIOS_MILLI: Final = (20_000, 40_000, 60_000, 80_000)
ODD_RATIO_MILLI: Final = 1_500
KWH: Final = 1_000_000
"""One in micro-units."""


@dataclass(frozen=True, slots=True)
class Face:
    """A meter's display, the total its register stands at when the year begins, and its rated capacity in tenths."""

    display: Display
    start_micro: int
    rated_tenths: int


def face(plan: Plan, point: Point) -> Face:
    """The meter's face in its plan's year; every year its register starts anew."""
    rng = generator("face", plan.seed, plan.identity.number, point.code)
    months = _months(plan, point)
    display = _display(plan, point, months, rng)
    whole, year = display.quantum_micro * display.modulus, int(months.sum())
    at = generator("start", plan.seed, plan.identity.number, point.code, plan.year)
    start = int(at.integers(whole - year if whole > 2 * year else whole))
    return Face(display, start, -(-_most_micro(plan, point) // (KWH // 10)))


def _months(plan: Plan, point: Point) -> Amounts:
    """What passes the meter in every month; behind a roof no more than this."""
    match point.medium:
        case Medium.WATER:
            return plan.water + plan.monthly(plan.leak_micro)
        case Medium.CHARGER:
            return plan.monthly(plan.sessions[_number(point)].hours_micro)
        case Medium.ELECTRICITY if point.code in FEED:
            return plan.electricity
    return np.asarray(np.sum([plan.building.uses[use] for use in point.uses], axis=0))


def _display(plan: Plan, point: Point, months: Amounts, rng: np.random.Generator) -> Display:
    """A face that fits: water 5 or 6 digits, electricity 6 behind transformers, and some so few that they roll over."""
    most, mean = int(months.max()), int(months.mean())
    if point.medium is Medium.CHARGER:
        return Display(6, int(rng.choice((2, 3))), 1_000)
    decimals = int(rng.choice((0, 1, 2, 3, 3) if point.medium is Medium.WATER else (0, 1, 2, 2, 2, 3)))
    ratio_milli = _ratio_milli(plan, point, mean, rng)
    if _rolls_over(plan, point):
        return Display(max(3, len(str(most * 1_000 // ratio_milli // KWH))), decimals, ratio_milli)
    return Display(5 if point.medium is Medium.WATER and most < 5_000 * KWH else 6, decimals, ratio_milli)


def _ratio_milli(plan: Plan, point: Point, mean: int, rng: np.random.Generator) -> int:
    if point.medium is Medium.WATER:
        return 1_000
    if plan.identity.number % 50 == 3 and point.code == MAIN:
        return ODD_RATIO_MILLI
    return int(rng.choice(RATIOS_MILLI)) if mean >= CT_FROM_KWH * KWH else 1_000


def _rolls_over(plan: Plan, point: Point) -> bool:
    """Every fourth institution's main electricity meter, and another fourth's water meter, pass zero several times a year."""
    return (plan.identity.number % 4, point.medium) in {(2, Medium.ELECTRICITY), (1, Medium.WATER)} and not point.sub_item


def _most_micro(plan: Plan, point: Point) -> int:
    """A bound on what can pass in an hour."""
    match point.medium:
        case Medium.WATER:
            return _peak(plan, EndUse.WATER, plan.water) + int(plan.leak_micro.max())
        case Medium.CHARGER:
            return plan.chargers[_number(point)].rated_kw * KWH
    building = sum(_peak(plan, use, plan.building.uses[use]) for use in point.uses)
    if point.code not in FEED:
        return building
    lost = 1000 + 2 * plan.traits.loss_per_mille  # of the whole, which the parts are a little less than
    return max(building * lost // 1000 + sum(each.rated_kw for each in plan.chargers) * KWH, plan.traits.roof_kw * KWH)


def _peak(plan: Plan, use: EndUse, months: Amounts) -> int:
    of = plan.identity
    peaks = seasons.peaks(use, of.institution_class, of.heating_type, plan.year, plan.seed)
    return int((months * peaks).max() * MOST_NOISE) + KWH // 100


def _number(point: Point) -> int:
    """Which charger a charger's meter belongs to, from 0."""
    return int(point.code.removeprefix("CH-")) - 1
