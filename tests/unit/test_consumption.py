"""Settlement of one channel: what steps, jumps, exchanges and silences come to."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from ingest.metering.calendar import HOUR_US, month, year
from ingest.metering.channel import Exchange
from ingest.metering.profile import shares
from ingest.metering.tallies import Tally
from tests.unit.histories import MINUTE_US, SHANGHAI, START, Rows, channel


def test_a_rollover_is_consumption() -> None:
    """A register that wraps from 999,990 to 5 has advanced 15, not minus 999,985."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    rows.settle({START: 999_990, START + HOUR_US: 5})

    assert {START: Tally(15_000, HOUR_US, 0)} == rows.hours
    assert ["rollover"] == [event.kind for event in rows.events.values()]


def test_three_readings_that_agree_move_a_bad_anchor() -> None:
    """A false first reading does not make every good one after it look wrong."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    readings = {START: 900_000, **{START + n * HOUR_US: 100 + n for n in range(1, 5)}}
    rows.settle(readings, set(readings))

    assert ["reset"] == [event.kind for event in rows.events.values()]
    assert 101_000 == sum(tally.unallocated for tally in rows.days.values()), "what the register shows since it began at zero"
    assert [1000, 1000, 1000] == [tally.amount for _, tally in sorted(rows.hours.items())]


def test_a_jump_to_another_height_is_unexplained_and_counts_nothing() -> None:
    """Higher, or lower than the register can have come since zero: an operator must say what happened."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    readings = {START: 500, **{START + n * HOUR_US: 400_000 + n for n in range(1, 5)}}
    rows.settle(readings, set(readings))

    assert ["unexplained"] == [event.kind for event in rows.events.values()]
    assert 3_000 == sum(tally.own.amount for tally in rows.days.values())


def test_a_declared_exchange_counts_both_registers_and_none_of_the_jump() -> None:
    """Old final less last reading, and first reading less new initial: each over its own time."""
    at = START + 90 * MINUTE_US
    of = channel(SHANGHAI, exchanges=(Exchange(at, 520, 3),))
    rows = Rows(of)
    rows.settle({START: 500, START + 2 * HOUR_US: 13, START + 3 * HOUR_US: 23})

    assert ["exchange"] == [event.kind for event in rows.events.values()]
    assert [13_000, 17_000, 10_000] == [tally.amount for _, tally in sorted(rows.hours.items())]
    assert all(tally.measured_us == HOUR_US for tally in rows.hours.values())


def test_a_value_that_the_new_register_did_not_show_at_its_exchange_is_a_spike_beside_the_jump() -> None:
    """The old register's last reading at that very instant, and a wrong first value: two events, each with a name of its own."""
    at = START + 2 * HOUR_US
    rows = Rows(channel(SHANGHAI, exchanges=(Exchange(at, 4_020, 0),)))
    new = {at + n * HOUR_US: 500_000 + n for n in range(1, 5)}
    rows.settle({START: 4_000, START + HOUR_US: 4_010, at: 4_020, **new})

    found = [(kind, from_at) for (_, from_at, kind) in sorted(rows.events)]
    assert [("exchange", at), ("spike", at), ("unexplained", at)] == sorted(found)


def test_an_exchange_whose_old_register_cannot_have_reached_its_final_value_is_unexplained() -> None:
    """The operator may have mistyped: nothing is counted up to the exchange, and the event holds both values."""
    of = channel(SHANGHAI, exchanges=(Exchange(START + HOUR_US, 900_000, 0),))
    rows = Rows(of)
    rows.settle({START: 500, START + 2 * HOUR_US: 10})

    assert ["exchange", "unexplained"] == sorted(event.kind for event in rows.events.values())
    assert [10_000] == [tally.amount for tally in rows.hours.values()]


