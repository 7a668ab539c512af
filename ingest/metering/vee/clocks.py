"""Clocks: a reading's own time against the time it was received."""

from typing import Final

from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.view import Found, Severity, View, minutes

AHEAD_US: Final = 2 * 60 * 1_000_000
"""A reading cannot arrive before it was taken: two minutes are left to clocks that are merely imprecise. Invented; the accept
window of intake (10 minutes into the future) has refused worse.
"""
STALE_US: Final = 2 * HOUR_US
"""Even the fastest reading of the day arrived so much later than it claims to have been taken. Invented."""
STALE_SPREAD_US: Final = HOUR_US
"""A clock that is behind delays all readings alike: a backlog that comes in one burst spreads over hours. Invented."""


def ahead(view: View) -> Found | None:
    """received_at - read_at of the day's fastest reading is below -2 minutes."""
    today = view.today
    if today is None or today.lag_least_us is None or today.lag_least_us >= -AHEAD_US:
        return None
    evidence = {"ahead_minutes": minutes(-today.lag_least_us), "readings": today.readings}
    return Found(Severity.WARNING, _displaced(view, -today.lag_least_us), evidence)


def stale(view: View) -> Found | None:
    """Every reading of the day is older than two hours on arrival, and all by about the same."""
    today = view.today
    if today is None or today.readings < 3 or today.lag_least_us is None or today.lag_most_us is None:
        return None
    most_spread = max(STALE_SPREAD_US, 2 * view.now.interval_us)
    if today.lag_least_us < STALE_US or today.lag_most_us - today.lag_least_us > most_spread:
        return None
    evidence = {
        "behind_minutes": minutes(today.lag_least_us),
        "slowest_minutes": minutes(today.lag_most_us),
        "readings": today.readings,
    }
    return Found(Severity.WARNING, _displaced(view, today.lag_least_us), evidence)


def _displaced(view: View, shift_us: int) -> int:
    """What is booked in the wrong hours: a usual hour's amount for every hour of the shift, at most a day's."""
    return round(view.per_hour() * min(shift_us / HOUR_US, 24))
