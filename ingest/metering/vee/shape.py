"""The day's shape: one interval far above the others, a register that stands still, and what follows a stand-still."""

from typing import Final

from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import Digest
from ingest.metering.vee.view import (
    EXPORT,
    HISTORY_DAYS,
    LEAST_HISTORY_DAYS,
    Found,
    Severity,
    View,
    hours,
    medians_by_weekday,
    units,
)

SPIKE_OVER_THIRD: Final = 1.8
"""The highest interval exceeds the third-highest by more than 180 % of it. The comparison is Oracle's (S70); the number is said
to be California's, unverified.
"""
SPIKE_OVER_HISTORY: Final = 2.0
"""... and stands out twice as far as the highest hour of any day before, for intermittent use repeats itself. How far hours stand
out hardly changes with the season, how high they are does. Invented; without it hundreds of hours in public series are flagged.
"""
LEAST_STEPS: Final = 20
"""Smaller amounts than so many display steps have no shape. Invented."""
STILL_US: Final = 6 * HOUR_US
"""A stand-still shorter than the first gap limit is not judged. Invented, of one length with that limit."""
STILL_ROOF_US: Final = 24 * HOUR_US
"""Where a roof feeds in, a shorter one is the sun's: so long a time has a night in it. Ours."""
STILL_TIMES: Final = 1.5
"""Times the stand-still that is usual on the weekday with the longest one. Invented."""
STILL_SHARE: Final = 0.1
"""What usually passes in so long a time must be at least this part of a day. Invented."""
FROZEN_READINGS: Final = 3
"""The same value so many times (S73, medium confidence)."""
FROZEN_PACE: Final = 0.5
"""Of what would have passed at the pace before, the advance afterwards makes up at least half. Invented."""
FROZEN_STEPS: Final = 5
"""At the pace before, so many display steps would have passed. Invented: a slow register stands still between two steps."""
CATCH_UP_DAYS: Final = 0.5
"""One interval holds at least half a usual day. Invented."""
CATCH_UP_HOURS: Final = 2.0
"""... and at least twice the highest hour of any day before. Invented."""
GAP_TIMES: Final = 2.0
"""After a silence: at least twice, or at most half, of what usually passes in so long a time. Invented."""


def spike(view: View) -> Found | None:
    """The highest interval of the day stands alone, and further out than on any day before; a charger's also above all of them."""
    today, earlier = view.today, _with_hours(view)
    if (
        view.now.register == EXPORT
        or today is None
        or today.hour_max is None
        or today.hour_third is None
        or len(earlier) < LEAST_HISTORY_DAYS
    ):
        return None
    top = max(digest.hour_max or 0 for digest in earlier)
    excess = today.hour_max - today.hour_third
    before = max((digest.hour_max or 0) - (digest.hour_third or 0) for digest in earlier)
    least = max(SPIKE_OVER_THIRD * today.hour_third, SPIKE_OVER_HISTORY * before, LEAST_STEPS * view.now.step)
    if excess <= least or (view.now.medium == "charger" and today.hour_max <= top):
        return None
    evidence = {
        "highest": units(today.hour_max),
        "third_highest": units(today.hour_third),
        "highest_before": units(top),
        "furthest_out_before": units(before),
    }
    return Found(Severity.WARNING, excess, evidence)


def zero_run(view: View) -> Found | None:
    """Readings arrive and the register does not move, half as long again as it usually stands still on any weekday.

    Chargers are not judged, nor what a roof feeds back; a meter that feeds back stands still while the sun shines.
    """
    today, still = view.today, _usual_still(view)
    least_us = STILL_ROOF_US if view.now.exports else STILL_US
    if today is None or still is None or _may_rest(view):
        return None
    if today.still_us < max(least_us, STILL_TIMES * still + view.now.interval_us):
        return None
    expected = _expected(view, today.still_us)
    if view.usual is None or expected < max(STILL_SHARE * view.usual.mean, LEAST_STEPS * view.now.step):
        return None
    evidence = {"still_hours": hours(today.still_us), "usually_hours": hours(still), "usually_passes": units(expected)}
    return Found(Severity.WARNING, round(expected), evidence)


