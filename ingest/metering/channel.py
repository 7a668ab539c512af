"""What settlement must know of a channel, versioned in valid time."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ingest.metering.calendar import HOUR_US, Calendar, Instant

BELIEVED_TIMES_RATED: Final = 2
"""Consumption faster than this many times the rated capacity is not believed.

The 2008 guideline family for metering public buildings gives 2 as the bound for active energy; confidence: unverified.
"""

FIRST_GAP_LIMIT_US: Final = 6 * HOUR_US
"""A silence up to this long is filled linearly. Ours; utilities take from one to three hours for billing."""
SECOND_GAP_LIMIT_US: Final = 72 * HOUR_US
"""A silence up to this long follows like days; a longer one is booked unallocated in the period that holds it whole. Ours: a long
weekend."""


CLOSED_AFTER_US: Final = FIRST_GAP_LIMIT_US
"""So long after its end a day is closed: until then the reading that ends it may come, as one does every day. Ours."""


@dataclass(frozen=True, slots=True)
class Version:
    """What holds for a channel from `valid_from` on, in the channel's own integers."""

    valid_from: Instant
    scale: int
    """Millionths of the unit per register integer: CT x PT in thousandths times 10^(3 - decimals)."""
    cap_per_hour: int
    """Most the register may advance in an hour."""
    quantum: int
    """Smallest step the register shows."""
    modulus: int | None
    """Where the register rolls over to zero; None: never."""
    interval_us: int
    """Expected time between readings."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A declared exchange of the meter: the old register's last value, the new one's first. A reading at `at` is the new one's."""

    at: Instant
    old_final: int
    new_initial: int


@dataclass(frozen=True, slots=True)
class Channel:
    """One cumulative register of one meter: versions and exchanges in rising order of time, and its local calendar."""

    channel: int
    calendar: Calendar
    versions: tuple[Version, ...]
    exchanges: tuple[Exchange, ...] = ()
    _starts: list[Instant] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the starts of the versions for look-ups."""
        object.__setattr__(self, "_starts", [version.valid_from for version in self.versions])

    def at(self, at: Instant) -> Version:
        """The version in force at an instant; before the first one, the first."""
        versions = self.versions
        return versions[0] if len(versions) == 1 else versions[max(bisect_right(self._starts, at) - 1, 0)]

    def exchanges_between(self, after: Instant, until: Instant) -> Iterator[Exchange]:
        """Exchanges after an instant, up to and with another."""
        yield from (exchange for exchange in self.exchanges if after < exchange.at <= until)

    def changes_between(self, start: Instant, end: Instant) -> Iterator[Instant]:
        """Instants strictly between two, at which a new version begins."""
        if len(self.versions) > 1:
            yield from (at for at in self._starts if start < at < end)