def test_a_silence_of_a_day_takes_the_shape_of_like_days() -> None:
    """A week of days with one busy hour: the silent day's amount falls to that hour, and adds up exactly."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    value, readings = 0, {start: 0}
    for hour in range(8 * 24):
        value += 100 if hour % 24 == 9 else 1
        readings[start + (hour + 1) * HOUR_US] = value
    silent = start + 8 * 24 * HOUR_US
    readings[silent + 24 * HOUR_US] = value + 247
    rows = Rows(of)
    rows.settle(readings, set(readings))
    hours = [rows.hours[silent + hour * HOUR_US] for hour in range(24)]

    assert ["like_days"] == [event.kind for event in rows.events.values()]
    assert 247_000 == sum(tally.amount for tally in hours)
    assert 201_000 == hours[9].amount
    assert {2_000} == {tally.amount for number, tally in enumerate(hours) if number != 9}
    assert all(tally.estimated_us == HOUR_US for tally in hours)
    assert 24 * HOUR_US == rows.days[SHANGHAI.day(silent)].own.measured_us, "the register proves the day"


def test_a_silence_found_out_days_later_follows_its_like_days_when_they_change() -> None:
    """Between two suspects: it is booked when a third one shows that the register was reset, on another local day."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    hourly = {start + hour * HOUR_US: 50_000 + 100 * hour for hour in range(8 * 24)}
    silent = start + 8 * 24 * HOUR_US
    suspects = {silent + 2 * HOUR_US: 5, silent + 22 * HOUR_US: 2_405, silent + 25 * HOUR_US: 2_500}
    late = start + (24 + 9) * HOUR_US
    readings = hourly | suspects
    rows, at_once = Rows(of), Rows(of)
    rows.settle({at: value for at, value in readings.items() if at != late}, set(readings))
    moved = readings | {late: hourly[late] + 60}
    rows.settle(moved, {late})
    at_once.settle(moved, set(moved))

    assert ["like_days", "reset"] == sorted(event.kind for event in rows.events.values())
    assert at_once == rows


def test_a_silence_in_the_first_weeks_of_the_calendar_has_no_like_days() -> None:
    """Two edits of January 2000, a day apart, as a year mistyped gives them: unallocated, and settlement goes on."""
    at = SHANGHAI.day_start(date(2000, 1, 5).toordinal()) + HOUR_US
    rows = Rows(channel(SHANGHAI))
    rows.settle({at: 100, at + 20 * HOUR_US: 140})

    assert ["unallocated"] == [event.kind for event in rows.events.values()]
    assert 40_000 == sum(tally.unallocated for tally in rows.days.values())


def test_a_ratio_that_changes_in_a_silence_bends_the_register_and_not_the_profile() -> None:
    """Like days say what was consumed; behind a ratio seven times as high the register moves a seventh for the same."""
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    silent = start + 8 * 24 * HOUR_US
    of = channel(SHANGHAI, change_at=silent + 12 * HOUR_US)
    readings = {start + hour * HOUR_US: 70 * hour for hour in range(8 * 24 + 1)}
    readings[silent + 24 * HOUR_US] = readings[silent] + 12 * 70 + 12 * 10
    rows = Rows(of)
    rows.settle(readings, set(readings))

    assert {70_000} == {tally.amount for tally in rows.hours.values()}


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**12), min_size=1).filter(any))
def test_shares_add_up_to_the_whole(advance: int, weights: list[int]) -> None:
    """Whatever the weights; nobody without weight gets anything."""
    found = shares(advance, weights)

    assert advance == sum(found)
    assert all(share >= 0 and (weight or not share) for share, weight in zip(found, weights, strict=True))


def test_one_dip_and_one_spike_change_nothing() -> None:
    """A single false value is set aside as an event; consumption runs from the counted reading before to the one after."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    rows.settle({START: 500, START + HOUR_US: 20, START + 2 * HOUR_US: 520, START + 3 * HOUR_US: 990_000,
                 START + 4 * HOUR_US: 540})  # fmt: skip

    assert ["dip", "spike"] == sorted(event.kind for event in rows.events.values())
    assert 40_000 == sum(tally.amount for tally in rows.hours.values())


def test_a_month_knows_what_its_days_had_to_leave_open() -> None:
    """Three silent days inside a month are missing in the days, and measured, with their amount, in the month."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 1, 5).toordinal())
    rows = Rows(of)
    rows.settle({start: 0, start + HOUR_US: 10, start + 73 * HOUR_US: 82, start + 74 * HOUR_US: 83})
    days = list(rows.days.values())

    assert [10_000, 1_000] == [tally.own.amount for tally in days]
    assert 72_000 == sum(tally.month.amount for tally in days)
    assert 74 * HOUR_US == sum(tally.own.measured_us + tally.month.measured_us for tally in days)
    assert month(min(rows.days)) == month(max(rows.days))
    assert 2026 == year(min(rows.days))
