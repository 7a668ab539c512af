"""Which of the published readings count: the steps between them. Written from the design, apart from the service that it judges.

Times are whole Unix seconds, values integers of a thousandth. What the steps prove is in `proved.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.month import HOUR_SECONDS

Integers = NDArray[np.int64]
IN_A_ROW: Final = 3
"""So many readings that agree with each other, but not with the one before them, become the new base."""
BELIEVED: Final = 2
"""Times the rated capacity that a register may advance."""


class Limits(NamedTuple):
    """What a register can do: most thousandths an hour, one display step, where it starts again, the ratio in thousandths."""

    cap_per_hour: int
    quantum: int
    modulus: int
    ratio_milli: int

    @classmethod
    def of(cls, digits: int, decimals: int, ratio_milli: int, rated_tenths: int) -> "Limits":
        """From what the registry says; the rated capacity is behind the ratio, the register before it."""
        cap = -(-BELIEVED * rated_tenths * 100_000 // ratio_milli)
        return cls(cap, 10 ** (3 - decimals), 10 ** (digits + 3), ratio_milli)


class Exchange(NamedTuple):
    """A declared exchange: its second, the old register's last value and the new one's first, in thousandths."""

    at: int
    old_final: int
    new_initial: int


@dataclass(frozen=True, slots=True)
class Steps:
    """From reading to reading: positions of both ends in `times` and the advance between them; what does not count; jumps.

    A declared exchange stands in `times` and `values` twice: as the last reading of the old register, and the first of the new one.
    """

    times: Integers
    values: Integers
    start: Integers
    end: Integers
    advance: Integers
    ignored: tuple[int, ...] = ()
    jumps: tuple[tuple[int, int], ...] = ()
    resets: tuple[tuple[int, int], ...] = ()
    """Jumps to what the register can have shown since it began at zero: so much at least has passed."""
    catch_ups: tuple[tuple[int, int, int, int], ...] = ()
    """Both ends, where the register began to stand still, and what passed since."""


def steps(times: Integers, values: Integers, limits: Limits, exchanges: Sequence[Exchange] = ()) -> Steps:
    """Which readings count. Nearly always all of them do, which takes no loop."""
    parts, at = [], 0
    for part_times, part_values, ends in _parts(times, values, exchanges):
        parts.append(_shifted(_of_one_register(part_times, part_values, limits, ends=ends), at))
        at += len(part_times)
    return parts[0] if len(parts) == 1 else _joined(parts)


def _parts(times: Integers, values: Integers, exchanges: Sequence[Exchange]) -> Iterator[tuple[Integers, Integers, bool]]:
    """The readings of one register after the other, and whether it was exchanged at the last of them.

    An exchange that has no reading before it, or none from it on, shows nowhere.
    """
    for exchange in sorted(exchanges):
        cut = int(np.searchsorted(times, exchange.at))
        if 0 < cut < len(times):
            yield np.append(times[:cut], exchange.at), np.append(values[:cut], exchange.old_final), True
            times = np.insert(times[cut:], 0, exchange.at)
            values = np.insert(values[cut:], 0, exchange.new_initial)
    yield times, values, False


def _of_one_register(times: Integers, values: Integers, limits: Limits, *, ends: bool) -> Steps:
    advances = advanced(values[1:] - values[:-1], times[1:] - times[:-1], limits)
    if (advances >= 0).all():
        positions = np.arange(len(times))
        return Steps(times, values, positions[:-1], positions[1:], advances)
    fold = _Fold(times, values, limits)
    for position in range(1, len(times) - ends):
        fold.add(position)
    if ends:
        fold.end(len(times) - 1)
    columns = np.array(fold.steps, np.int64).reshape(-1, 3)
    ignored, jumps = (*fold.ignored, *fold.doubtful), (tuple(fold.jumps), tuple(fold.resets), tuple(fold.catch_ups))
    return Steps(times, values, columns[:, 0], columns[:, 1], columns[:, 2], ignored, *jumps)


def _shifted(of: Steps, by: int) -> Steps:
    def pairs(of_some: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple((start + by, end + by) for start, end in of_some)

    ignored = tuple(position + by for position in of.ignored)
    catch_ups = tuple((start + by, end + by, still + by, advance) for start, end, still, advance in of.catch_ups)
    return Steps(of.times, of.values, of.start + by, of.end + by, of.advance, ignored, pairs(of.jumps), pairs(of.resets), catch_ups)


def _joined(parts: list[Steps]) -> Steps:
    def all_of(name: str) -> Integers:
        return np.concatenate([getattr(part, name) for part in parts])

    def every(name: str) -> tuple[Any, ...]:
        return tuple(one for part in parts for one in getattr(part, name))

    columns = (all_of("times"), all_of("values"), all_of("start"), all_of("end"), all_of("advance"))
    return Steps(*columns, every("ignored"), every("jumps"), every("resets"), every("catch_ups"))


def advanced(differences: Integers, seconds: Integers, limits: Limits) -> Integers:
    """What a register advanced by, passing zero at most once; -1 where it cannot have."""
    most = limits.cap_per_hour * seconds // HOUR_SECONDS + limits.quantum
    advanced_by = np.where(differences < 0, differences + limits.modulus, differences)
    possible: Integers = np.where((advanced_by >= 0) & (advanced_by <= most), advanced_by, -1)
    return possible


class _Fold:
    """One reading after the other: the last that counts, and those in doubt since."""

    def __init__(self, times: Integers, values: Integers, limits: Limits) -> None:
        self._times, self._values, self._limits = times.tolist(), values.tolist(), limits
        self.base, self.still, self.doubtful = 0, 0, list[int]()
        self.steps: list[tuple[int, int, int]] = []
        self.ignored: list[int] = []
        self.jumps: list[tuple[int, int]] = []
        self.resets: list[tuple[int, int]] = []
        self.catch_ups: list[tuple[int, int, int, int]] = []

    def add(self, position: int) -> None:
        """Fold in the reading at a position."""
        if (advance := self._advance(self.base, position)) >= 0:
            chain = self._agreeing([*self.doubtful, position])
            if chain and self._caught_up(self.doubtful[0]) >= 0:
                self._jump(chain, caught_up=True)
            else:
                self._settle([(self.base, position, advance)])
            return
        self.doubtful.append(position)
        if len(self.doubtful) > IN_A_ROW:
            self.ignored.append(self.doubtful.pop(0))
        if len(self.doubtful) == IN_A_ROW and (chain := self._agreeing(self.doubtful)):
            moves_on = self._values[self.doubtful[0]] != self._values[position]
            self._jump(chain, caught_up=moves_on and self._caught_up(self.doubtful[0]) >= 0)

    def _agreeing(self, positions: list[int]) -> list[tuple[int, int, int]]:
        """The steps from each to the next; none where one of them cannot have been."""
        chain = [(a, b, self._advance(a, b)) for a, b in pairwise(positions)]
        return chain if all(advance >= 0 for _, _, advance in chain) else []

    def _jump(self, chain: list[tuple[int, int, int]], *, caught_up: bool) -> None:
        """The readings of a chain are the new base, and the way to the first of them is no ordinary one."""
        first = chain[0][0]
        if caught_up:
            self.catch_ups.append((self.base, first, self.still, self._caught_up(first)))
        else:
            (self.resets if self._began_at_zero(first) else self.jumps).append((self.base, first))
        self.doubtful.clear()
        self.base = self.still = first
        self._settle(chain)

    def end(self, position: int) -> None:
        """The register was exchanged; nobody can say what it advanced by where its last value does not fit."""
        if (advance := self._advance(self.base, position)) >= 0:
            self._settle([(self.base, position, advance)])
        else:
            self.jumps.append((self.base, position))

    def _settle(self, steps: list[tuple[int, int, int]]) -> None:
        self.steps += steps
        self.ignored += self.doubtful
        self.doubtful.clear()
        for start, end, _ in steps:
            self.still = self.still if self._values[start] == self._values[end] else end
        self.base = steps[-1][1]

    def _caught_up(self, first: int) -> int:
        """What a register that stood still can have advanced by since it did; -1 where it did not stand still, or cannot have."""
        return self._advance(self.still, first) if self.still < self.base else -1

    def _began_at_zero(self, first: int) -> bool:
        seconds = self._times[first] - self._times[self.base]
        most = self._limits.cap_per_hour * seconds // HOUR_SECONDS + self._limits.quantum
        return bool(self._values[first] < self._values[self.base] and self._values[first] <= most)

    def _advance(self, start: int, end: int) -> int:
        difference = self._values[end] - self._values[start]
        seconds = self._times[end] - self._times[start]
        return int(advanced(np.int64(difference), np.int64(seconds), self._limits))  # type: ignore[arg-type]
