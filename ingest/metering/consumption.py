"""One channel: its readings and the stored states -> the rows to write, and the range they replace.

A change restarts from the state stored after the last day before it, and runs until, on a day that no change reaches past, the
computed state equals the stored one: from there on every row is what it was. What is newer than everything folded so far, as nearly
all readings are, goes on from the newest state itself. So an incremental run and a rebuild give the same rows, and a round costs as
much as what came in, not as much as the day.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from ingest.metering.bookings import Bookings
from ingest.metering.calendar import HOUR_US, Calendar, Day, Instant
from ingest.metering.channel import Channel
from ingest.metering.events import Event
from ingest.metering.resume import Start, State
from ingest.metering.steps import Counted, Fold, advance, connect, exchanged
from ingest.metering.tallies import NO_DAY, NOTHING, DayTally, Tally


class Replaced(NamedTuple):
    """What the rows replace: everything from `..._from` up to, not including, `..._until`; None is without bound."""

    hour_from: Instant | None
    hour_until: Instant | None
    day_from: Day | None
    day_until: Day | None
    state_after: Day | None
    state_until: Day | None
    found_from: Instant | None
    found_until: Instant | None
    only_adds: bool
    """Every row stored in the range is among the new ones: what goes on from the newest state takes nothing away."""


class Settled(NamedTuple):
    """A channel's new rows. `converged` says that the rows after the range are as they were."""

    hours: list[tuple[Instant, Tally]]
    days: list[tuple[Day, DayTally]]
    events: list[Event]
    states: list[tuple[Day, State]]
    replaced: Replaced
    converged: bool
    wants_history: bool = False

    @property
    def last_day(self) -> Day | None:
        """The last day with a reading that was folded; None where there was none."""
        if self.replaced.state_until is not None:
            return self.replaced.state_until
        return self.states[-1][0] if self.states else None


def settle(
    channel: Channel,
    start: Start | None,
    readings: Sequence[Counted],
    stored: Mapping[Day, State],
    through: Day,
    history: Mapping[Instant, int] | None = None,
    first: Day | None = None,
) -> Settled:
    """Fold a channel's readings, all later than `start`, in order of `read_at`.

    `stored` holds the states of earlier runs for the days after `start`; `through` is the last day that a change touched; `first`
    is the first day that may be written, where what stands before stays. `history` holds the amounts of the wholly measured hours
    that this does not write anew, as far back as like days go (`history_until`); without it, a silence that would need it is left
    unallocated, and the result says so in `wants_history`.
    """
    if start is not None and start.is_newest and (usual := _usual(channel, start, readings, first)) is not None:
        return usual
    bookings, fold = _resume(channel, start, readings, history, first)
    resumed_in = bookings.hour_start, bookings.day_number
    states: list[tuple[Day, State]] = []
    for day, of_day in _by_day(channel.calendar, readings):
        for reading in of_day:
            if fold is None:
                fold = Fold.on(reading)
                continue
            if channel.exchanges:
                fold = _exchange(channel, bookings, fold, reading)
            fold, found = advance(fold, reading, channel)
            for one in found:
                bookings.book(one, reading.read_at)
        assert fold is not None
        state = State(fold, bookings.hour, bookings.day)
        if day >= through and stored.get(day) == state and not _waits(channel, fold.anchor, day):
            return _settled(channel, start, bookings, resumed_in, states, (day, state))
        states.append((day, state))
    last = states[-1][1] if states else bookings
    bookings.close(last.hour, last.day)
    return _settled(channel, start, bookings, resumed_in, states, None)


