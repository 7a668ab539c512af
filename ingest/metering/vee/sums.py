"""Sums: tariff registers against the total, the meters behind a meter against it.

Over seven days, so that a reading a few minutes off midnight does not matter; days count where every part is full.
"""

from collections.abc import Collection, Sequence
from statistics import median
from typing import Final, NamedTuple

from ingest.metering.calendar import Day
from ingest.metering.vee.view import (
    HISTORY_DAYS,
    LEAST_HISTORY_DAYS,
    ROBUST,
    WEEK,
    Days,
    Found,
    Severity,
    View,
    medians_by_weekday,
    units,
)

LEAST_DAYS: Final = 4
"""Of the seven days so many must be full in every part. Invented."""
TARIFF_SHARE: Final = 0.005
"""Difference of total and tariffs, as a share of the total, beyond one display step a register and day. The rule is Oracle's Sum
(S71); the number is invented.
"""
OVER_SHARE: Final = 0.03
"""The parts exceed the whole by this share. Invented: two meters of accuracy class 1 and 2 may differ by it."""
GAP_SHARE: Final = 0.05
"""What no meter behind sees lies so far outside of its usual range: of the meter's usual day as an amount, and in points as a share
of the meter, for where the whole falls, so does each part. S57 closes no period with a gap above 5 %; a usual gap may be any.
"""
GAP_SPREADS: Final = 6.0
"""... and by so many robust spreads of its days. Invented."""


def tariffs(view: View) -> Found | None:
    """The tariff registers of a week do not add up to the total register."""
    sums = _week(view, view.tariffs, view.day)
    if sums is None:
        return None
    total, parts, days = sums
    difference = total - parts
    if abs(difference) <= TARIFF_SHARE * total + (len(view.tariffs) + 1) * view.now.step * days:
        return None
    evidence = {"total": units(total), "sum_of_tariffs": units(parts), "difference": units(difference), "days": days}
    return Found(Severity.WARNING, abs(difference), evidence)


def children(view: View) -> Found | None:
    """The meters behind a meter add up to more than it, or leave more or less of it unseen than they do on any weekday."""
    sums = _week(view, view.children, view.day)
    if sums is None or sums[0] <= 0 or view.now.role == "check":
        return None
    return _over(view, *sums) or _shift(view)


def _over(view: View, total: int, parts: int, days: int) -> Found | None:
    """A meter that also feeds back shows the net of a roof nobody meters: then the parts may well exceed it."""
    excess = parts - total
    if view.now.exports or excess <= OVER_SHARE * total + (len(view.children) + 1) * view.now.step * days:
        return None
    evidence = {"meter": units(total), "sum_behind": units(parts), "gap": units(total - parts), "days": days}
    return Found(Severity.CRITICAL, excess, evidence)


def _shift(view: View) -> Found | None:
    """What no meter behind sees is a meter of its own (the gap meter): on average of a week's days, more than its busiest weekday
    brings, or less than its quietest. A holiday moves its share of the whole, and makes it no other than a Sunday's.
    """
    since = view.day - WEEK + 1
    week, before = _gaps(view, since, WEEK), _gaps(view, since - HISTORY_DAYS, HISTORY_DAYS)
    if view.now.exports or len(week) < LEAST_DAYS or len(before) < LEAST_HISTORY_DAYS:
        return None
    unseen, of = sum(gap.amount for gap in week) / len(week), sum(gap.of for gap in week) / len(week)
    usual = medians_by_weekday([(gap.day, gap.amount) for gap in before])
    spread = ROBUST * median(abs(gap.amount - usual[gap.day % WEEK]) for gap in before)
    least = max(GAP_SHARE * median(gap.of for gap in before), GAP_SPREADS * spread, (len(view.children) + 1) * view.now.step)
    outside = _outside(unseen, usual.values())
    shares = medians_by_weekday([(gap.day, gap.amount / gap.of) for gap in before if gap.of])
    if outside <= least or not shares or _outside(unseen / of, shares.values()) <= GAP_SHARE:
        return None
    evidence = {
        "unseen_a_day": units(unseen),
        "usually_from": units(min(usual.values())),
        "usually_to": units(max(usual.values())),
        "meter_a_day": units(of),
        "days": len(week),
    }
    return Found(Severity.WARNING, round(outside * len(week)), evidence)


def _outside(number: float, usual: Collection[float]) -> float:
    """How far a number lies outside of a range; not above zero within it."""
    return max(number - max(usual), min(usual) - number)


class _Gap(NamedTuple):
    """What no meter behind a meter sees of its day."""

    day: Day
    amount: int
    of: int


def _gaps(view: View, first: Day, days: int) -> list[_Gap]:
    """Of those of some days that are full in every part."""
    found = []
    for day in range(first, first + days):
        whole = view.digests.get(day)
        parts = [digest.amount for each in view.children if (digest := each.get(day)) and digest.is_full]
        if whole and whole.is_full and len(parts) == len(view.children):
            found.append(_Gap(day, whole.amount - sum(parts), whole.amount))
    return found


def _week(view: View, parts: Sequence[Days], until: Day) -> tuple[int, int, int] | None:
    """Whole, sum of parts and number of days over the full days of a week; None where they are too few."""
    if not parts:
        return None
    total, of_parts, days = 0, 0, 0
    for day in range(until - WEEK + 1, until + 1):
        whole = view.digests.get(day)
        found = [digest for each in parts if (digest := each.get(day)) and digest.is_full]
        if whole and whole.is_full and len(found) == len(parts):
            total += whole.amount
            of_parts += sum(digest.amount for digest in found)
            days += 1
    return (total, of_parts, days) if days >= LEAST_DAYS else None
