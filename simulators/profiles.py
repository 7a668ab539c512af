"""How a month's total spreads over its hours: shapes by class and medium, for weekdays and weekends, with seeded noise.

The shapes are plausible, not measured: 24 weights, the largest 100.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from schemas.registers import Medium
from simulators.month import Month

Weights = tuple[int, ...]
SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """A day's weights, hour 0 first."""

    weekday: Weights
    weekend: Weights


OFFICE_POWER: Final = Shape(
    (14, 13, 13, 13, 13, 15, 22, 45, 82, 94, 97, 98, 80, 88, 96, 100, 97, 84, 52, 38, 30, 24, 19, 16),
    (13, 12, 12, 12, 12, 13, 15, 18, 24, 27, 28, 28, 25, 25, 27, 27, 25, 22, 19, 18, 17, 16, 15, 14),
)
SCHOOL_POWER: Final = Shape(
    (10, 9, 9, 9, 10, 18, 42, 70, 88, 94, 96, 98, 84, 72, 90, 96, 100, 78, 64, 66, 60, 36, 18, 12),
    (9, 8, 8, 8, 9, 10, 14, 18, 22, 24, 24, 24, 22, 21, 22, 23, 24, 22, 20, 20, 18, 14, 11, 10),
)
HOSPITAL_POWER: Final = Shape(
    (52, 50, 48, 48, 49, 53, 62, 78, 94, 98, 100, 98, 90, 92, 96, 96, 93, 86, 78, 74, 70, 66, 60, 55),
    (50, 48, 47, 46, 47, 51, 58, 68, 78, 82, 83, 82, 78, 78, 80, 80, 78, 75, 71, 69, 66, 62, 57, 53),
)
VENUE_POWER: Final = Shape(
    (10, 10, 9, 9, 9, 10, 14, 22, 44, 62, 66, 66, 58, 60, 64, 66, 68, 72, 86, 94, 90, 62, 24, 12),
    (10, 10, 9, 9, 9, 10, 14, 24, 56, 82, 90, 92, 84, 88, 94, 98, 100, 96, 96, 98, 92, 62, 26, 12),
)
OFFICE_WATER: Final = Shape(
    (4, 3, 3, 3, 3, 5, 12, 40, 86, 80, 74, 100, 92, 70, 68, 70, 72, 64, 34, 20, 14, 10, 7, 5),
    (3, 3, 3, 3, 3, 4, 5, 8, 12, 13, 13, 15, 14, 12, 11, 11, 11, 10, 8, 7, 6, 5, 4, 4),
)
SCHOOL_WATER: Final = Shape(
    (4, 3, 3, 3, 4, 18, 64, 88, 72, 70, 78, 100, 96, 62, 60, 66, 74, 82, 70, 62, 66, 48, 16, 6),
    (3, 3, 3, 3, 3, 6, 12, 18, 20, 20, 22, 26, 24, 20, 18, 18, 20, 22, 20, 18, 18, 14, 8, 4),
)
HOSPITAL_WATER: Final = Shape(
    (26, 22, 20, 20, 24, 44, 76, 96, 100, 94, 90, 92, 86, 78, 76, 76, 78, 82, 84, 78, 68, 54, 40, 31),
    (26, 22, 20, 20, 23, 40, 68, 84, 86, 82, 78, 80, 76, 70, 68, 68, 70, 74, 77, 73, 64, 52, 39, 30),
)
VENUE_WATER: Final = Shape(
    (3, 3, 3, 3, 3, 4, 8, 18, 38, 50, 54, 62, 60, 52, 52, 54, 58, 66, 82, 100, 94, 56, 16, 5),
    (3, 3, 3, 3, 3, 4, 8, 20, 50, 70, 78, 88, 84, 76, 76, 80, 84, 88, 94, 100, 92, 56, 18, 5),
)

SHAPES: Final[dict[tuple[str, Medium], Shape]] = {
    ("government", Medium.ELECTRICITY): OFFICE_POWER,
    ("school", Medium.ELECTRICITY): SCHOOL_POWER,
    ("hospital", Medium.ELECTRICITY): HOSPITAL_POWER,
    ("venue", Medium.ELECTRICITY): VENUE_POWER,
    ("government", Medium.WATER): OFFICE_WATER,
    ("school", Medium.WATER): SCHOOL_WATER,
    ("hospital", Medium.WATER): HOSPITAL_WATER,
    ("venue", Medium.WATER): VENUE_WATER,
}


def weights(shape: Shape, month: Month, rng: Random) -> list[int]:
    """One weight an hour of the month: the shape's, 10 % up or down."""
    days = (shape.weekday, shape.weekend)
    return [days[start.weekday() >= SATURDAY][start.hour] * (900 + rng.randrange(201)) for start in month.hour_starts()]


def spread(total_micro: int, hour_weights: Sequence[int]) -> "array[int]":
    """The total shared out by the weights, in integers that sum to it exactly."""
    whole, before = sum(hour_weights), 0
    amounts = array("q")
    for weight in accumulate(hour_weights):
        until = total_micro * weight // whole
        amounts.append(until - before)
        before = until
    return amounts


def share(amounts: "array[int]", per_mille: int, rng: Random) -> "array[int]":
    """A part of every hour's amount: about `per_mille` of it, 8 % up or down."""
    return array("q", [amount * per_mille * (920 + rng.randrange(161)) // 1_000_000 for amount in amounts])
