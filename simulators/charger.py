"""Charging by a simple arrival process: a car that finds the charger taken drives on."""

from array import array
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from simulators.month import Month
from simulators.profiles import SATURDAY

FAST_KW: Final = 60
SLOW_KW: Final = 7
MONTHLY_KWH_A_CHARGER: Final = 20_000
"""One charger for every so many kWh an institution uses in a month, so that charging stays a small part of it."""
MOST_CHARGERS: Final = 4

ARRIVALS_PER_CENT: Final = (0, 0, 0, 0, 0, 1, 2, 8, 22, 12, 8, 8, 12, 12, 8, 6, 6, 10, 9, 6, 4, 2, 1, 0)
"""Chance that a car arrives in an hour of a weekday; on weekends a third of it."""


@dataclass(frozen=True, slots=True)
class Charger:
    """What the registry says about a charger; its meter has the same code."""

    institution: str
    code: str
    fast: bool
    commissioned_on: date

    @property
    def rated_kw(self) -> int:
        """Rated power."""
        return FAST_KW if self.fast else SLOW_KW


def count(month_kwh: int, rng: Random) -> int:
    """How many chargers an institution has that uses so much: none for four in ten of them."""
    return min(MOST_CHARGERS, month_kwh // MONTHLY_KWH_A_CHARGER) if rng.random() < 0.6 else 0


def commissioned_on(month: Month, rng: Random) -> date:
    """A day within the three years before the month."""
    return date(month.year, month.number, 1) - timedelta(days=rng.randrange(30, 3 * 365))


def amounts_micro(month: Month, rated_kw: int, rng: Random) -> "array[int]":
    """Energy of every hour in micro-kWh; never more than the rated power gives in an hour."""
    waiting_micro, most_micro = 0, rated_kw * 1_000_000
    amounts = array("q")
    for start in month.hour_starts():
        waiting_micro += _arriving_micro(start, waiting_micro, rng)
        charged = min(waiting_micro, most_micro)
        amounts.append(charged)
        waiting_micro -= charged
    return amounts


def _arriving_micro(start: datetime, waiting_micro: int, rng: Random) -> int:
    """What a newly arrived car wants; a car that finds the charger taken drives on."""
    chance = ARRIVALS_PER_CENT[start.hour] / (300 if start.weekday() >= SATURDAY else 100)
    wanted = rng.randrange(8_000_000, 32_000_000)
    return wanted if rng.random() < chance and not waiting_micro else 0
