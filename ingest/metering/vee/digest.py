"""What rules need to know of one channel on one local day: its hours and its raw readings, in some twenty numbers.

A digest depends on the rows of its day and on the readings of the 24 hours before it (`BEFORE_US`), on nothing else. A day without
any row has no digest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median_low
from typing import Final, NamedTuple

from ingest.metering.calendar import HOUR_US, Calendar, Day, Instant

BEFORE_US: Final = 24 * HOUR_US
"""How far before the day readings are looked at: a register may have stood still since then."""
NIGHT_HOURS: Final = (1, 5)
"""01:00 to 05:00: nobody draws water on purpose. Night flow is usually judged from 02:00 to 04:00; two hours more: invented."""
MOST_JUMPS: Final = 20
"""Events of one day kept with their values; more are only counted."""


UNEXPLAINED: Final = frozenset({"unexplained", "reset"})
"""Kinds of event whose consumption nobody knows."""


class Raw(NamedTuple):
    """A stored reading as it came, of a key that nobody disputes; `value` in the channel's integers."""

    read_at: Instant
    value: int
    received_at: Instant


class Hour(NamedTuple):
    """An hour's consumption in millionths of the unit, and how long of it is measured."""

    start: Instant
    amount: int
    measured_us: int


class Jump(NamedTuple):
    """An event of the fold found on the day: dip, spike, rollover, unexplained, unallocated ...; `amount` in millionths."""

    kind: str
    from_value: int | None
    to_value: int | None
    duration_us: int
    amount: int | None

    @property
    def is_unexplained(self) -> bool:
        """Whether the register went on elsewhere, and nobody knows what passed."""
        return self.kind in UNEXPLAINED


class CatchUp(NamedTuple):
    """A register that stood still and then moved on the day: how long, by how much, within which time; and its pace before.

    Amounts are the register's own integers.
    """

    still_us: int
    advance: int
    advance_us: int
    before: int
    before_us: int


@dataclass(frozen=True, slots=True)
class DayAmount:
    """A day's consumption as settled, in millionths of the unit."""

    amount: int = 0
    unallocated: int = 0
    measured_us: int = 0
    estimated_us: int = 0


@dataclass(frozen=True, slots=True)
class Digest:
    """One channel on one local day. Amounts are millionths of the unit, times microseconds; None: nothing to tell it from."""

    day: Day
    length_us: int
    amount: int = 0
    unallocated: int = 0
    measured_us: int = 0
    estimated_us: int = 0
    hours: int = 0
    """Hours measured as a whole; what follows is of these."""
    zero_hours: int = 0
    hour_max: int | None = None
    hour_third: int | None = None
    hour_min: int | None = None
    night_flow: int | None = None
    """An average hour of the night: over the whole night, for a coarse display moves once in hours."""
    readings: int = 0
    values: int = 0
    """Distinct values among the readings."""
    first_value: int | None = None
    last_value: int | None = None
    interval_median_us: int | None = None
    interval_least_us: int | None = None
    interval_most_us: int | None = None
    lag_least_us: int | None = None
    """Smallest received_at - read_at: negative where a clock is ahead."""
    lag_most_us: int | None = None
    still_us: int = 0
    """Longest time with one and the same value, up to this day's end, at most since 24 hours before it."""
    catch_up: CatchUp | None = None
    """The largest advance after a stand-still of at least two intervals."""
    conflicts: int = 0
    """Keys that several values are claimed for, and nobody has decided."""
    events: int = 0
    jumps: tuple[Jump, ...] = ()

    @property
    def went_on_elsewhere(self) -> bool:
        """Whether there is such an event among those of the day."""
        return any(jump.is_unexplained for jump in self.jumps)

    @property
    def is_full(self) -> bool:
        """Whether the day's amount stands for the whole day: booked for at least 95 % of it."""
        return self.measured_us + self.estimated_us >= 0.95 * self.length_us

    def __bool__(self) -> bool:
        """Whether anything at all is known of the day."""
        return bool(self.readings or self.conflicts or self.events or self.measured_us or self.estimated_us or self.amount)


def digest(
    calendar: Calendar,
    day: Day,
    settled: DayAmount,
    hours: Iterable[Hour],
    raw: Sequence[Raw],
    conflicts: int,
    jumps: Sequence[Jump],
) -> Digest:
    """The digest of a day. `raw` are the readings from `BEFORE_US` before the day to its end, in order; `hours` are the day's."""
    start, end = calendar.day_start(day), calendar.day_start(day + 1)
    whole = sorted((hour for hour in hours if hour.measured_us >= HOUR_US), key=lambda hour: -hour.amount)
    night = [hour.amount for hour in whole if NIGHT_HOURS[0] <= (hour.start - start) // HOUR_US < NIGHT_HOURS[1]]
    of_day = [reading for reading in raw if reading.read_at >= start]
    intervals = sorted(after.read_at - before.read_at for before, after in pairwise(of_day))
    lags = [reading.received_at - reading.read_at for reading in of_day]
    runs = _runs(raw)
    return Digest(
        day=day,
        length_us=end - start,
        amount=settled.amount,
        unallocated=settled.unallocated,
        measured_us=settled.measured_us,
        estimated_us=settled.estimated_us,
        hours=len(whole),
        zero_hours=sum(hour.amount == 0 for hour in whole),
        hour_max=whole[0].amount if whole else None,
        hour_third=whole[2].amount if len(whole) > 2 else None,
        hour_min=whole[-1].amount if whole else None,
        night_flow=sum(night) // len(night) if len(night) == NIGHT_HOURS[1] - NIGHT_HOURS[0] else None,
        readings=len(of_day),
        values=len({reading.value for reading in of_day}),
        first_value=of_day[0].value if of_day else None,
        last_value=of_day[-1].value if of_day else None,
        interval_median_us=median_low(intervals) if intervals else None,
        interval_least_us=intervals[0] if intervals else None,
        interval_most_us=intervals[-1] if intervals else None,
        lag_least_us=min(lags, default=None),
        lag_most_us=max(lags, default=None),
        still_us=max((run.still_us for run in runs if run.until >= start), default=0),
        catch_up=_catch_up(runs, start, intervals),
        conflicts=conflicts,
        events=len(jumps),
        jumps=tuple(jumps[:MOST_JUMPS]),
    )


class _Run(NamedTuple):
    """Successive readings with one value."""

    since: Instant
    until: Instant
    value: int

    @property
    def still_us(self) -> int:
        return self.until - self.since


def _runs(raw: Sequence[Raw]) -> list[_Run]:
    found = []
    for value, readings in groupby(raw, lambda reading: reading.value):
        times = [reading.read_at for reading in readings]
        found.append(_Run(times[0], times[-1], value))
    return found


def _catch_up(runs: Sequence[_Run], start: Instant, intervals: Sequence[int]) -> CatchUp | None:
    """The largest advance on the day after a stand-still; the pace before it is that of at most three runs."""
    if not intervals:
        return None
    least_us = 2 * median_low(intervals)
    found = []
    for at, (run, after) in enumerate(pairwise(runs)):
        if run.still_us >= least_us and after.since >= start and after.value > run.value:
            earlier = runs[max(at - 3, 0)]
            before, before_us = run.value - earlier.value, run.since - earlier.since
            if before >= 0:
                found.append(CatchUp(run.still_us, after.value - run.value, after.since - run.until, before, before_us))
    return max(found, key=lambda catch_up: catch_up.advance, default=None)
