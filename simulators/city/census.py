"""How many institutions of which class and sub-class a city has, and how many chargers.

Institutions by class and chargers by speed are those of a published report; the split into sub-classes is invented.
"""

from dataclasses import dataclass
from typing import Final

from simulators.city.spread import apportion


@dataclass(frozen=True, slots=True)
class Census:
    """A city's institutions by class and sub-class, and its chargers by speed."""

    classes: dict[str, dict[str, int]]
    fast_chargers: int
    slow_chargers: int

    @property
    def institutions(self) -> int:
        """All institutions."""
        return sum(sum(sub_classes.values()) for sub_classes in self.classes.values())

    def kinds(self, count: int) -> list[tuple[str, str]]:
        """Class and sub-class of each of `count` institutions in the city's mix, class by class."""
        counts = apportion(count, {name: sum(sub_classes.values()) for name, sub_classes in self.classes.items()})
        return [
            (name, sub_class)
            for name, of_class in counts.items()
            for sub_class, size in apportion(of_class, self.classes[name]).items()
            for _ in range(size)
        ]

    def chargers(self, count: int) -> list[bool]:
        """Whether each charger of `count` institutions is fast, in the city's mix."""
        whole = self.fast_chargers + self.slow_chargers
        total = (whole * count + self.institutions // 2) // self.institutions
        speeds = apportion(total, {True: self.fast_chargers, False: self.slow_chargers})
        return [fast for fast, size in speeds.items() for _ in range(size)]

    def scaled(self, scale: float) -> int:
        """How many institutions the city has at a scale; 1 is the census, and one institution is the least."""
        return max(1, round(self.institutions * scale))


XIANNING: Final = Census(
    classes={
        "government": {"city": 86, "county": 414, "township": 535},
        "school": {"kindergarten": 148, "primary": 262, "secondary": 138, "vocational": 21, "university": 8},
        "hospital": {"grade_1": 83, "grade_2": 23, "grade_3": 6},
        "venue": {"library": 7, "museum": 7, "gymnasium": 6, "culture_centre": 5},
        "other": {"service_centre": 17, "research": 13, "station": 9},
    },
    fast_chargers=457,
    slow_chargers=469,
)
CITIES: Final = {"xianning": XIANNING}
