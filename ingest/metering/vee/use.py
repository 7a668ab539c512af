"""High and low use: a day's amount against average daily usage, told from like days.

Oracle's High/Low normalises the total by average daily usage of the history (S69). Here the comparison is with the weekday that
uses most, or least: so a public holiday (a workday that looks like a Sunday) and a make-up workday (a Sunday that looks like a
Monday) are ordinary. The distance must also exceed what days usually vary by, so that no flat percentage decides.
"""

from statistics import median
from typing import Final, NamedTuple

from ingest.metering.vee.digest import NIGHT_HOURS
from ingest.metering.vee.view import EXPORT, HISTORY_DAYS, LEAST_HISTORY_DAYS, ROBUST, Found, Severity, Usual, View, units

HIGH_TIMES: Final = {"electricity": 2.5, "water": 3.0}
"""Times the busiest weekday's median. Invented, tuned on the simulated city: a hot spell doubles a whole building."""
HIGH_BASE_TIMES: Final = 2.5
"""What runs at night has grown to so many times its median: a hot spell lifts days more than nights, a register that counts the
multiple lifts both. Invented; with 2 a heat wave's nights are called high.
"""
HIGH_BASE_DAY_TIMES: Final = 1.5
"""... while the day came to at least so many times the busiest weekday's median. Invented."""
LOW_TIMES: Final = {"electricity": 0.15, "water": 0.1}
"""Times the quietest weekday's median. Invented, tuned likewise: in the vacations a school uses a fifth of a Sunday."""
LOW_SPREADS: Final = 4.0
"""... and below it by so many robust spreads of the days at rest. Invented: it is a rest day's limit, not a workday's."""
BASE_TIMES: Final = 0.15
"""What runs at night has fallen to this part of its median: a building that rests still has its base load, a current transformer
that lost its contact has not. Invented.
"""
BASE_DAY_TIMES: Final = 0.25
"""... while the day came to at most this part of the quietest weekday's median. Invented."""
BASE_STEPS: Final = 7
"""A usual night of fewer display steps tells nothing: of seven, one step is less than 0.15."""
AIR_CONDITIONING: Final = "B"
"""First letter of sub-items whose use is the weather's: within a week of May it rises sixfold. High use of them is not judged."""
SPREADS: Final = 6.0
"""Times the robust spread of days about their weekday's median. Invented: as rare as six standard deviations."""
STEPS: Final = 10
"""Differences below so many display steps are not judged: a day may be off by one. Invented."""
SLIPS_FROM: Final = 400.0
"""From here on it is a matter of units, not of use (scale.py)."""


def high(view: View) -> Found | None:
    """A day is 2.5 times the busiest weekday's median (water: three) and six spreads above it, or its base load has multiplied."""
    today, usual = view.today, view.usual
    if today is None or usual is None or not _is_judged(view) or _is_weather(view):
        return None
    if today.amount >= SLIPS_FROM * max(usual.high, 1):
        return None
    excess = today.amount - usual.high
    if excess < _least(view) or not (_is_above_busiest(view, usual) or _multiplies_base(view, usual)):
        return None
    if excess > usual.mean * 9:
        return Found(Severity.CRITICAL, round(excess), _evidence(view, usual.high))
    return Found(Severity.WARNING, round(excess), _evidence(view, usual.high))


def low(view: View) -> Found | None:
    """A day's amount is above zero and below what days at rest come to, or its base load has gone: a part is not counted."""
    today, usual = view.today, view.usual
    if today is None or usual is None or not _is_judged(view) or today.amount <= 0:
        return None
    if usual.low - today.amount < _least(view) or not (_is_below_rest(view, usual) or _lacks_base(view, usual)):
        return None
    evidence = {**_evidence(view, usual.low), "night_flow_per_hour": units(today.night_flow or 0)}
    return Found(Severity.WARNING, round(usual.like(view.day) - today.amount), evidence)


def _is_above_busiest(view: View, usual: Usual) -> bool:
    """At least 2.5 times (water: three) the busiest weekday's median, and six spreads above it."""
    amount = view.digests[view.day].amount
    return amount >= HIGH_TIMES[view.now.medium] * usual.high and amount - usual.high >= SPREADS * usual.spread


def _is_below_rest(view: View, usual: Usual) -> bool:
    """At most 0.15 (water: 0.1) of the quietest weekday's median, and four spreads of the days at rest below it.

    Not where a roof feeds in: a bright day leaves nothing to import.
    """
    amount = view.digests[view.day].amount
    return (
        not view.now.exports
        and amount <= LOW_TIMES[view.now.medium] * usual.low
        and usual.low - amount >= LOW_SPREADS * usual.rest_spread
    )


def _lacks_base(view: View, usual: Usual) -> bool:
    """At most a quarter of the quietest weekday's median, and at night (without roofs) at most 0.15 of what usually runs."""
    nights, amount = _nights(view), view.digests[view.day].amount
    return nights is not None and nights.tonight <= BASE_TIMES * nights.usual and amount <= BASE_DAY_TIMES * usual.low


def _multiplies_base(view: View, usual: Usual) -> bool:
    """At least 1.5 times the busiest weekday's median, and at night 2.5 times what usually runs, by six spreads of the nights."""
    nights, amount = _nights(view), view.digests[view.day].amount
    if nights is None or amount < HIGH_BASE_DAY_TIMES * usual.high:
        return False
    return nights.tonight >= HIGH_BASE_TIMES * nights.usual and nights.tonight - nights.usual >= SPREADS * nights.spread


class _Nights(NamedTuple):
    """An average hour of the night: on the day, usually, and by how much nights differ."""

    tonight: int
    usual: float
    spread: float


def _nights(view: View) -> _Nights | None:
    """None where they are not known, too little to tell, or water's, which may rest."""
    today = view.digests[view.day].night_flow
    nights = [digest.night_flow for digest in view.before(HISTORY_DAYS) if digest.night_flow is not None]
    if view.now.medium != "electricity" or today is None or len(nights) < LEAST_HISTORY_DAYS:
        return None
    usually = median(nights)
    if (NIGHT_HOURS[1] - NIGHT_HOURS[0]) * usually < BASE_STEPS * view.now.step:
        return None
    return _Nights(today, usually, ROBUST * median(abs(night - usually) for night in nights))


def _is_judged(view: View) -> bool:
    return view.now.medium in HIGH_TIMES and view.now.register != EXPORT and view.today is not None and view.today.is_full


def _is_weather(view: View) -> bool:
    return (view.now.sub_item or "").startswith(AIR_CONDITIONING)


def _least(view: View) -> int:
    return STEPS * view.now.step


def _evidence(view: View, against: float) -> dict[str, float | int]:
    assert view.today is not None
    assert view.usual is not None
    return {
        "amount": units(view.today.amount),
        "against": units(against),
        "average_daily_usage": units(view.usual.mean),
        "spread": units(view.usual.spread),
        "history_days": view.usual.days,
    }
