"""What an institution's end uses spend in each month of a year, in micro-units: known before any hour is.

The parts of a month are its target exactly: thousandths of the constraint, the month's whim, a warm or cold month. So a register's
place at the start of any month is a sum, and verdicts are what they are made to be.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators import quotas
from simulators.city import seasons
from simulators.city.behaviour import EndUse
from simulators.city.identity import Identity
from simulators.city.spread import Amounts
from simulators.city.traits import Traits
from simulators.quotas import Indicator, Use

HVAC_AT: Final = seasons.ELECTRIC.index(EndUse.HVAC)
MOST_CHARGING_PER_MILLE: Final = 400
"""Of a month's electricity."""
LEANEST_OF_YEAR: Final = 2025
"""One year for all, so that chargers stay where they are."""


def electricity(of: Identity, use: Use, traits: Traits, seed: int, year: int) -> Amounts:
    """The electricity of every month, charging included and before what a roof gives."""
    plain = _target(of, quotas.ELECTRICITY, use.electricity_per_mille, traits, year)
    heating = seasons.SHARES[of.institution_class][HVAC_AT]
    factor = 1 + heating * (seasons.weather_factor(of.institution_class, of.heating_type, seed, year) - 1)
    return np.asarray(plain * np.rint(1000 * factor).astype(np.int64) // 1000)


def leanest_kwh(of: Identity, use: Use) -> int:
    """About what the leanest month of any year takes."""
    allowed_milli = int(quotas.ELECTRICITY.months_milli(of.institution_class, LEANEST_OF_YEAR).min())
    return allowed_milli * use.electricity_per_mille * of.floor_area_m2 // 1_000_000


def water(of: Identity, use: Use, traits: Traits, year: int) -> Amounts:
    """The water of every month, a leak apart."""
    return _target(of, quotas.WATER, use.water_per_mille, traits, year)


def _target(of: Identity, indicator: Indicator, use_per_mille: int, traits: Traits, year: int) -> Amounts:
    """Thousandths of the unit x thousandths of the constraint x the denominator, and the month's whim."""
    allowed = indicator.months_milli(of.institution_class, year)
    whims = np.array(traits.month_per_mille, np.int64)
    return allowed * use_per_mille * of.denominator(indicator.denominator) * whims // 1000


@dataclass(frozen=True, slots=True)
class Building:
    """A building's electricity of every month by end use, and what its lines and transformers lose; they sum to the whole."""

    uses: dict[EndUse, Amounts]
    loss: Amounts


def building(of: Identity, traits: Traits, whole: Amounts, seed: int, year: int) -> Building:
    """The months of a building divided among what it has: by class, season, weather and its own weights."""
    loss = whole * traits.loss_per_mille // 1000
    raw = {use: _wanted(use, weight, of, seed, year) for use, weight in _weighted(of, traits)}
    total = np.sum(list(raw.values()), axis=0)
    uses = {use: np.floor((whole - loss) * (wanted / total)).astype(np.int64) for use, wanted in raw.items()}
    uses[EndUse.LIGHTING] += whole - loss - np.sum(list(uses.values()), axis=0)
    return Building(uses, loss)


def _weighted(of: Identity, traits: Traits) -> list[tuple[EndUse, float]]:
    shares = zip(seasons.ELECTRIC, seasons.SHARES[of.institution_class], traits.weights, strict=True)
    absent = set() if traits.room else {EndUse.IT, EndUse.ROOM_COOLING}
    absent |= set() if traits.kitchen else {EndUse.KITCHEN}
    factor = {EndUse.IT: 4.0, EndUse.ROOM_COOLING: 4.0} if traits.room else {}  # the class's share is that of the few with a room
    return [(use, share * own * factor.get(use, 1.0)) for use, share, own in shares if use not in absent]


def _wanted(use: EndUse, weight: float, of: Identity, seed: int, year: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """An end use's months: those of an ordinary year, and for heating and cooling the weather's."""
    months = seasons.months(use, of.institution_class, of.heating_type, year)
    if use is EndUse.HVAC:
        months = months * seasons.weather_factor(of.institution_class, of.heating_type, seed, year)
    return np.asarray(weight * months)
