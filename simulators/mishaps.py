"""What may happen to a register as it is shown: dips, spikes, freezes, resets, exchanges, unit slips. The truth goes on.

Each kind has a rate a reading and its own seed. A dip or a spike is one wrong value between right ones; the others last.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Kind(StrEnum):
    """Kinds of mishap, named as scenarios name their rates."""

    DIP = "dip"
    SPIKE = "spike"
    FREEZE = "freeze"
    UNIT_SLIP = "unit_slip"
    RESET = "reset"
    EXCHANGE = "exchange"


class Mishap(NamedTuple):
    """A kind, the reading it strikes first, how many it lasts (0: from then on), and a random per mille."""

    kind: Kind
    first: int
    lasts: int
    per_mille: int


KEPT_CLEAR: Final = 6
"""Readings at either end, and between two mishaps, that are left alone: a single wrong value needs right neighbours."""
SLIP: Final = 1_000
LASTS: Final = {Kind.DIP: (1, 1), Kind.SPIKE: (1, 1), Kind.FREEZE: (3, 24), Kind.UNIT_SLIP: (1, 6), Kind.RESET: (0, 0),
                Kind.EXCHANGE: (0, 0)}  # fmt: skip


def plan(rates: dict[Kind, float], readings: int, seed: str) -> tuple[Mishap, ...]:
    """The mishaps of one register, in order, clear of each other."""
    planned = sorted(mishap for kind, rate in rates.items() for mishap in _of_kind(kind, rate, readings, Random(f"{seed}/{kind}")))
    planned.sort(key=lambda mishap: mishap.first)
    kept: list[Mishap] = []
    for mishap in planned:
        if not kept or mishap.first >= kept[-1].first + kept[-1].lasts + KEPT_CLEAR:
            kept.append(mishap)
    return tuple(kept)


def _of_kind(kind: Kind, rate: float, readings: int, rng: Random) -> Iterator[Mishap]:
    """Strikes at `rate` a reading: the distance to the next one is geometric."""
    at = KEPT_CLEAR
    while rate > 0:
        at += 0 if rate >= 1 else int(math.log(1 - rng.random()) / math.log(1 - rate))
        lasts = rng.randint(*LASTS[kind])
        if at + lasts + KEPT_CLEAR > readings:
            return
        yield Mishap(kind, at, lasts, rng.randrange(1000))
        at += 1 + lasts


class Struck:
    """One register with mishaps, shown a stretch of readings at a time."""

    def __init__(self, mishaps: Sequence[Mishap], modulus: int) -> None:
        self._mishaps, self._modulus = mishaps, modulus
        self._frozen: dict[int, int] = {}
        self._shifts: dict[int, int] = {}

    def show(self, first: int, steps: Integers) -> Integers:
        """What is shown of the steps of the readings from number `first` on."""
        shown = steps.copy()
        for mishap in self._mishaps:
            end = first + len(steps) if not mishap.lasts else mishap.first + mishap.lasts
            begin, until = max(mishap.first - first, 0), min(end - first, len(steps))
            if begin < until:
                shown[begin:until] = self._struck(mishap, shown[begin:until])
        return shown

    def _struck(self, mishap: Mishap, steps: Integers) -> Integers:
        match mishap.kind:
            case Kind.DIP:
                return steps // 2
            case Kind.SPIKE:
                return self._spike(mishap, steps)
            case Kind.FREEZE:
                return np.full_like(steps, self._frozen.setdefault(mishap.first, int(steps[0])))
            case Kind.UNIT_SLIP:
                return steps * SLIP % self._modulus
            case Kind.RESET:
                return self._from(mishap, 0, steps)
            case Kind.EXCHANGE:
                return self._from(mishap, self._modulus * mishap.per_mille // 2_000, steps)

    def _spike(self, mishap: Mishap, steps: Integers) -> Integers:
        """Far above, by a quarter to three quarters of what is left; a register near its end shows none, since it would seem
        to be a rollover.
        """
        left = self._modulus - steps
        return np.where(left > self._modulus // 8, steps + left * (250 + mishap.per_mille // 2) // 1000, steps)

    def _from(self, mishap: Mishap, initial: int, steps: Integers) -> Integers:
        shift = self._shifts.setdefault(mishap.first, initial - int(steps[0]))
        return (steps + shift) % self._modulus
