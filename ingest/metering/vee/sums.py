"""Sums: tariff registers against the total, the meters behind a meter against it.

Over seven days, so that a reading a few minutes off midnight does not matter; days count where every part is full.
"""

from collections.abc import Sequence
from statistics import median
from typing import Final

from ingest.metering.calendar import Day
from ingest.metering.vee.view import ROBUST, WEEK, Days, Found, Severity, View, units

LEAST_DAYS: Final = 4
"""Of the seven days so many must be full in every part. Invented."""
TARIFF_SHARE: Final = 0.005
"""Difference of total and tariffs, as a share of the total, beyond one display step a register and day. The rule is Oracle's Sum
(S71); the number is invented.
"""
OVER_SHARE: Final = 0.03
"""The parts exceed the whole by this share. Invented: two meters of accuracy class 1 and 2 may differ by it."""
GAP_SHIFT: Final = 0.10
"""What no meter behind sees has changed by a tenth of the whole, as a share and as an amount: on a holiday the shares move, because
the metered part rests. Invented; S57 blocks a period's close at 5 %.
"""
GAP_SPREADS: Final = 6.0
"""... and by so many robust spreads of the weeks before. Invented."""
GAP_WEEKS: Final = 4
"""Weeks before that tell the usual share. Invented."""


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
    """The meters behind a meter add up to more than it, or to another share of it than they used to."""
    sums = _week(view, view.children, view.day)
    if sums is None or sums[0] <= 0 or view.now.role == "check":
        return None
    return _over(view, *sums) or _shift(view, *sums)


def _over(view: View, total: int, parts: int, days: int) -> Found | None:
    """A meter that also feeds back shows the net of a roof nobody meters: then the parts may well exceed it."""
    excess = parts - total
    if view.now.exports or excess <= OVER_SHARE * total + (len(view.children) + 1) * view.now.step * days:
        return None
    evidence = {"meter": units(total), "sum_behind": units(parts), "gap": units(total - parts), "days": days}
    return Found(Severity.CRITICAL, excess, evidence)


def _shift(view: View, total: int, parts: int, days: int) -> Found | None:
    earlier = [_week(view, view.children, view.day - WEEK * weeks) for weeks in range(1, GAP_WEEKS + 1)]
    weeks = [week for week in earlier if week is not None and week[0] > 0]
    if len(weeks) < 2 or view.now.exports:
        return None
    usual = median(1 - week[1] / week[0] for week in weeks)
    spread = ROBUST * median(abs(1 - week[1] / week[0] - usual) for week in weeks)
    share = 1 - parts / total
    if abs(share - usual) <= max(GAP_SHIFT, GAP_SPREADS * spread):
        return None
    gap_before = median((week[0] - week[1]) / week[2] for week in weeks)
    if abs((total - parts) / days - gap_before) <= GAP_SHIFT * median(week[0] / week[2] for week in weeks):
        return None
    evidence = {
        "meter": units(total),
        "sum_behind": units(parts),
        "gap_share": round(share, 3),
        "usual_share": round(usual, 3),
        "days": days,
    }
    return Found(Severity.WARNING, round(abs(share - usual) * total), evidence)


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
