"""Steps -> hours and days: sums exact, quality judged per period.

A step's advance is spread linearly over its time; the register's value at each hour's edge is rounded once, half-even, to the
register's integer, and an hour is the difference of its edges times the exact ratio. So the hours add up to the step, whatever
the rounding. A silence longer than the first gap limit is not spread: its amount is unallocated, booked once in the smallest of
day, month and year that holds it whole (across a year's end it is split linearly, as estimated).

Quality never adds up from parts: an hour inside a 4-hour silence is estimated, yet the day is measured, because the register
proves the day. What a larger period knows better than its parts is booked beside the day on which the step ends
(`month`, `year`), so that every period is still a plain sum in the database.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.metering.calendar import HOUR_US, Day, Instant, month, year
from ingest.metering.channel import FIRST_GAP_LIMIT_US, Channel, Version
from ingest.metering.steps import Counted, Ignored, Step


@dataclass(slots=True)
class Tally:
    """What is booked in a period: millionths of the unit, and microseconds measured and estimated."""

    amount: int = 0
    measured_us: int = 0
    estimated_us: int = 0

    def add(self, amount: int, duration_us: int, *, estimated: bool) -> None:
        """Book an amount over a duration."""
        self.amount += amount
        if estimated:
            self.estimated_us += duration_us
        else:
            self.measured_us += duration_us

    def prove(self, duration_us: int) -> None:
        """Turn what the parts had to estimate into measured."""
        self.measured_us += duration_us
        self.estimated_us -= duration_us

    def __bool__(self) -> bool:
        """Whether anything is booked."""
        return bool(self.amount or self.measured_us or self.estimated_us)


@dataclass(slots=True)
class DayTally:
    """A day's own tally, its unallocated part, and what it adds to its month and year beyond the day."""

    own: Tally = field(default_factory=Tally)
    unallocated: int = 0
    month: Tally = field(default_factory=Tally)
    year: Tally = field(default_factory=Tally)

    def __bool__(self) -> bool:
        """Whether anything is booked."""
        return bool(self.own or self.month or self.year)

    def copy(self) -> "DayTally":
        """A tally of its own."""
        return DayTally(replace(self.own), self.unallocated, replace(self.month), replace(self.year))


@dataclass(frozen=True, slots=True)
class Event:
    """What was not an ordinary step, found while folding in the reading at `found_at`."""

    kind: str
    found_at: Instant
    from_at: Instant
    to_at: Instant
    amount: int | None
    evidence: dict[str, Any]


