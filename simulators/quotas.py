"""Invented sample quotas, and how much of them each institution is made to use.

No number here comes from a standard. Intensities keep clear of the constraint, so that every verdict has one right
answer.
"""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from schemas.registers import Medium

STANDARD: Final = "SAMPLE"
EDITION: Final = "1"
SOURCE: Final = "invented for the demonstration; no standard"
MONTHS_A_YEAR: Final = 11
"""A sample year allows as much as this many sample months: nobody is in full use all year."""

PeriodKind = Literal["month", "year"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """A quota indicator: what is summed over what, and the monthly constraint by class in thousandths of `unit`."""

    name: str
    medium: Medium
    denominator: Literal["floor_area_m2", "people"]
    unit: str
    constraint_milli: dict[str, int]

    def allowed_milli(self, institution_class: str, period_kind: PeriodKind) -> int:
        """The constraint of a class, in thousandths of `unit`."""
        months = 1 if period_kind == "month" else MONTHS_A_YEAR
        return self.constraint_milli[institution_class] * months


ELECTRICITY: Final = Indicator(
    "electricity_per_area",
    Medium.ELECTRICITY,
    "floor_area_m2",
    "kWh/m2",
    {"government": 6_200, "school": 3_100, "hospital": 11_400, "venue": 5_300},
)
WATER: Final = Indicator(
    "water_per_person",
    Medium.WATER,
    "people",
    "m3/person",
    {"government": 2_100, "school": 1_250, "hospital": 6_000, "venue": 4_200},
)
INDICATORS: Final = (ELECTRICITY, WATER)

GUIDE_PER_MILLE: Final = 600
BENCHMARK_PER_MILLE: Final = 800


@dataclass(frozen=True, slots=True)
class Use:
    """How much of its monthly constraint an institution uses, in thousandths: never between 930 and 1070."""

    electricity_per_mille: int
    water_per_mille: int


def uses(count: int, rng: Random) -> list[Use]:
    """One `Use` an institution: 12 % of them over for electricity, 8 % over for water, at least one each."""
    electricity, water = _over(count, 0.12, rng), _over(count, 0.08, rng)
    return [Use(_per_mille(number in electricity, rng), _per_mille(number in water, rng)) for number in range(count)]


def _over(count: int, fraction: float, rng: Random) -> frozenset[int]:
    return frozenset(rng.sample(range(count), max(1, round(count * fraction))))


def _per_mille(over: bool, rng: Random) -> int:
    return rng.randint(1_080, 1_400) if over else rng.randint(450, 920)
