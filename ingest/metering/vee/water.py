"""Water that never stops: flow at night, and days without an hour at rest."""

from statistics import median
from typing import Final

from ingest.metering.vee.view import HISTORY_DAYS, LEAST_HISTORY_DAYS, ROBUST, Found, Severity, View, units

NIGHTS: Final = 3
"""So many nights in a row: a cistern that was filled once is no leak. Invented; recipes for home meters use one to three."""
LEAST_NIGHTS: Final = 7
"""With fewer nights before, only the night's share of the day is judged. Invented."""
NIGHT_RISE: Final = 0.1
"""The flow in each of the nights lies above the usual one by this share of an average hour. Invented, tuned on the
simulated city's leaks (a fifth to three fifths of an average hour).
"""
NIGHT_SPREADS: Final = 6.0
"""... and by so many robust spreads. Invented."""
NIGHT_SHARE_NEW: Final = 0.5
"""Of a meter without history: at least half an average hour, all night. Invented: hospitals use a third at night."""
NIGHT_STEPS: Final = 0.5
"""... and by so many display steps an hour: two of four hours, in each of the nights. Invented."""
LEAST_STEPS: Final = 2
"""A flow that never stops is at least so many display steps an hour. Invented."""
RESTING_HOURS: Final = 2
"""Usually so many hours a day are at rest; for three days now, none. Invented."""


def night_minimum(view: View) -> Found | None:
    """Between 01:00 and 05:00 more has flowed than it used to, three nights in a row."""
    nights = [(digest.night_flow, digest.amount) for digest in view.before(NIGHTS, view.day + 1) if digest.night_flow is not None]
    if view.now.medium != "water" or len(nights) < NIGHTS:
        return None
    flow = min(night for night, _ in nights)
    hour = max(amount for _, amount in nights) / 24
    earlier = [digest.night_flow for digest in view.before(HISTORY_DAYS, view.day - NIGHTS + 1) if digest.night_flow is not None]
    if len(earlier) < LEAST_NIGHTS:
        usual, least = 0.0, NIGHT_SHARE_NEW * hour
    else:
        usual = median(earlier)
        spread = ROBUST * median(abs(night - usual) for night in earlier)
        least = max(NIGHT_RISE * (24 * view.per_hour() or hour * 24) / 24, NIGHT_SPREADS * spread)
    rise = flow - usual
    if rise < least or rise < NIGHT_STEPS * view.now.step:
        return None
    evidence = {"night_flow_per_hour": units(flow), "usually": units(usual), "average_hour": units(hour), "nights": NIGHTS}
    return Found(Severity.WARNING, round(24 * rise), evidence)


def continuous_flow(view: View) -> Found | None:
    """For three days no hour was at rest, where at least two hours a day usually are."""
    days = [digest for digest in view.before(NIGHTS, view.day + 1) if digest.hours >= 23]
    earlier = [digest.zero_hours for digest in view.before(HISTORY_DAYS, view.day - NIGHTS + 1) if digest.hours >= 23]
    if view.now.medium != "water" or len(days) < NIGHTS or len(earlier) < LEAST_HISTORY_DAYS:
        return None
    if any(digest.zero_hours for digest in days) or median(earlier) < RESTING_HOURS:
        return None
    least = min(digest.hour_min or 0 for digest in days)
    if least < LEAST_STEPS * view.now.step:
        return None
    evidence = {"smallest_hour": units(least), "resting_hours_usually": median(earlier), "days": NIGHTS}
    return Found(Severity.WARNING, 24 * least, evidence)
