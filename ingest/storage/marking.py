"""Which channel-hours a batch changes, from which instant to which, as the parameters of a mark. Pure."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, TypeVar

from ingest.metering.calendar import HOUR_US, Instant
from ingest.storage import binary

T = TypeVar("T")

_CHANNEL: Final = itemgetter(0)
_INSTANT: Final = itemgetter(1)

Mark = dict[str, binary.Array]
"""Parallel arrays: channel, hour, from which instant to which."""


def mark(keys: Sequence[tuple[int, Instant, *tuple[int, ...]]]) -> Mark:
    """The mark of keys, or of rows that begin with them, in order; keys may repeat."""
    channels, instants = list(map(_CHANNEL, keys)), list(map(_INSTANT, keys))
    hours = {min(instants, default=0) // HOUR_US, max(instants, default=0) // HOUR_US}
    if len(hours) == 1:  # nearly always, and then no pair is made for each reading
        of_channel, since, until = _spans(channels, instants)
        of_hour = list(hours) * len(of_channel)
    else:
        pairs, since, until = _spans([(channel, at // HOUR_US) for channel, at in zip(channels, instants, strict=True)], instants)
        of_channel, of_hour = [channel for channel, _ in pairs], [hour for _, hour in pairs]
    return {
        "channel": binary.ints(of_channel),
        "utc_hour": binary.ints(of_hour),
        "from_us": binary.bigint_array(since),
        "until_us": binary.bigint_array(until),
    }


def _spans(groups: Sequence[T], instants: Sequence[Instant]) -> tuple[list[T], list[Instant], list[Instant]]:
    """Each group once, with its first and its last instant."""
    until = dict(zip(groups, instants, strict=True))
    if len(until) == len(groups):
        return list(groups), list(instants), list(instants)
    since = dict(zip(reversed(groups), reversed(instants), strict=True))
    return list(until), [since[group] for group in until], list(until.values())


NOTHING: Final = mark([])
"""The mark that says of no hour that it changed."""
