"""A day's course by class, for workdays and rest days: 24 weights, the largest 100. Plausible, not measured."""

from dataclasses import dataclass
from typing import Final

Weights = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A day's weights, hour 0 first, for workdays and for weekends and public holidays."""

    workday: Weights
    rest_day: Weights


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

MEALS: Final = Shape(
    (0, 0, 0, 0, 4, 30, 70, 60, 20, 40, 90, 100, 60, 10, 8, 20, 60, 70, 30, 8, 2, 0, 0, 0),
    (0, 0, 0, 0, 1, 6, 12, 12, 5, 8, 16, 18, 12, 3, 2, 4, 12, 14, 6, 2, 1, 0, 0, 0),
)
ALL_MEALS: Final = Shape(MEALS.workday, MEALS.workday)
STEADY: Final = Shape((100,) * 24, (100,) * 24)

POWER: Final = {
    "government": OFFICE_POWER,
    "school": SCHOOL_POWER,
    "hospital": HOSPITAL_POWER,
    "venue": VENUE_POWER,
    "other": OFFICE_POWER,
}
WATER: Final = {
    "government": OFFICE_WATER,
    "school": SCHOOL_WATER,
    "hospital": HOSPITAL_WATER,
    "venue": VENUE_WATER,
    "other": OFFICE_WATER,
}
KITCHEN: Final = {"government": MEALS, "school": MEALS, "hospital": ALL_MEALS, "venue": ALL_MEALS, "other": MEALS}
