"""The shape of a silence, from like days: the same weekday and hour in the four weeks before.

Averaging over like days is the usual estimation of utilities for silences too long for a straight line (Oracle MDM "averaging"; a
Canadian training text takes the three weeks before). The register difference stays the anchor: the shares add up to it exactly.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from ingest.metering.calendar import FIRST_DAY, HOUR_US, Calendar, Instant

LIKE_WEEKS: Final = 4
"""Same weekday, so many weeks back. Ours: it covers a month, and hardly a change of season."""
LIKE_DAYS_BACK_US: Final = (7 * LIKE_WEEKS + 1) * 24 * HOUR_US
"""No like hour lies further back than this; a day more than the weeks, for days of 25 hours."""
_COMMON: Final = 12
"""Divisible by every number of weeks found, so that means stay integers."""


class Piece(NamedTuple):
    """A part of a silence that lies in one local hour, and how much of the whole falls to it, relatively."""

    start: Instant
    end: Instant
    weight: int


def like_days(edges: Sequence[Instant], calendar: Calendar, measured: Mapping[Instant, int]) -> list[Piece] | None:
    """The pieces between `edges` (each within one local hour) with the weights of like days; None where one hour has none.

    `measured` holds the amounts of wholly measured hours by their start. All weights zero is no shape either.
    """
    pieces = []
    for start, end in pairwise(edges):
        found = [measured[hour] for hour in _like_hours(calendar.hour(start), calendar) if hour in measured]
        if not found:
            return None
        pieces.append(Piece(start, end, sum(found) * (_COMMON // len(found)) * (end - start)))
    return pieces if any(piece.weight for piece in pieces) else None


def shares(advance: int, weights: Sequence[int]) -> list[int]:
    """Integers in the proportion of the weights that add up to `advance`: largest remainders are rounded up, earlier ones first."""
    whole = sum(weights)
    quotients = [divmod(advance * weight, whole) for weight in weights]
    missing = advance - sum(quotient for quotient, _ in quotients)
    up = set(sorted(range(len(weights)), key=lambda position: -quotients[position][1])[:missing])
    return [quotient + (position in up) for position, (quotient, _) in enumerate(quotients)]


def _like_hours(hour: Instant, calendar: Calendar) -> list[Instant]:
    """The same time of the same weekday in the weeks before; on days of 23 and 25 hours counted from midnight."""
    day = calendar.day(hour)
    into_day = hour - calendar.day_start(day)
    days = (day - 7 * week for week in range(1, LIKE_WEEKS + 1))
    return [calendar.hour(calendar.day_start(before) + into_day) for before in days if before >= FIRST_DAY]
