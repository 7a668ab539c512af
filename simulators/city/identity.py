"""Who an institution is, before it has meters."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators.city.chance import generator
from simulators.city.kinds import KINDS

GATEWAY: Final = "GW-01"
REGIONS: Final = {"XN-A": "示例市城东区", "XN-B": "示例市城西区", "XN-C": "示例市湖滨县", "XN-D": "示例市山前县"}
HEATING_TYPES: Final = ("air_conditioning", "gas", "")
HEATING_SHARES: Final = (0.6, 0.15, 0.25)
"""How institutions heat; nobody knows of a quarter of them. Invented."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an institution is. `number` counts from 1."""

    number: int
    code: str
    name: str
    region: str
    institution_class: str
    sub_class: str
    heating_type: str
    floor_area_m2: int
    people: int
    beds: int

    def denominator(self, name: str) -> int:
        """The value of a denominator of the registry."""
        return {"floor_area_m2": self.floor_area_m2, "people": self.people, "beds": self.beds}[name]

    @property
    def gateway(self) -> str | None:
        """Its gateway; in one of ten institutions the meters publish by themselves."""
        return None if self.number % 10 == 4 else GATEWAY

    @property
    def hours_per_message(self) -> int:
        """How many hours its gateway collects before it publishes."""
        return 4 if self.number % 10 == 7 else 1


def identity(number: int, institution_class: str, sub_class: str, seed: int) -> Identity:
    """The institution of a number; the same three others always give the same one."""
    kind, rng = KINDS[institution_class, sub_class], generator("identity", seed, number)
    area = round(kind.floor_area_m2.draw(rng))
    return Identity(
        number=number,
        code=f"XN-{number:04d}",
        name=f"示例{kind.word}{number:04d}",
        region=_one(tuple(REGIONS), rng),
        institution_class=institution_class,
        sub_class=sub_class,
        heating_type=HEATING_TYPES[int(rng.choice(len(HEATING_TYPES), p=HEATING_SHARES))],
        floor_area_m2=area,
        people=max(5, round(area / kind.m2_a_person.draw(rng))),
        beds=area // kind.m2_a_bed if kind.m2_a_bed else 0,
    )


def _one(of: tuple[str, ...], rng: np.random.Generator) -> str:
    return of[int(rng.integers(len(of)))]
