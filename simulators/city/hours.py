"""The hours of a year in local time, and which of them belong to a month."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.city import holidays
from simulators.month import HOUR_SECONDS, Month

HOURS_A_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Hours:
    """Every hour of a year: its hour of day, its day of year from 0, and what kind of day it is."""

    hour: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    rest: npt.NDArray[np.bool_]
    vacation: npt.NDArray[np.bool_]
    month_starts: npt.NDArray[np.int64]
    """The first hour of every month."""
    month_hours: npt.NDArray[np.int64]


@cache
def hours(year: int) -> Hours:
    """The hours of a year; the zone has no summer time, so every day has 24."""
    days = list(holidays.days(year))
    lengths = np.array([month.hours for month in months(year)], dtype=np.int64)
    return Hours(
        hour=np.tile(np.arange(HOURS_A_DAY), len(days)),
        day=np.repeat(np.arange(len(days)), HOURS_A_DAY),
        rest=np.repeat([holidays.is_rest(day) for day in days], HOURS_A_DAY),
        vacation=np.repeat([holidays.is_vacation(day) for day in days], HOURS_A_DAY),
        month_starts=np.cumsum(lengths) - lengths,
        month_hours=lengths,
    )


def months(year: int) -> list[Month]:
    """The months of a year."""
    return [Month(year, number) for number in range(1, 13)]


@cache
def of_month(month: Month) -> slice:
    """The hours of a month within those of its year."""
    first = (month.start_s - Month(month.year, 1).start_s) // HOUR_SECONDS
    return slice(first, first + month.hours)
