"""Local days and hours, as long as the zone makes them."""

from datetime import date

import pytest

from ingest.metering.calendar import HOUR_US, calendar


@pytest.mark.parametrize(("zone", "day", "hours"), [("Asia/Shanghai", "2026-03-29", 24), ("Europe/Berlin", "2026-03-29", 23),
                                                    ("Europe/Berlin", "2026-10-25", 25)])  # fmt: skip
def test_local_days_have_their_true_length(zone: str, day: str, hours: int) -> None:
    """Days follow the zone's own clock changes."""
    number = date.fromisoformat(day).toordinal()
    of = calendar(zone)

    assert hours * HOUR_US == of.day_start(number + 1) - of.day_start(number)


def test_hours_start_at_the_local_full_hour() -> None:
    """In a zone of +05:45 hours start at a quarter past the UTC hour."""
    of = calendar("Asia/Kathmandu")
    start = of.day_start(date(2026, 1, 1).toordinal())

    assert start == of.hour(start)
    assert start == of.hour(start + HOUR_US - 1)
    assert 15 * 60_000_000 == start % HOUR_US


def test_a_zone_whose_full_hours_move_is_refused_by_name() -> None:
    """Lord Howe shifts by half an hour in summer: there is no fixed grid of hours."""
    with pytest.raises(ValueError, match="Australia/Lord_Howe"):
        calendar("Australia/Lord_Howe")
