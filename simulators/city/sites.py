"""Which institutions have chargers, how many, and how busy they are."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np

from simulators.charger import FAST_KW, SLOW_KW, Charger
from simulators.city.chance import generator
from simulators.city.identity import Identity

KWH_A_CHARGER: Final = 2_500
"""One charger at most for so many kWh of an institution's leanest month, so that charging stays a part of its use."""
LARGEST_SITE: Final = 16
MEAN_SITE: Final = 4
FIRST_DAY: Final = date(2021, 1, 1)


def places(leanest_kwh: Sequence[int], speeds: Sequence[bool], seed: int) -> list[list[bool]]:
    """The chargers of every institution, fast or slow: sites where much electricity is used, until all chargers are placed."""
    rng = generator("sites", seed)
    keys = rng.random(len(leanest_kwh)) ** (1 / np.maximum(np.array(leanest_kwh, dtype=float), 1))
    sites: list[list[bool]] = [[] for _ in leanest_kwh]
    left = [bool(fast) for fast in rng.permutation(np.array(speeds))]
    for number in np.argsort(-keys, kind="stable").tolist():
        room = min(LARGEST_SITE, leanest_kwh[number] // KWH_A_CHARGER)
        size = min(int(rng.poisson(MEAN_SITE)) + 1, room)
        sites[number], left = left[:size], left[size:]
    for number, fast in enumerate(left):  # a handful of small institutions: somebody must have them
        sites[number % len(sites)].append(fast)
    return sites


def charger(of: Identity, number: int, fast: bool, seed: int) -> Charger:
    """The n-th charger of an institution, from 1; commissioned from 2021 to 2023."""
    rng = generator("charger", seed, of.number, number)
    return Charger(
        institution=of.code,
        code=f"CH-{number:02d}",
        fast=fast,
        commissioned_on=FIRST_DAY + timedelta(days=int(rng.integers(3 * 365))),
        rated_kw=int(rng.choice(FAST_KW if fast else SLOW_KW)),
        access="public" if rng.random() < 0.4 else "own",
    )
