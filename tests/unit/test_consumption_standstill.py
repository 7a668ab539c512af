"""A register that stood still: what it catches up with is lost to nobody, and what is false is not counted."""

from datetime import date

from ingest.metering.calendar import HOUR_US
from tests.unit.histories import SHANGHAI, START, Rows, channel


def test_a_register_that_stood_still_and_caught_up_has_lost_nothing() -> None:
    """A day frozen, then more at once than an hour can bring: no spike and no unexplained jump, the day has it all, unallocated."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    frozen = {start + hour * HOUR_US: 100 for hour in range(12)}
    running = {start + hour * HOUR_US: 10_000 * hour for hour in range(12, 16)}
    rows = Rows(of)
    rows.settle(frozen | running)

    assert [("catch_up", 119_900_000)] == [(event.kind, event.amount) for event in rows.events.values()]
    (day,) = rows.days.values()
    assert (149_900_000, 119_900_000) == (day.own.amount, day.unallocated)
    assert 15 * HOUR_US == day.own.measured_us
    assert start + 11 * HOUR_US not in rows.hours or not rows.hours[start + 11 * HOUR_US].amount


def test_a_standstill_over_midnight_is_caught_up_with_in_the_month() -> None:
    """Nobody knows which of the two days had how much of it."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal()) - 2 * HOUR_US
    rows = Rows(of)
    rows.settle({start: 7, start + HOUR_US: 7, start + 3 * HOUR_US: 7, start + 4 * HOUR_US: 37_000,
                 start + 5 * HOUR_US: 37_010, start + 6 * HOUR_US: 37_020})  # fmt: skip

    assert ["catch_up"] == [event.kind for event in rows.events.values()]
    assert [0, 20_000] == [tally.own.amount for tally in rows.days.values()]
    assert 36_993_000 == sum(tally.month.amount for tally in rows.days.values())


def test_a_wrong_value_that_stands_still_as_well_is_no_catching_up() -> None:
    """A still register shown a thousandfold for some hours: nothing is counted, an operator is asked."""
    of = channel(SHANGHAI)
    values = [50] * 8 + [70_000] * 3 + [50, 50, 50, 60]
    rows = Rows(of)
    rows.settle({START + n * HOUR_US: value for n, value in enumerate(values)})

    assert ["reset", "unexplained"] == sorted(event.kind for event in rows.events.values())
    assert 60_000 == sum(tally.own.amount for tally in rows.days.values()), "10 passed, and 50 is what a reset register shows"


def test_a_single_spike_after_a_standstill_is_still_a_spike() -> None:
    """The next reading shows that the register was not there."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    rows.settle({**{START + n * HOUR_US: 50 for n in range(8)}, START + 8 * HOUR_US: 90_000, START + 9 * HOUR_US: 60})

    assert ["spike"] == [event.kind for event in rows.events.values()]
    assert 10_000 == sum(tally.own.amount for tally in rows.days.values())
