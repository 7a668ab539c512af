"""What drives each end use, hour by hour: people and the weather, the same for all institutions of a class.

An end use's hour is in proportion to standby + (1 - standby) x drive, with the noise of `noise`.
"""

from enum import StrEnum
from functools import cache
from typing import Final

import numpy as np

from simulators.city import shapes, weather
from simulators.city.hours import HOURS_A_DAY, hours
from simulators.city.spread import Weights

ORDINARY: Final = None
"""Instead of a seed: a year with ordinary weather."""


class EndUse(StrEnum):
    """What a building uses electricity or water for."""

    LIGHTING = "A"
    HVAC = "B"
    POWER = "C"
    IT = "IT"
    ROOM_COOLING = "PUE"
    KITCHEN = "D2"
    SPECIAL = "D6"
    WATER = "water"


STANDBY: Final = {
    EndUse.LIGHTING: 0.02,
    EndUse.HVAC: 0.04,
    EndUse.POWER: 0.15,
    EndUse.IT: 0.9,
    EndUse.ROOM_COOLING: 0.5,
    EndUse.KITCHEN: 0.05,
    EndUse.SPECIAL: 0.3,
    EndUse.WATER: 0.03,
}
"""What remains when nobody is there and no weather asks for anything, as a share of full drive."""

COOLING_FROM_C: Final = 24.0
HEATING_FROM_C: Final = 13.0
FULL_AFTER_C: Final = 12.0
HEATING_BY_ELECTRICITY: Final = {"air_conditioning": 0.5, "gas": 0.1, "": 0.3}
"""As a share of what cooling takes for the same degrees; invented."""
IN_VACATION: Final = 0.15
DAY_NOISE: Final = 0.06
HOUR_NOISE: Final = 0.08


@cache
def drive(use: EndUse, institution_class: str, heating_type: str, year: int, seed: int | None) -> Weights:
    """The drive of every hour of a year, from 0 to a little over 1."""
    match use:
        case EndUse.HVAC:
            return _present(shapes.POWER, institution_class, year) * _demand(heating_type, year, seed)
        case EndUse.IT | EndUse.SPECIAL:
            return _course(shapes.STEADY, year)
        case EndUse.ROOM_COOLING:
            return np.clip(_temperature(year, seed) / 35, 0, 1.2)
        case EndUse.KITCHEN:
            return _present(shapes.KITCHEN, institution_class, year)
        case EndUse.WATER:
            return _present(shapes.WATER, institution_class, year)
        case _:
            return _present(shapes.POWER, institution_class, year)


def weights(use: EndUse, institution_class: str, heating_type: str, year: int, seed: int | None) -> Weights:
    """The drive with the standby under it."""
    return STANDBY[use] + (1 - STANDBY[use]) * drive(use, institution_class, heating_type, year, seed)


def noise(count: int, rng: np.random.Generator) -> Weights:
    """Factors around 1 for so many hours of whole days: days differ by 6 % at most, hours by 8 %."""
    days = 1 + DAY_NOISE * (2 * rng.random(count // HOURS_A_DAY) - 1)
    return np.repeat(days, HOURS_A_DAY) * (1 + HOUR_NOISE * (2 * rng.random(count) - 1))


MOST_NOISE: Final = (1 + DAY_NOISE) * (1 + HOUR_NOISE) / ((1 - DAY_NOISE) * (1 - HOUR_NOISE))
"""Noise lifts no hour's share of its month by more than this factor."""


def _present(courses: dict[str, shapes.Shape], institution_class: str, year: int) -> Weights:
    """A class's course, with its schools empty in the vacations."""
    course = _course(courses[institution_class], year)
    return np.where(hours(year).vacation, IN_VACATION * course, course) if institution_class == "school" else course


def _course(shape: shapes.Shape, year: int) -> Weights:
    of = hours(year)
    return np.where(of.rest, np.array(shape.rest_day)[of.hour], np.array(shape.workday)[of.hour]) / 100


def _demand(heating_type: str, year: int, seed: int | None) -> Weights:
    """What the weather asks of heating and cooling."""
    outside = _temperature(year, seed)
    cooling = np.clip((outside - COOLING_FROM_C) / FULL_AFTER_C, 0, 1.2)
    heating = np.clip((HEATING_FROM_C - outside) / FULL_AFTER_C, 0, 1.2)
    return np.asarray(cooling + HEATING_BY_ELECTRICITY[heating_type] * heating)


def _temperature(year: int, seed: int | None) -> Weights:
    return weather.ordinary_temperature_c(year) if seed is None else weather.temperature_c(seed, year)
