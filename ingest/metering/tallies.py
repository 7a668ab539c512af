"""What is booked in an hour, and in a day with what it adds to its month and year."""

from typing import Final, NamedTuple


class Tally(NamedTuple):
    """What is booked in a period: millionths of the unit, and microseconds measured and estimated."""

    amount: int = 0
    measured_us: int = 0
    estimated_us: int = 0

    def plus(self, amount: int, duration_us: int, *, estimated: bool) -> "Tally":
        """With an amount booked over a duration."""
        measured_us, estimated_us = (0, duration_us) if estimated else (duration_us, 0)
        return Tally(self.amount + amount, self.measured_us + measured_us, self.estimated_us + estimated_us)

    def proved(self, duration_us: int) -> "Tally":
        """With so much measured of what the parts had to estimate."""
        return Tally(self.amount, self.measured_us + duration_us, self.estimated_us - duration_us)


NOTHING: Final = Tally()


class DayTally(NamedTuple):
    """A day's own tally, its unallocated part, and what it adds to its month and year beyond the day."""

    own: Tally = NOTHING
    unallocated: int = 0
    month: Tally = NOTHING
    year: Tally = NOTHING


NO_DAY: Final = DayTally()
