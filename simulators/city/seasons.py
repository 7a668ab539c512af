"""What an ordinary year spends in each month: the sample quotas of the months, and what institutions are made to use, follow it."""

from functools import cache
from typing import Final

import numpy as np

from schemas.registers import Medium
from simulators.city import behaviour
from simulators.city.behaviour import EndUse
from simulators.city.hours import hours
from simulators.city.spread import Weights

ELECTRIC: Final = tuple(use for use in EndUse if use is not EndUse.WATER)
USUAL_HEATING: Final = "air_conditioning"

SHARES: Final = {
    "government": (0.40, 0.36, 0.12, 0.030, 0.020, 0.05, 0.02),
    "school": (0.50, 0.22, 0.10, 0.018, 0.012, 0.12, 0.03),
    "hospital": (0.30, 0.40, 0.15, 0.018, 0.012, 0.04, 0.08),
    "venue": (0.42, 0.40, 0.12, 0.018, 0.012, 0.01, 0.02),
    "other": (0.40, 0.32, 0.14, 0.042, 0.028, 0.04, 0.03),
}
"""Of a class's electricity in a year, by end use in the order of `ELECTRIC`. Invented, plausible."""


@cache
def months(use: EndUse, institution_class: str, heating_type: str, year: int, seed: int | None = None) -> Weights:
    """How an end use's year falls into months; sums to 1."""
    sums = sums_of_months(use, institution_class, heating_type, year, seed)
    return np.asarray(sums / sums.sum())


@cache
def sums_of_months(use: EndUse, institution_class: str, heating_type: str, year: int, seed: int | None) -> Weights:
    """The sum of an end use's weights in every month."""
    weights = behaviour.weights(use, institution_class, heating_type, year, seed)
    return np.asarray(np.add.reduceat(weights, hours(year).month_starts))


@cache
def peaks(use: EndUse, institution_class: str, heating_type: str, year: int, seed: int | None) -> Weights:
    """The largest hour's part of every month, noise apart."""
    weights = behaviour.weights(use, institution_class, heating_type, year, seed)
    largest = np.maximum.reduceat(weights, hours(year).month_starts)
    return np.asarray(largest / sums_of_months(use, institution_class, heating_type, year, seed))


@cache
def ordinary(medium: Medium, institution_class: str, year: int) -> Weights:
    """How an ordinary year of a class falls into months; sums to 1."""
    if medium is Medium.WATER:
        return months(EndUse.WATER, institution_class, USUAL_HEATING, year)
    parts = zip(ELECTRIC, SHARES[institution_class], strict=True)
    return np.asarray(sum(share * months(use, institution_class, USUAL_HEATING, year) for use, share in parts))


@cache
def weather_factor(institution_class: str, heating_type: str, seed: int, year: int) -> Weights:
    """How much more or less heating and cooling a seed's weather asks for in every month, within 10 %."""
    asked = sums_of_months(EndUse.HVAC, institution_class, heating_type, year, seed)
    return np.clip(asked / sums_of_months(EndUse.HVAC, institution_class, heating_type, year, None), 0.9, 1.1)
