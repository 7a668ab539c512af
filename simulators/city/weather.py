"""Outdoor temperature and sun of a city like Xianning (29.8 N, 114.3 E): a model, not measurements."""

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.city.chance import generator
from simulators.city.hours import hours

Series = npt.NDArray[np.float64]

YEAR_MEAN_C: Final = 17.2
YEAR_SWING_C: Final = 12.0
"""July comes to about 29 degrees, January to about 5."""
WARMEST_DAY: Final = 205
DAY_SWING_C: Final = 4.0
WARMEST_HOUR: Final = 15
PERSISTENCE: Final = 0.98
"""Of the AR(1) noise, an hour; with its shocks it stands 2.3 degrees around the model."""
SHOCK_C: Final = 0.45
LATITUDE: Final = np.radians(29.8)
SOLAR_NOON: Final = 12.4
"""By the clock: Beijing time is that of 120 E."""


@cache
def ordinary_temperature_c(year: int) -> Series:
    """Every hour's temperature in an ordinary year: the sines of year and day."""
    of = hours(year)
    season = np.cos(2 * np.pi * (of.day - WARMEST_DAY) / 365)
    course = np.cos(2 * np.pi * (of.hour - WARMEST_HOUR) / 24)
    return np.asarray(YEAR_MEAN_C + YEAR_SWING_C * season + DAY_SWING_C * course)


@cache
def temperature_c(seed: int, year: int) -> Series:
    """Every hour's temperature in the year that the seed gives, the same all over the city."""
    ordinary = ordinary_temperature_c(year)
    shocks = SHOCK_C * generator("weather", seed, year).standard_normal(len(ordinary))
    noise, now = np.empty(len(ordinary)), 0.0
    for number, shock in enumerate(shocks.tolist()):
        now = PERSISTENCE * now + shock
        noise[number] = now
    return ordinary + noise


@cache
def sun(seed: int, year: int) -> Series:
    """What a kilowatt-peak on a flat roof gives in every hour, in kW: the sun's height through the day's clouds."""
    of = hours(year)
    declination = np.radians(23.45) * np.sin(2 * np.pi * (of.day - 80) / 365)
    angle = np.radians(15) * (of.hour + 0.5 - SOLAR_NOON)
    height = np.sin(LATITUDE) * np.sin(declination) + np.cos(LATITUDE) * np.cos(declination) * np.cos(angle)
    days = generator("clouds", seed, year).beta(1.6, 1.3, len(of.hour) // 24)
    return np.asarray(0.67 * np.maximum(height, 0) * np.repeat(0.15 + 0.85 * days, 24))
