"""Times in files of series: an instant, or a refusal that says what to do."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from simulators.stamps import stamps

START = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-10-01T00:00Z", None, START),
        ("2026-10-01 08:00+08:00", None, START),
        ("2026-10-01 08:00:00", "Asia/Shanghai", START),
        ("2026-07-01 03:00", "Europe/Helsinki", datetime(2026, 7, 1, tzinfo=UTC)),
    ],
)
def test_times_are_instants(text: str, zone: str | None, expected: datetime) -> None:
    """By their own offset, or in the zone named."""
    assert stamps(zone and ZoneInfo(zone), None)(text) == expected


@pytest.mark.parametrize(
    ("text", "zone", "time_format", "words"),
    [
        ("2026-10-01 08:00", None, None, "say which zone's time it is with --timezone"),
        ("2026-10-25 03:30", "Europe/Helsinki", None, "came twice in Europe/Helsinki"),
        ("2026-03-29 03:30", "Europe/Helsinki", None, "never came in Europe/Helsinki"),
        ("1.10.2026", "UTC", None, "say how it is written with --time-format"),
        ("1.10.2026", "UTC", "%d/%m/%Y", "correct --time-format"),
        (17, "UTC", None, "name the right column with --time-column"),
    ],
)
def test_times_that_mean_no_instant_are_refused(text: object, zone: str | None, time_format: str | None, words: str) -> None:
    """Guessing would move a meter's hours."""
    with pytest.raises(ValueError, match=words):
        stamps(zone and ZoneInfo(zone), time_format)(text)
