"""What tells an institution from its like: how tight its building is, what it has, what its end uses weigh."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators.city.chance import generator
from simulators.city.identity import Identity

SUB_METERED_FROM_M2: Final = 1_500
"""Smaller institutions have a main meter only; in the larger ones one of ten has not been sub-metered yet."""
ROOM_SHARES: Final = {"government": 0.18, "school": 0.10, "hospital": 0.45, "venue": 0.30, "other": 0.40}
KITCHEN_SHARES: Final = {"government": 0.55, "school": 0.85, "hospital": 0.75, "venue": 0.15, "other": 0.25}
ROOF_SHARE: Final = 0.10
LEAK_PER_MILLE: Final = (200, 600)
WEIGHT_SPREAD: Final = 0.15


@dataclass(frozen=True, slots=True)
class Leak:
    """Water that runs day and night from a day of the year on, in thousandths of the institution's mean flow."""

    day: int
    per_mille: int


@dataclass(frozen=True, slots=True)
class Traits:
    """An institution's own numbers; `weights` are factors on its class's shares of the end uses."""

    sub_metered: bool
    room: bool
    kitchen: bool
    roof_kw: int
    loss_per_mille: int
    weights: tuple[float, ...]
    month_per_mille: tuple[int, ...]
    """Whim of each month, for electricity and water alike."""
    leak: Leak | None


def traits(of: Identity, seed: int, year: int, leaks: float) -> Traits:
    """The institution's traits; `leaks` is the share of institutions whose water leaks."""
    rng = generator("traits", seed, of.number)
    large = of.floor_area_m2 >= SUB_METERED_FROM_M2
    sub_metered = large and rng.random() < 0.9
    room, kitchen = rng.random(2) < (ROOM_SHARES[of.institution_class], KITCHEN_SHARES[of.institution_class])
    roof_kw = int(of.floor_area_m2 * rng.uniform(0.008, 0.03)) if rng.random() < ROOF_SHARE else 0
    return Traits(
        sub_metered=sub_metered,
        room=bool(sub_metered and room),
        kitchen=bool(kitchen),
        roof_kw=roof_kw,
        loss_per_mille=int(rng.integers(8, 30)),
        weights=tuple(np.exp(WEIGHT_SPREAD * rng.standard_normal(7)).tolist()),
        month_per_mille=tuple(generator("months", seed, of.number, year).integers(985, 1015, 12, endpoint=True).tolist()),
        leak=_leak(generator("leak", seed, of.number, year), leaks),
    )


def _leak(rng: np.random.Generator, share: float) -> Leak | None:
    if rng.random() >= share:
        return None
    return Leak(int(rng.integers(1, 330)), int(rng.integers(*LEAK_PER_MILLE, endpoint=True)))
