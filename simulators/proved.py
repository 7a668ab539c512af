"""What the steps between readings prove: hours and months. Written from the design, apart from the service that it judges.

Times are whole Unix seconds, values integers of a thousandth, amounts millionths of the unit behind the ratio.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.month import HOUR_SECONDS, ZONE, local
from simulators.oracle import Steps

Integers = NDArray[np.int64]
LINEAR_UP_TO_S: Final = 6 * HOUR_SECONDS
"""A silence up to this long is filled linearly."""
LIKE_DAYS_UP_TO_S: Final = 72 * HOUR_SECONDS
"""A silence up to this long takes the shape of like days; a longer one has no hourly amounts."""
LIKE_WEEKS: Final = 4
WEEK_S: Final = 7 * 24 * HOUR_SECONDS
"""The zone has no summer time: the same hour of the week is a week of seconds away."""


@dataclass(frozen=True, slots=True)
class Derived:
    """What the steps prove, in micro-units: amounts of hours with any, months, and the silences longer than a straight line."""

    hours: Integers
    amounts: Integers
    months: dict[str, int]
    silences: tuple[tuple[int, int], ...]


def derived(found: Steps, ratio_milli: int, interval_s: int = HOUR_SECONDS) -> Derived:
    """The consumption that steps prove; silences up to three days in the shape of like days, where there are any."""
    times, values = found.times, found.values
    begin, end, advance, value = times[found.start], times[found.end], found.advance, values[found.start]
    short = (end - begin <= LINEAR_UP_TO_S) & (end > begin)
    hours, amounts, measured = _spread(begin[short], end[short], advance[short], value[short], interval_s)
    at_once = dict(zip(begin[begin == end].tolist(), advance[begin == end].tolist(), strict=True))
    silences = [*zip(*(column[end - begin > LINEAR_UP_TO_S].tolist() for column in (begin, end, advance, value)), strict=True)]
    like = dict(zip(hours[measured].tolist(), amounts[measured].tolist(), strict=True))
    shaped = {silence: parts for silence in silences if (parts := _by_like_days(silence, like)) is not None}
    more = [
        *((at // HOUR_SECONDS * HOUR_SECONDS, amount) for at, amount in at_once.items() if amount),
        *(p for s in shaped.values() for p in s),
    ]
    hours, amounts = _summed(hours, amounts, more)
    held = [silence for silence in silences if silence not in shaped]
    held += [(int(times[a]), int(times[b]), int(values[b]), int(values[a])) for a, b in found.resets]
    held += [(int(times[still]), int(times[b]), advance, int(values[still])) for _, b, still, advance in found.catch_ups]
    months: defaultdict[str, int] = defaultdict(int)
    for month, amount in [*_by_month(hours, amounts), *(part for one in held for part in _held_whole(*one))]:
        months[month] += amount * ratio_milli
    return Derived(hours, amounts * ratio_milli, dict(months), tuple(silence[:2] for silence in silences))


def _by_like_days(silence: tuple[int, int, int, int], measured: dict[int, int]) -> list[tuple[int, int]] | None:
    """Hours and amounts, in proportion to the means of the same hour of the four weeks before; large remainders are rounded up."""
    begin, end, advance, _ = silence
    if end - begin > LIKE_DAYS_UP_TO_S:
        return None
    first = begin // HOUR_SECONDS * HOUR_SECONDS
    weights: list[Fraction] = []
    for hour in range(first, end, HOUR_SECONDS):
        before = [measured[at] for week in range(1, LIKE_WEEKS + 1) if (at := hour - week * WEEK_S) in measured]
        if not before:
            return None
        weights.append(Fraction(sum(before), len(before)) * (min(hour + HOUR_SECONDS, end) - max(hour, begin)))
    if not (whole := sum(weights)):
        return None
    exact = [advance * weight / whole for weight in weights]
    floors = [int(share) for share in exact]
    by_rest = sorted(range(len(exact)), key=lambda position: floors[position] - exact[position])
    for position in by_rest[: advance - sum(floors)]:
        floors[position] += 1
    return [(first + number * HOUR_SECONDS, amount) for number, amount in enumerate(floors)]


def _summed(hours: Integers, amounts: Integers, more: list[tuple[int, int]]) -> tuple[Integers, Integers]:
    """Hours in order with the sum of their amounts."""
    if not more:
        return hours, amounts
    all_hours = np.append(hours, [hour for hour, _ in more])
    all_amounts = np.append(amounts, [amount for _, amount in more])
    distinct, position = np.unique(all_hours, return_inverse=True)
    sums = np.zeros(len(distinct), np.int64)
    np.add.at(sums, position, all_amounts)
    return distinct, sums


def _spread(
    begin: Integers, end: Integers, advance: Integers, value: Integers, interval_s: int
) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Hours, amounts, and which hours are measured from end to end.

    The register is linear in time, its value rounded once at each edge of an hour, half-even. An hour is measured where no step
    longer than two intervals crosses its edges.
    """
    first = begin // HOUR_SECONDS
    pieces = (end - 1) // HOUR_SECONDS - first + 1
    step = np.repeat(np.arange(len(begin)), pieces)
    number = np.arange(len(step)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    hour = first[step] + number
    until = np.minimum((hour + 1) * HOUR_SECONDS, end[step])
    reached = half_even(advance[step] * (until - begin[step]), (end - begin)[step], value[step])
    booked = np.where(number == 0, 0, np.roll(reached, 1))
    hours, position = np.unique(hour, return_inverse=True)
    amounts, seconds = np.zeros(len(hours), np.int64), np.zeros(len(hours), np.int64)
    np.add.at(amounts, position, reached - booked)
    proves = (pieces[step] == 1) | ((end - begin)[step] <= 2 * interval_s)
    np.add.at(seconds, position, np.where(proves, until - np.maximum(hour * HOUR_SECONDS, begin[step]), 0))
    return hours * HOUR_SECONDS, amounts, seconds == HOUR_SECONDS


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
