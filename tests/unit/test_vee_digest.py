"""A day's digest: made of its own rows and of the readings of the day before."""

from datetime import UTC, datetime

import pytest

from ingest.metering.calendar import HOUR_US, calendar, instant
from ingest.metering.vee.digest import DayAmount, Digest, Hour, Jump, Raw, digest

SHANGHAI = calendar("Asia/Shanghai")
BERLIN = calendar("Europe/Berlin")
DAY = datetime(2026, 10, 5, tzinfo=UTC).toordinal()
START = SHANGHAI.day_start(DAY)


def raw(values: list[int], first_hour: int = 0, lag_us: int = 1) -> list[Raw]:
    """Hourly readings from an hour of the day on."""
    return [
        Raw(START + (first_hour + n) * HOUR_US, value, START + (first_hour + n) * HOUR_US + lag_us)
        for n, value in enumerate(values)
    ]


def made(readings: list[Raw], hours: list[int] | None = None, jumps: tuple[Jump, ...] = ()) -> Digest:
    """The digest of the day."""
    of_hours = [Hour(START + n * HOUR_US, amount, HOUR_US) for n, amount in enumerate(hours or [])]
    return digest(SHANGHAI, DAY, DayAmount(sum(hours or []), 0, len(of_hours) * HOUR_US, 0), of_hours, readings, 0, jumps)


def test_readings_of_the_day_and_their_intervals() -> None:
    """Count, distinct values, first and last, intervals and lags are of the day alone."""
    one = made(raw([5, 7, 7, 9], -1))

    assert (one.readings, one.values, one.first_value, one.last_value) == (3, 2, 7, 9)
    assert (one.interval_median_us, one.lag_least_us, one.lag_most_us) == (HOUR_US, 1, 1)


def test_a_register_may_have_stood_still_since_the_day_before() -> None:
    """The stand-still counts from its beginning, up to 24 hours before the day."""
    one = made(raw([5, 8, 8, 8, 8, 8, 20], -4))

    assert one.still_us == 4 * HOUR_US
    assert one.catch_up is not None
    assert (one.catch_up.still_us, one.catch_up.advance, one.catch_up.advance_us) == (4 * HOUR_US, 12, HOUR_US)
    assert (one.catch_up.before, one.catch_up.before_us) == (3, HOUR_US)


def test_hours_and_the_night() -> None:
    """Highest, third-highest, smallest; the night's flow only where the whole night is known."""
    one = made([], [9, 4, 3, 2, 6, 9, 30, 0])

    assert (one.hour_max, one.hour_third, one.hour_min, one.night_flow, one.zero_hours) == (30, 9, 0, 3, 1)
    assert made([], [9, 4, 3]).night_flow is None


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25)])
def test_days_of_another_length(month: int, day: int, hours: int) -> None:
    """Where clocks change a full day has 23 or 25 hours."""
    number = datetime(2026, month, day, tzinfo=UTC).toordinal()
    start = BERLIN.day_start(number)
    of_hours = [Hour(start + n * HOUR_US, 1, HOUR_US) for n in range(hours)]
    one = digest(BERLIN, number, DayAmount(hours, 0, hours * HOUR_US, 0), of_hours, [], 0, ())

    assert one.length_us == hours * HOUR_US
    assert one.hours == hours
    assert one.is_full


def test_a_day_without_rows_is_nothing() -> None:
    """It gets no digest; one with only an event does."""
    assert not made([])
    assert made([], jumps=(Jump("dip", 2, 1, 0, None),))


def test_start_is_midnight_in_shanghai() -> None:
    """The helper's own assumption."""
    assert instant(datetime(2026, 10, 4, 16, tzinfo=UTC)) == START