def never_moves(view: View) -> Found | None:
    """Readings arrive for two weeks and longer, and every one shows the same value: a dead feed, or a spare meter."""
    days = [digest for digest in view.before(HISTORY_DAYS, view.day + 1) if digest.readings]
    if view.today is None or not view.today.readings or len(days) <= LEAST_HISTORY_DAYS or _may_rest(view):
        return None
    shown = {value for digest in days for value in (digest.first_value, digest.last_value)}
    if len(shown) > 1 or any(digest.values > 1 for digest in days):
        return None
    return Found(Severity.INFO, 0, {"value": view.today.last_value, "days_with_readings": len(days)})


def frozen(view: View) -> Found | None:
    """At least three equal readings, then an advance that makes up for them: the meter counted on, what it told did not.

    Not where a roof feeds in: a cloud does the same.
    """
    today, still = view.today, _usual_still(view)
    if today is None or today.catch_up is None or still is None or _may_rest(view) or view.now.exports:
        return None
    one = today.catch_up
    if one.still_us < (FROZEN_READINGS - 1) * (today.interval_median_us or 0) or one.still_us <= STILL_TIMES * still:
        return None
    pace = one.before / one.before_us if one.before_us else 0.0
    if pace * one.still_us < FROZEN_STEPS * view.now.quantum or one.advance < FROZEN_PACE * pace * (one.still_us + one.advance_us):
        return None
    if one.advance < 2 * pace * one.advance_us:
        return None
    amount = one.advance * view.now.scale
    evidence = {"still_hours": hours(one.still_us), "then_advanced": units(amount), "within_hours": hours(one.advance_us)}
    return Found(Severity.INFO, amount, evidence)


def catch_up(view: View) -> Found | None:
    """After a stand-still or a silence more, or less, came at once than can have passed: counted twice, or lost."""
    return _after_still(view) or _after_silence(view)


def _after_still(view: View) -> Found | None:
    today, usual, earlier = view.today, view.usual, _with_hours(view)
    if _may_rest(view) or today is None or today.catch_up is None or usual is None or not earlier:
        return None
    one, top = today.catch_up, max(digest.hour_max or 0 for digest in earlier)
    amount = one.advance * view.now.scale
    most_of_an_hour = CATCH_UP_HOURS * top * max(one.advance_us / HOUR_US, 1)
    if one.advance_us > HOUR_US * 2 or amount < CATCH_UP_DAYS * usual.high or amount < most_of_an_hour:
        return None
    if amount < LEAST_STEPS * view.now.step:
        return None
    evidence = {"came_at_once": units(amount), "still_hours": hours(one.still_us), "highest_hour_before": units(top)}
    return Found(Severity.WARNING, amount, evidence)


def _after_silence(view: View) -> Found | None:
    usual = view.usual
    if view.today is None or usual is None:
        return None
    for jump in view.today.jumps:
        if jump.kind != "unallocated" or jump.amount is None:
            continue
        high, low = (each * jump.duration_us / (24 * HOUR_US) for each in (usual.high, usual.low))
        difference = max(jump.amount - high, low - jump.amount)
        too_much, too_little = jump.amount > GAP_TIMES * high, jump.amount * GAP_TIMES * 2 < low
        if (too_much or too_little) and difference > max(CATCH_UP_DAYS * usual.mean, LEAST_STEPS * view.now.step):
            evidence = {"came_at_once": units(jump.amount), "silent_hours": hours(jump.duration_us), "usually_passes": units(high)}
            return Found(Severity.WARNING, round(difference), evidence)
    return None


def _may_rest(view: View) -> bool:
    """Chargers, which are idle, and what a roof feeds back."""
    return view.now.medium == "charger" or view.now.register == EXPORT


def _with_hours(view: View) -> list[Digest]:
    return [digest for digest in view.before(HISTORY_DAYS) if digest.hours >= 12]


def _usual_still(view: View) -> float | None:
    """The longest of the weekdays' median stand-stills: a Sunday's, for a public holiday is like one."""
    earlier = [(digest.day, float(digest.still_us)) for digest in view.before(HISTORY_DAYS) if digest.readings >= FROZEN_READINGS]
    return max(medians_by_weekday(earlier).values()) if len(earlier) >= LEAST_HISTORY_DAYS else None


def _expected(view: View, still_us: int) -> float:
    return view.per_hour() * still_us / HOUR_US
