"""Steps -> hours and days: sums exact, quality judged per period.

A step's advance is spread linearly over its time; the register's value at each hour's edge is rounded once, half-even, to the
register's integer, and an hour is the difference of its edges times the exact ratio. So the hours add up to the step, whatever
the rounding. A silence longer than the first gap limit follows the channel's like days; where there are none, or the silence is
longer than the second limit, its amount is unallocated, booked once in the smallest of day, month and year that holds it whole
(across a year's end it is split linearly, as estimated). What a register that stood still caught up with is booked in the same way,
in the period that holds the standstill too. What a reset register shows is booked so as well, and its time is missing: nobody
knows what was lost before it.

Quality never adds up from parts: an hour inside a 4-hour silence is estimated, yet the day is measured, because the register
proves the day. What a larger period knows better than its parts is booked beside the day on which the step ends
(`month`, `year`), so that every period is still a plain sum in the database.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import lcm

from ingest.metering.calendar import HOUR_US, Day, Instant, month, year
from ingest.metering.channel import FIRST_GAP_LIMIT_US, SECOND_GAP_LIMIT_US, Channel
from ingest.metering.events import Event, of_exchange, of_ignored, of_step
from ingest.metering.profile import like_days, shares
from ingest.metering.steps import Found, Ignored, Step
from ingest.metering.tallies import NO_DAY, NOTHING, DayTally, Tally


class Bookings:
    """Books the steps of one channel, in order; rows of finished hours and days collect in `hours` and `days`.

    What the open hour and day hold is kept in plain integers: nearly every step only adds to them.
    """

    __slots__ = (
        "_day_amount", "_day_end", "_day_estimated_us", "_day_measured_us", "_history", "_hour_amount", "_hour_end",
        "_hour_estimated_us", "_hour_measured_us", "_month", "_unallocated", "_written_from", "_year", "calendar", "channel",
        "day_number", "days", "events", "hour_start", "hours", "wants_history",
    )  # fmt: skip

    _day_amount: int
    _day_measured_us: int
    _day_estimated_us: int
    _unallocated: int
    _month: Tally
    _year: Tally

    def __init__(
        self,
        channel: Channel,
        at: Instant,
        hour: Tally,
        day: DayTally,
        history: Mapping[Instant, int] | None = None,
        written_from: Instant = 0,
    ) -> None:
        """Continue at an instant with what its hour and day hold already, and the wholly measured hours before it, where known.

        No row of what begins before `written_from` is made: it stands, and `history` says how.
        """
        self.channel = channel
        self._written_from = written_from
        self.calendar = channel.calendar
        self.hours: list[tuple[Instant, Tally]] = []
        self.days: list[tuple[Day, DayTally]] = []
        self.events: list[Event] = []
        self.wants_history = False
        self._history = None if history is None else dict(history)
        self._open_hour(at, hour)
        self._open_day(at, day)

    @property
    def hour(self) -> Tally:
        """What the open hour holds."""
        return Tally(self._hour_amount, self._hour_measured_us, self._hour_estimated_us)

    @property
    def day(self) -> DayTally:
        """What the open day holds."""
        own = Tally(self._day_amount, self._day_measured_us, self._day_estimated_us)
        return DayTally(own, self._unallocated, self._month, self._year)

    def book(self, found: Found, found_at: Instant) -> None:
        """Book one step, or note a reading that does not count, or an exchange."""
        if isinstance(found, Step):
            if found.advance is None:
                self._note(found, found_at, None)
            elif found.kind != "normal" or not self._booked_within_hour(found, found.advance):
                self._book_advance(found, found.advance, found_at)
            if found.end.read_at >= self._hour_end:
                self._move(found.end.read_at)
        elif isinstance(found, Ignored):
            self.events.append(of_ignored(found, found_at))
        else:
            self.events.append(of_exchange(found, found_at))

    def close(self, hour: Tally, day: DayTally) -> None:
        """Add the rows of the hour and day still open, which hold this."""
        self._close_hour(hour)
        self._close_day(day)

    def _booked_within_hour(self, step: Step, advance: int) -> bool:
        """Book what lies in the open hour, under one version: measured, whole. That is nearly every step."""
        start, end = step.start.read_at, step.end.read_at
        if end > self._hour_end or (len(self.channel.versions) > 1 and any(self.channel.changes_between(start, end))):
            return False
        amount, duration_us = advance * self.channel.at(start).scale, end - start
        self._hour_amount += amount
        self._hour_measured_us += duration_us
        self._day_amount += amount
        self._day_measured_us += duration_us
        return True

    def _book_advance(self, step: Step, advance: int, found_at: Instant) -> None:
        duration_us = step.end.read_at - step.start.read_at
        version = self.channel.at(step.end.read_at)
        short = duration_us <= 2 * version.interval_us
        if step.kind in ("reset", "catch_up"):
            amount = self._leave_unallocated(step, advance, known=step.kind == "catch_up")
        elif short or duration_us <= FIRST_GAP_LIMIT_US:
            edges = self._hour_edges(step.start.read_at, step.end.read_at)
            amount = self._spread(step, self._pieces(step, advance, edges), short=short)
        else:
            amount = self._estimate(step, advance, found_at)
        if step.kind != "normal":
            self._note(step, found_at, amount)

    def _estimate(self, step: Step, advance: int, found_at: Instant) -> int:
        """Book a silence by like days, or leave it unallocated."""
        pieces = self._by_like_days(step, advance)
        if pieces is None:
            kind, amount = "unallocated", self._leave_unallocated(step, advance, known=True)
        else:
            kind, amount = "like_days", self._spread(step, pieces, short=False)
        self._note(step, found_at, amount, kind)
        return amount

    def _by_like_days(self, step: Step, advance: int) -> list[tuple[Instant, Instant, int]] | None:
        """The amounts of a silence in the shape of like days; None where it is too long or has none."""
        start, end = step.start.read_at, step.end.read_at
        if end - start > SECOND_GAP_LIMIT_US:
            return None
        if self._history is None:
            self.wants_history = True
            return None
        cuts = sorted({start, *self._hour_edges(start, end), *self.channel.changes_between(start, end), end})
        pieces = like_days(cuts, self.calendar, self._history)
        if pieces is None:
            return None
        scales = [self.channel.at(piece.start).scale for piece in pieces]
        whole = lcm(*scales)  # like days say what was consumed; behind a higher ratio the register moves less for it
        amounts = shares(advance, [piece.weight * (whole // scale) for piece, scale in zip(pieces, scales, strict=True)])
        return [(piece.start, piece.end, amount * scale) for piece, amount, scale in zip(pieces, amounts, scales, strict=True)]

    def _spread(self, step: Step, pieces: Iterable[tuple[Instant, Instant, int]], *, short: bool) -> int:
        """Book a step piece by piece, hour by hour."""
        start, end = step.start.read_at, step.end.read_at
        crosses_hour, crosses_day = end > self._hour_end, end > self._day_end
        total, first_day = 0, self.day_number
        for at, until, amount in pieces:
            if at >= self._hour_end:
                self._move(at)
            self._add(amount, until - at, hour_estimated=crosses_hour and not short, day_estimated=crosses_day and not short)
            total += amount
        if crosses_day and not short:
            self._prove(first_day, end - start)
        return total

    def _add(self, amount: int, duration_us: int, *, hour_estimated: bool, day_estimated: bool) -> None:
        """Book a piece in the open hour and day."""
        self._hour_amount += amount
        self._day_amount += amount
        if hour_estimated:
            self._hour_estimated_us += duration_us
        else:
            self._hour_measured_us += duration_us
        if day_estimated:
            self._day_estimated_us += duration_us
        else:
            self._day_measured_us += duration_us

    def _prove(self, first_day: Day, duration_us: int) -> None:
        """A step that crosses a day's edge is estimated in the days, but its month, or only its year, knows it whole."""
        if month(first_day) == month(self.day_number):
            self._month = self._month.proved(duration_us)
        elif year(first_day) == year(self.day_number):
            self._year = self._year.proved(duration_us)

    def _leave_unallocated(self, step: Step, advance: int, *, known: bool) -> int:
        """Book a step in the smallest period that holds it whole; where its amount is not all `known`, its time stays missing."""
        start, end = step.start.read_at, step.end.read_at
        edges = list(self._year_edges(start, end))
        amounts: dict[Instant, int] = {}
        for at, _, amount in self._pieces(step, advance, edges):
            part = max((edge for edge in edges if edge <= at), default=start)
            amounts[part] = amounts.get(part, 0) + amount
        splits = year(self.calendar.day(step.since)) != year(self.calendar.day(end - 1))
        for part, amount in amounts.items():
            until = min((edge for edge in edges if edge > part), default=end)
            first_day = self.calendar.day(step.since if part == start else part)
            self._book_part(first_day, until, amount, until - part if known else 0, estimated=splits)
        return sum(amounts.values())

    def _book_part(self, first_day: Day, end: Instant, amount: int, duration_us: int, *, estimated: bool) -> None:
        """Book an amount in the smallest period that holds everything from a day to an instant."""
        self._move(end - 1)
        if first_day == self.day_number:
            self._unallocated += amount
            own = Tally(self._day_amount, self._day_measured_us, self._day_estimated_us)
            self._day_amount, self._day_measured_us, self._day_estimated_us = own.plus(amount, duration_us, estimated=estimated)
        elif month(first_day) == month(self.day_number):
            self._month = self._month.plus(amount, duration_us, estimated=estimated)
        else:
            self._year = self._year.plus(amount, duration_us, estimated=estimated)

    def _pieces(self, step: Step, advance: int, edges: list[Instant]) -> Iterator[tuple[Instant, Instant, int]]:
        """The amounts of a step between its edges and the changes of ratio inside it; they add up exactly."""
        (start, value), end = step.start, step.end.read_at
        changes = list(self.channel.changes_between(start, end))
        cuts = edges if not changes else sorted({*edges, *changes})
        at, booked = start, 0
        for until in (*cuts, end):
            reached = _share(advance, until - start, end - start, value)
            yield at, until, (reached - booked) * self.channel.at(at).scale
            at, booked = until, reached

    def _hour_edges(self, start: Instant, end: Instant) -> list[Instant]:
        return list(range(self.calendar.hour(start) + HOUR_US, end, HOUR_US))

    def _year_edges(self, start: Instant, end: Instant) -> Iterator[Instant]:
        first, last = year(self.calendar.day(start)), year(self.calendar.day(end - 1))
        return (self.calendar.year_start(number) for number in range(first + 1, last + 1))

    def _move(self, at: Instant) -> None:
        """Go on to the hour and day of an instant, closing what lies before."""
        if at < self._hour_end:
            return
        self._close_hour(self.hour)
        self._open_hour(at, NOTHING)
        if at >= self._day_end:
            self._close_day(self.day)
            self._open_day(at, NO_DAY)

    def _open_hour(self, at: Instant, holds: Tally) -> None:
        self.hour_start = self.calendar.hour(at)
        self._hour_end = self.hour_start + HOUR_US
        self._hour_amount, self._hour_measured_us, self._hour_estimated_us = holds

    def _open_day(self, at: Instant, holds: DayTally) -> None:
        self.day_number, self._day_end = self.calendar.day_and_end(at)
        (self._day_amount, self._day_measured_us, self._day_estimated_us), self._unallocated, self._month, self._year = holds

    def _close_hour(self, tally: Tally) -> None:
        if tally == NOTHING or self.hour_start < self._written_from:
            return
        self.hours.append((self.hour_start, tally))
        if self._history is not None and tally.measured_us == HOUR_US:
            self._history[self.hour_start] = tally.amount

    def _note(self, step: Step, found_at: Instant, amount: int | None, kind: str | None = None) -> None:
        self.events.append(of_step(step, self.channel.at(step.end.read_at), found_at, amount, kind))

    def _close_day(self, tally: DayTally) -> None:
        if tally != NO_DAY and self._day_end > self._written_from:
            self.days.append((self.day_number, tally))


def _share(advance: int, part_us: int, whole_us: int, value: int) -> int:
    """What the register has advanced by after a part of a step that began at `value`; its own value there is rounded half-even."""
    if part_us == whole_us:
        return advance
    quotient, remainder = divmod(advance * part_us, whole_us)
    twice = 2 * remainder
    return quotient + (twice > whole_us or (twice == whole_us and (value + quotient) % 2 == 1))
