"""What must be derived from the readings that were published: steps, hours, months. Written from the design, apart from the
service that it judges.

Times are whole Unix seconds, values integers of a thousandth, amounts millionths of the unit behind the ratio.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.month import HOUR_SECONDS, ZONE, local

Integers = NDArray[np.int64]
LINEAR_UP_TO_S: Final = 6 * HOUR_SECONDS
"""A silence up to this long is filled linearly; a longer one has no hourly amounts."""
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


@dataclass(frozen=True, slots=True)
class Steps:
    """From reading to reading: positions of both ends and the advance between them; positions that do not count; jumps."""

    start: Integers
    end: Integers
    advance: Integers
    ignored: tuple[int, ...] = ()
    jumps: tuple[tuple[int, int], ...] = ()


def steps(times: Integers, values: Integers, limits: Limits) -> Steps:
    """Which readings count. Nearly always all of them do, which takes no loop."""
    advances = _advances(values[1:] - values[:-1], times[1:] - times[:-1], limits)
    if (advances >= 0).all():
        positions = np.arange(len(times))
        return Steps(positions[:-1], positions[1:], advances)
    return _folded(times, values, limits)


def _advances(differences: Integers, seconds: Integers, limits: Limits) -> Integers:
    """What a register advanced by, passing zero at most once; -1 where it cannot have."""
    most = limits.cap_per_hour * seconds // HOUR_SECONDS + limits.quantum
    advances = np.where(differences < 0, differences + limits.modulus, differences)
    possible: Integers = np.where((advances >= 0) & (advances <= most), advances, -1)
    return possible


class _Fold:
    """One reading after the other: the last that counts, and those in doubt since."""

    def __init__(self, times: Integers, values: Integers, limits: Limits) -> None:
        self._times, self._values, self._limits = times.tolist(), values.tolist(), limits
        self.base, self.doubtful = 0, list[int]()
        self.steps: list[tuple[int, int, int]] = []
        self.ignored: list[int] = []
        self.jumps: list[tuple[int, int]] = []

    def add(self, position: int) -> None:
        """Fold in the reading at a position."""
        if (advance := self._advance(self.base, position)) >= 0:
            self._settle([(self.base, position, advance)])
            return
        self.doubtful.append(position)
        if len(self.doubtful) > IN_A_ROW:
            self.ignored.append(self.doubtful.pop(0))
        chain = [(a, b, self._advance(a, b)) for a, b in pairwise(self.doubtful)]
        if len(self.doubtful) == IN_A_ROW and all(advance >= 0 for _, _, advance in chain):
            self.jumps.append((self.base, self.doubtful.pop(0)))
            self.doubtful.clear()
            self._settle(chain)

    def _settle(self, steps: list[tuple[int, int, int]]) -> None:
        self.steps += steps
        self.ignored += self.doubtful
        self.doubtful.clear()
        self.base = steps[-1][1]

    def _advance(self, start: int, end: int) -> int:
        difference = self._values[end] - self._values[start]
        seconds = self._times[end] - self._times[start]
        return int(_advances(np.int64(difference), np.int64(seconds), self._limits))  # type: ignore[arg-type]


def _folded(times: Integers, values: Integers, limits: Limits) -> Steps:
    fold = _Fold(times, values, limits)
    for position in range(1, len(times)):
        fold.add(position)
    columns = np.array(fold.steps, np.int64).reshape(-1, 3).T
    return Steps(columns[0], columns[1], columns[2], tuple(sorted({*fold.ignored, *fold.doubtful})), tuple(fold.jumps))


@dataclass(frozen=True, slots=True)
class Derived:
    """Amount by hour and by month in micro-units; `silences` are the seconds between which no hour has an amount."""

    hours: Integers
    amounts: Integers
    months: dict[str, int]
    silences: tuple[tuple[int, int], ...]


def derived(times: Integers, values: Integers, found: Steps, ratio_milli: int) -> Derived:
    """The consumption that steps prove."""
    begin, end, advance, value = times[found.start], times[found.end], found.advance, values[found.start]
    short = end - begin <= LINEAR_UP_TO_S
    hours, amounts = _spread(begin[short], end[short], advance[short], value[short])
    months: defaultdict[str, int] = defaultdict(int)
    for month, amount in _by_month(hours, amounts):
        months[month] += amount * ratio_milli
    silences = [*zip(begin[~short].tolist(), end[~short].tolist(), advance[~short].tolist(), value[~short].tolist(), strict=True)]
    for silence in silences:
        for month, amount in _held_whole(*silence):
            months[month] += amount * ratio_milli
    return Derived(hours, amounts * ratio_milli, dict(months), tuple(silence[:2] for silence in silences))


def _spread(begin: Integers, end: Integers, advance: Integers, value: Integers) -> tuple[Integers, Integers]:
    """Hours and amounts: the register is linear in time, its value rounded once at each edge of an hour, half-even."""
    first = begin // HOUR_SECONDS
    pieces = (end - 1) // HOUR_SECONDS - first + 1
    step = np.repeat(np.arange(len(begin)), pieces)
    number = np.arange(len(step)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    hour = first[step] + number
    until = np.minimum((hour + 1) * HOUR_SECONDS, end[step])
    reached = half_even(advance[step] * (until - begin[step]), (end - begin)[step], value[step])
    booked = np.where(number == 0, 0, np.roll(reached, 1))
    hours, position = np.unique(hour, return_inverse=True)
    amounts = np.zeros(len(hours), np.int64)
    np.add.at(amounts, position, reached - booked)
    return hours * HOUR_SECONDS, amounts


def half_even(numerator: Integers, denominator: Integers, beyond: Integers) -> Integers:
    """The quotient, rounded to the nearest integer; a tie so that it is even together with what it goes `beyond`."""
    quotient, remainder = np.divmod(numerator, denominator)
    twice = 2 * remainder
    rounded: Integers = quotient + ((twice > denominator) | ((twice == denominator) & ((quotient + beyond) % 2 == 1)))
    return rounded


def _by_month(hours: Integers, amounts: Integers) -> Iterator[tuple[str, int]]:
    """Sums by local month; the hours are in order, and a month begins at a full hour."""
    at = 0
    while at < len(hours):
        month = month_of(int(hours[at]))
        until = int(np.searchsorted(hours, _next_month_s(int(hours[at]))))
        yield month, int(amounts[at:until].sum())
        at = until


def _held_whole(begin_s: int, end_s: int, advance: int, value: int) -> Iterator[tuple[str, int]]:
    """A silence belongs to the month that holds it whole, or to none; a year's end splits it, linearly."""
    at, booked = begin_s, 0
    for year in range(local(begin_s).year + 1, local(end_s - 1).year + 2):
        until = min(int(datetime(year, 1, 1, tzinfo=ZONE).timestamp()), end_s)
        reached = int(half_even(np.int64(advance * (until - begin_s)), np.int64(end_s - begin_s), np.int64(value)))  # type: ignore[arg-type]
        if month_of(at) == month_of(until - 1):
            yield month_of(at), reached - booked
        at, booked = until, reached


def month_of(second: int) -> str:
    """The local month of an instant, such as `2026-10`."""
    return f"{local(second):%Y-%m}"


def _next_month_s(second: int) -> int:
    years, month = divmod(local(second).month, 12)
    return int(datetime(local(second).year + years, month + 1, 1, tzinfo=ZONE).timestamp())
