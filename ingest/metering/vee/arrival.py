"""What arrives: meters silent or never heard, missing readings, another interval than before, keys with several values."""

from datetime import date
from statistics import median
from typing import Final

from ingest.metering.vee.view import DAY_US, LOOK_BACK_DAYS, Found, Severity, View, minutes

SILENT_INTERVALS: Final = 2
"""A meter that reads less than daily is silent after so many of its intervals. Invented."""
SILENT_CRITICAL_DAYS: Final = 3
"""From here on what is lost may outlast a gateway's memory. Invented."""
MISSING_SHARE: Final = 0.25
"""Of the readings expected, at least so many are missing. Invented; S57 closes no period with a gap above 5 %, but two readings
prove a day.
"""
INTERVAL_TIMES: Final = 1.5
"""The median interval of the day is so many times longer or shorter than it was on each of the seven days before. Invented."""
INTERVAL_STEADY: Final = 1.2
"""... on which it varied by less than this factor. Invented."""
NEVER_HEARD_GRACE_DAYS: Final = 7
"""A meter may be registered so long before it is commissioned. Invented: a week's work order."""
NEVER_HEARD_LOAD: Final = 0.1
"""Of its rated capacity a meter nobody has heard is taken to pass so much, day and night. Invented: it only ranks."""
NEVER_HEARD_DAYS: Final = 28
"""... over the days that the board compares with, so that the amount does not grow for ever. As `impact_share`'s."""
LEAST_READINGS: Final = 4
"""With fewer readings a day has no median interval. Invented."""


def silent(view: View) -> Found | None:
    """No reading on the day, from a meter that has been heard in the eight weeks before."""
    if view.today is not None and view.today.readings:
        return None
    heard = [digest.day for digest in view.before(LOOK_BACK_DAYS) if digest.readings]
    if not heard:
        return None
    days = view.day - heard[-1]
    if days * DAY_US < max(DAY_US, SILENT_INTERVALS * view.now.interval_us):
        return None
    severity = Severity.CRITICAL if days >= SILENT_CRITICAL_DAYS else Severity.WARNING
    return Found(severity, round(24 * view.per_hour()), {"days": days})


def never_heard(view: View) -> Found | None:
    """Registered for a week and longer, and nothing was ever received: never commissioned, or under another name."""
    if view.unheard_since is None or view.day < view.unheard_since + NEVER_HEARD_GRACE_DAYS:
        return None
    amount = NEVER_HEARD_LOAD * view.now.capacity * 24 * NEVER_HEARD_DAYS
    return Found(Severity.WARNING, round(amount), {"registered_on": date.fromordinal(view.unheard_since).isoformat()})


def missing(view: View) -> Found | None:
    """A quarter of the day's readings or more did not arrive; a meter that never sent so many is not expected to."""
    today = view.today
    if today is None or not today.readings:
        return None
    expected = today.length_us / view.now.interval_us
    earlier = [digest.readings for digest in view.before(14) if digest.readings]
    if len(earlier) >= 7:
        expected = min(expected, median(earlier))
    share = 1 - today.readings / expected if expected >= LEAST_READINGS else 0.0
    if share < MISSING_SHARE:
        return None
    evidence = {
        "readings": today.readings,
        "expected": round(expected),
        "longest_gap_minutes": minutes(today.interval_most_us or 0),
    }
    return Found(Severity.INFO, round(share * 24 * view.per_hour()), evidence)


def interval(view: View) -> Found | None:
    """Readings come half as often, or half as often again, as on each of the seven days before."""
    today = view.today
    earlier = [digest.interval_median_us for digest in view.before(7) if digest.readings >= LEAST_READINGS]
    if today is None or today.readings < LEAST_READINGS or not today.interval_median_us or len(earlier) < 3:
        return None
    known = [each for each in earlier if each]
    if not known or max(known) > INTERVAL_STEADY * min(known):
        return None
    factor = today.interval_median_us / median(known)
    if 1 / INTERVAL_TIMES < factor < INTERVAL_TIMES:
        return None
    evidence = {
        "interval_minutes": minutes(today.interval_median_us),
        "before_minutes": minutes(median(known)),
        "registered_minutes": minutes(view.now.interval_us),
    }
    return Found(Severity.INFO, 0, evidence)


def conflict(view: View) -> Found | None:
    """Several values are claimed for one and the same time: settlement uses none of them until somebody decides."""
    if view.today is None or not view.today.conflicts:
        return None
    disputed_hours = min(view.today.conflicts * view.now.interval_us, DAY_US) / DAY_US * 24
    return Found(Severity.WARNING, round(view.per_hour() * disputed_hours), {"disputed_keys": view.today.conflicts})
