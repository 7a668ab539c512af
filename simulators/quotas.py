"""Invented sample quotas, and how much of them each institution is made to use.

No number here comes from a standard. A sample month allows its part of an ordinary year. Intensities keep clear of the
constraint, so that every verdict has one right answer.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from schemas.registers import Medium
from simulators.city import seasons
from simulators.month import Month

STANDARD: Final = "SAMPLE"
EDITION: Final = "1"
SOURCE: Final = "invented for the demonstration; no standard"

PeriodKind = Literal["month", "year"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """A quota indicator: what is summed over what, and the yearly constraint by class in thousandths of `unit`."""

    name: str
    medium: Medium
    denominator: Literal["floor_area_m2", "people"]
    unit: str
    constraint_milli: dict[str, int]
    leaves_out: dict[str, str]
    """What the rows of a class exclude: a sub-item."""

    def allowed_milli(self, institution_class: str, period_kind: PeriodKind, month: Month) -> int:
        """The constraint of a class, in thousandths of `unit`, for a month or for its year."""
        if period_kind == "year":
            return self.constraint_milli[institution_class]
        return int(self.months_milli(institution_class, month.year)[month.number - 1])

    def excluded(self, institution_class: str) -> str:
        """The sub-item that does not count; empty: everything counts."""
        return self.leaves_out.get(institution_class, "")

    def months_milli(self, institution_class: str, year: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """The constraint of every month of a year, in thousandths of `unit`."""
        shares = seasons.ordinary(self.medium, institution_class, year)
        return np.rint(self.constraint_milli[institution_class] * shares).astype(np.int64)


ELECTRICITY: Final = Indicator(
    "electricity_per_area",
    Medium.ELECTRICITY,
    "floor_area_m2",
    "kWh/m2",
    {"government": 90_000, "school": 50_000, "hospital": 190_000, "venue": 95_000, "other": 80_000},
    {"hospital": "D1"},
)
WATER: Final = Indicator(
    "water_per_person",
    Medium.WATER,
    "people",
    "m3/person",
    {"government": 34_000, "school": 24_000, "hospital": 75_000, "venue": 30_000, "other": 32_000},
    {},
)
INDICATORS: Final = (ELECTRICITY, WATER)

GUIDE_PER_MILLE: Final = 600
BENCHMARK_PER_MILLE: Final = 800


@dataclass(frozen=True, slots=True)
class Use:
    """How much of its constraint an institution uses in an ordinary month, in thousandths: never between 880 and 1120."""

    electricity_per_mille: int
    water_per_mille: int


@dataclass(frozen=True, slots=True)
class Over:
    """The shares of institutions over each tier of the sample quotas."""

    guide: float
    benchmark: float
    constraint: float


OVER_ELECTRICITY: Final = Over(0.70, 0.35, 0.12)
OVER_WATER: Final = Over(0.70, 0.30, 0.08)
RANGES: Final = ((350, 570), (630, 760), (840, 880), (1_120, 1_400))
"""Thousandths of the constraint: under the guide, under the benchmark, under the constraint, over it."""


def uses(count: int, rng: np.random.Generator) -> list[Use]:
    """One `Use` an institution, with the chosen shares over each tier and at least one over each constraint."""
    pairs = zip(_per_mille(count, OVER_ELECTRICITY, rng), _per_mille(count, OVER_WATER, rng), strict=True)
    return [Use(electricity, water) for electricity, water in pairs]


def _per_mille(count: int, over: Over, rng: np.random.Generator) -> list[int]:
    """From the top down: so many over the constraint, so many more over the benchmark, over the guide, under it."""
    constraint = max(1, round(count * over.constraint))
    benchmark, guide = max(constraint, round(count * over.benchmark)), max(constraint, round(count * over.guide))
    tiers = [3] * constraint + [2] * (benchmark - constraint) + [1] * (guide - benchmark)
    tiers += [0] * (count - len(tiers))
    return [int(rng.integers(*RANGES[tier], endpoint=True)) for tier in rng.permutation(tiers)]
