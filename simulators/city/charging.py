"""The charging sessions of a charger's year: arrivals, and power that tapers as the battery fills.

Up to 80 % state of charge the battery takes the charger's full power, above it ever less. A car that finds the charger taken
drives on; it leaves when it has what it wants or when its stay is over.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.charger import Charger
from simulators.city.chance import generator
from simulators.city.hours import hours
from simulators.city.spread import Amounts
from simulators.month import HOUR_SECONDS

ARRIVALS_PER_CENT: Final = (0, 0, 0, 0, 0, 1, 2, 8, 22, 12, 8, 8, 12, 12, 8, 6, 6, 10, 9, 6, 4, 2, 1, 0)
"""Chance that a car arrives in an hour of a workday; on rest days a third of it."""
FULL_POWER_UNTIL: Final = 0.8
NEVER_REACHED: Final = 1.02
TAPER: Final = NEVER_REACHED - FULL_POWER_UNTIL
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cars:
    """Cars in order of arrival: battery, states of charge, power, and how long they stay."""

    arrive_s: Amounts
    capacity_kwh: Numbers
    charged: Numbers
    wanted: Numbers
    power_kw: Numbers
    stop_s: Amounts

    def energy_micro(self, at_s: Amounts) -> Amounts:
        """What each car has taken when it has been charging so long (car, instant)."""
        elapsed, per_hour = at_s / HOUR_SECONDS, self.power_kw / self.capacity_kwh
        full = np.maximum(FULL_POWER_UNTIL - self.charged, 0) / per_hour
        tapered = NEVER_REACHED - TAPER * np.exp(-np.maximum(elapsed - full, 0) * per_hour / TAPER)
        charge = np.where(elapsed <= full, self.charged + per_hour * elapsed, tapered)
        return np.asarray(np.floor((charge - self.charged) * self.capacity_kwh * 1e6), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Sessions:
    """A charger's sessions of a year, in seconds since the year began, and its energy of every hour."""

    start_s: Amounts
    stop_s: Amounts
    energy_micro: Amounts
    hours_micro: Amounts


def sessions(of: Charger, number: int, seed: int, year: int, most_micro: Amounts) -> Sessions:
    """The charger's year; cars are turned away once a month's sessions come to `most_micro` of that month."""
    rng = generator("sessions", seed, number, of.code, year)
    cars = _cars(of, rng, year)
    cars = _chosen(cars, _fits(cars))
    energy = cars.energy_micro(cars.stop_s - cars.arrive_s)
    kept = _allowed(cars, energy, year, most_micro)
    cars, energy = _chosen(cars, kept), energy[kept]
    return Sessions(cars.arrive_s, cars.stop_s, energy, _hours(cars, len(hours(year).hour)))


def _cars(of: Charger, rng: np.random.Generator, year: int) -> Cars:
    """All cars that come, whether the charger is free or not; those of the last evening leave with the year."""
    calendar = hours(year)
    chance = np.array(ARRIVALS_PER_CENT)[calendar.hour] / np.where(calendar.rest, 300, 100) * rng.uniform(0.5, 2)
    at = np.flatnonzero(rng.random(len(chance)) < chance)
    arrive = at * HOUR_SECONDS + rng.integers(0, HOUR_SECONDS, len(at))
    capacity, charged = rng.uniform(38, 82, len(at)), rng.uniform(0.12, 0.6, len(at))
    wanted = rng.uniform(0.8, 1.0, len(at))
    power = np.minimum(of.rated_kw * 0.98, capacity * 1.2) * rng.uniform(0.8, 1, len(at))
    full = np.maximum(FULL_POWER_UNTIL - charged, 0) + TAPER * np.log(TAPER / (NEVER_REACHED - wanted))
    stay = rng.uniform(0.4, 1.5, len(at)) if of.fast else rng.uniform(1, 9.5, len(at))
    seconds = np.asarray(np.minimum(full * capacity / power, stay) * HOUR_SECONDS, dtype=np.int64) + 60
    stop = np.minimum(arrive + seconds, len(chance) * HOUR_SECONDS)
    return Cars(arrive, capacity, charged, wanted, power, stop)


def _fits(cars: Cars) -> Amounts:
    """Which cars find the charger free."""
    kept, free_s = [], 0
    for number, (arrive, stop) in enumerate(zip(cars.arrive_s.tolist(), cars.stop_s.tolist(), strict=True)):
        if arrive >= free_s and stop > arrive:
            kept.append(number)
            free_s = stop + 120
    return np.array(kept, dtype=np.int64)


def _allowed(cars: Cars, energy: Amounts, year: int, most_micro: Amounts) -> npt.NDArray[np.bool_]:
    """Which sessions lie within their month's limit."""
    month = np.searchsorted(hours(year).month_starts * HOUR_SECONDS, cars.arrive_s, side="right") - 1
    total = np.cumsum(energy)
    before = np.concatenate(([0], total))[np.searchsorted(month, np.arange(12))]
    return np.asarray(total - before[month] <= most_micro[month])


def _chosen(cars: Cars, kept: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Cars:
    return Cars(
        cars.arrive_s[kept], cars.capacity_kwh[kept], cars.charged[kept], cars.wanted[kept], cars.power_kw[kept], cars.stop_s[kept]
    )


def _hours(cars: Cars, count: int) -> Amounts:
    """The energy of every hour: each session's course read at the full hours it spans."""
    amounts = np.zeros(count + 24, dtype=np.int64)
    if len(cars.arrive_s):
        first = cars.arrive_s // HOUR_SECONDS
        spans = np.arange(int(((cars.stop_s - 1) // HOUR_SECONDS - first).max()) + 2)
        instants = np.clip((first + spans[:, None]) * HOUR_SECONDS, cars.arrive_s, cars.stop_s) - cars.arrive_s
        np.add.at(amounts, first + spans[:-1, None], np.diff(cars.energy_micro(instants), axis=0))
    return amounts[:count]