def _usual(channel: Channel, start: Start, readings: Sequence[Counted], first: Day | None) -> Settled | None:
    """What nearly every round finds, in one pass: new readings in the hour of the anchor that all connect, under one version.

    None where anything is otherwise. Measured, one new reading: 3.6 us, and 5.7 on the way that everything else goes.
    """
    calendar, version, (fold, hour, day) = channel.calendar, channel.versions[0], start.state
    last, still_since, suspects = fold
    if suspects or channel.exchanges or len(channel.versions) > 1 or not readings:
        return None
    hour_start, number = calendar.hour(last.read_at), calendar.day(last.read_at)
    if readings[-1].read_at >= hour_start + HOUR_US or number != start.day or (first is not None and number < first):
        return None
    for reading in readings:
        step = connect(last, reading, version)
        if step is None or step.kind != "normal":
            return None
        still_since = still_since if reading.value == last.value else reading.read_at
        last = reading
    amount, duration_us = (last.value - fold.anchor.value) * version.scale, last.read_at - fold.anchor.read_at
    hour = hour.plus(amount, duration_us, estimated=False)
    day = DayTally(day.own.plus(amount, duration_us, estimated=False), day.unallocated, day.month, day.year)
    state = State(Fold(last, still_since), hour, day)
    replaced = Replaced(
        hour_from=hour_start, hour_until=None, day_from=number, day_until=None, state_after=number - 1, state_until=None,
        found_from=start.after + 1, found_until=None, only_adds=True,
    )  # fmt: skip
    return Settled([(hour_start, hour)], [(number, day)], [], [(number, state)], replaced, converged=False)


def _by_day(calendar: Calendar, readings: Sequence[Counted]) -> Iterator[tuple[Day, Sequence[Counted]]]:
    """The readings of each local day."""
    first = 0
    while first < len(readings):
        day, end = calendar.day_and_end(readings[first].read_at)
        after = bisect_left(readings, end, first, key=itemgetter(0))
        yield day, readings[first:after]
        first = after


def _waits(channel: Channel, anchor: Counted, day: Day) -> bool:
    """Whether an exchange of that day, or before, has no reading yet that shows the new register: the next one settles it."""
    return bool(channel.exchanges) and any(channel.exchanges_between(anchor.read_at, channel.calendar.day_start(day + 1)))


def _exchange(channel: Channel, bookings: Bookings, fold: Fold, reading: Counted) -> Fold:
    """Fold in the exchanges declared between the anchor and a reading."""
    for exchange in channel.exchanges_between(fold.anchor.read_at, reading.read_at):
        fold, found = exchanged(fold, exchange, channel)
        for one in found:
            bookings.book(one, reading.read_at)
    return fold


def _resume(
    channel: Channel, start: Start | None, readings: Sequence[Counted], history: Mapping[Instant, int] | None, first: Day | None
) -> tuple[Bookings, Fold | None]:
    if start is not None:
        state, written_from = start.state, 0 if first is None else channel.calendar.day_start(first)
        return Bookings(channel, state.anchor.read_at, state.hour, state.day, history, written_from), state.fold
    at = readings[0].read_at if readings else channel.calendar.midnights[0]
    return Bookings(channel, at, NOTHING, NO_DAY, {}), None


def _settled(
    channel: Channel,
    start: Start | None,
    bookings: Bookings,
    resumed_in: tuple[Instant, Day],
    states: list[tuple[Day, State]],
    end: tuple[Day, State] | None,
) -> Settled:
    calendar = channel.calendar
    hour_from, day_from = (None, None) if start is None else resumed_in
    goes_on = start is not None and bool(states) and states[0][0] == start.day
    last = end and end[1].anchor.read_at
    replaced = Replaced(
        hour_from=hour_from,
        hour_until=None if last is None else calendar.hour(last),
        day_from=day_from,
        day_until=None if last is None else calendar.day(last),
        state_after=None if start is None else start.day - goes_on,
        state_until=end and end[0],
        found_from=None if start is None else start.after + 1,
        found_until=None if end is None else calendar.day_start(end[0] + 1),
        only_adds=start is not None and start.is_newest,
    )
    return Settled(bookings.hours, bookings.days, bookings.events, states, replaced, end is not None, bookings.wants_history)