class Bookings:
    """Books the steps of one channel, in order; rows of finished hours and days collect in `hours` and `days`."""

    def __init__(self, channel: Channel, at: Instant, hour: Tally, day: DayTally) -> None:
        """Continue at an instant with what its hour and day hold already."""
        self.channel = channel
        self.calendar = channel.calendar
        self.hour_start = self.calendar.hour(at)
        self.day_number = self.calendar.day(at)
        self.hour = hour
        self.day = day
        self.hours: list[tuple[Instant, Tally]] = []
        self.days: list[tuple[Day, DayTally]] = []
        self.events: list[Event] = []

    def book(self, found: Step | Ignored, found_at: Instant) -> None:
        """Book one step, or note a reading that does not count."""
        if isinstance(found, Ignored):
            self._note_ignored(found, found_at)
        elif found.advance is None:
            self._note(found, found_at, None)
        else:
            self._book_advance(found, found.advance, found_at)
        if isinstance(found, Step):
            self._move(found.end.read_at)

    def close(self) -> None:
        """Add the rows of the hour and day still open."""
        self._close_hour()
        self._close_day()

    def _book_advance(self, step: Step, advance: int, found_at: Instant) -> None:
        duration_us = step.end.read_at - step.start.read_at
        version = self.channel.at(step.end.read_at)
        short = duration_us <= 2 * version.interval_us
        if short or duration_us <= FIRST_GAP_LIMIT_US:
            amount = self._spread(step, advance, short=short)
        else:
            amount = self._leave_unallocated(step, advance, found_at)
        if step.kind != "normal":
            self._note(step, found_at, amount)

    def _spread(self, step: Step, advance: int, *, short: bool) -> int:
        """Book a step linearly, hour by hour."""
        start, end = step.start.read_at, step.end.read_at
        crosses_hour = self.calendar.hour(end - 1) != self.hour_start
        crosses_day = crosses_hour and self.calendar.day(end - 1) != self.day_number
        total, first_day = 0, self.day_number
        for at, until, amount in self._pieces(step, advance, self._hour_edges(start, end)):
            self._move(at)
            self.hour.add(amount, until - at, estimated=crosses_hour and not short)
            self.day.own.add(amount, until - at, estimated=crosses_day and not short)
            total += amount
        if crosses_day and not short:
            self._prove(first_day, end - start)
        return total

    def _prove(self, first_day: Day, duration_us: int) -> None:
        """A step that crosses a day's edge is estimated in the days, but its month, or only its year, knows it whole."""
        if month(first_day) == month(self.day_number):
            self.day.month.prove(duration_us)
        elif year(first_day) == year(self.day_number):
            self.day.year.prove(duration_us)

    def _leave_unallocated(self, step: Step, advance: int, found_at: Instant) -> int:
        """Book a long silence in the smallest period that holds it whole."""
        start, end = step.start.read_at, step.end.read_at
        edges = list(self._year_edges(start, end))
        amounts: dict[Instant, int] = {}
        for at, _, amount in self._pieces(step, advance, edges):
            part = max((edge for edge in edges if edge <= at), default=start)
            amounts[part] = amounts.get(part, 0) + amount
        for part, amount in amounts.items():
            until = min((edge for edge in edges if edge > part), default=end)
            self._book_part(part, until, amount, estimated=bool(edges))
        total = sum(amounts.values())
        self.events.append(Event("unallocated", found_at, start, end, total, _evidence(step, self.channel.at(end))))
        return total

    def _book_part(self, start: Instant, end: Instant, amount: int, *, estimated: bool) -> None:
        first_day = self.calendar.day(start)
        self._move(end - 1)
        if first_day == self.day_number:
            self.day.unallocated += amount
            tally = self.day.own
        elif month(first_day) == month(self.day_number):
            tally = self.day.month
        else:
            tally = self.day.year
        tally.add(amount, end - start, estimated=estimated)

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
        if at - self.hour_start < HOUR_US:
            return
        self._close_hour()
        self.hour_start = self.calendar.hour(at)
        day = self.calendar.day(at)
        if day != self.day_number:
            self._close_day()
            self.day_number = day

    def _close_hour(self) -> None:
        if self.hour:
            self.hours.append((self.hour_start, self.hour))
        self.hour = Tally()

    def _close_day(self) -> None:
        if self.day:
            self.days.append((self.day_number, self.day))
        self.day = DayTally()

    def _note(self, step: Step, found_at: Instant, amount: int | None) -> None:
        version = self.channel.at(step.end.read_at)
        evidence = _evidence(step, version)
        self.events.append(Event(step.kind, found_at, step.start.read_at, step.end.read_at, amount, evidence))

    def _note_ignored(self, found: Ignored, found_at: Instant) -> None:
        at = found.reading.read_at
        evidence = {"value": found.reading.value, **_anchor(found.anchor)}
        self.events.append(Event(found.kind, found_at, at, at, None, evidence))


def _share(advance: int, part_us: int, whole_us: int, value: int) -> int:
    """What the register has advanced by after a part of a step that began at `value`; its own value there is rounded half-even."""
    quotient, remainder = divmod(advance * part_us, whole_us)
    twice = 2 * remainder
    return quotient + (twice > whole_us or (twice == whole_us and (value + quotient) % 2 == 1))


def _evidence(step: Step, version: Version) -> dict[str, Any]:
    return {
        "from_value": step.start.value,
        "to_value": step.end.value,
        "cap_per_hour": version.cap_per_hour,
        "quantum": version.quantum,
        "modulus": version.modulus,
    }


def _anchor(anchor: Counted) -> dict[str, Any]:
    return {"anchor_at": anchor.read_at, "anchor_value": anchor.value}
