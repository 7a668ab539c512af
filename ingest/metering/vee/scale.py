"""Scale: a thousand times too much or too little, and ratios (CT x PT) that changed while the register went on as before."""

from math import log
from statistics import median
from typing import Final

from ingest.metering.vee.digest import Digest, Jump
from ingest.metering.vee.view import (
    EXPORT,
    HISTORY_DAYS,
    WEEK,
    Facts,
    Found,
    Severity,
    View,
    units,
    usual,
)

SLIP: Final = 1_000
"""Watt-hours for kilowatt-hours, litres for cubic metres."""
SLIP_FACTOR: Final = 2.0
"""A day may lie this factor to either side of a thousand times the usual. Invented."""
SLIP_PRECISION: Final = 0.01
"""A register's value lies this near to a thousand times the one before. Invented."""
RATIO_FACTOR: Final = 1.3
"""A change of ratio by less is not told from weather. Invented."""
RATIO_PRECISION: Final = 0.3
"""Consumption moved by the ratio's own change, within so much of it on a logarithmic scale. Invented."""


def unit_slip(view: View) -> Found | None:
    """The day, or a value of the register, is a thousand times what it was, or a thousandth."""
    return _of_the_day(view) or _of_a_value(view)


def _of_the_day(view: View) -> Found | None:
    """Of what a roof feeds back days are not compared: from a cloudy week to a bright one it grows a thousandfold by itself.

    Nor is a charger's day a thousandth: somebody plugged in for a minute.
    """
    today, before = view.today, view.usual
    if today is None or before is None or not today.is_full or today.amount <= 0 or before.mean <= 0 or view.now.register == EXPORT:
        return None
    factor = today.amount / before.like(view.day) if before.like(view.day) else 0.0
    for slip in (float(SLIP), 1 / SLIP) if view.now.medium != "charger" else (float(SLIP),):
        if slip / SLIP_FACTOR <= factor <= slip * SLIP_FACTOR and max(today.amount, before.mean) >= SLIP * view.now.step:
            evidence = {"factor": round(factor, 4), "amount": units(today.amount), "usually": units(before.like(view.day))}
            return Found(Severity.CRITICAL, round(abs(today.amount - before.like(view.day))), evidence)
    return None


def _of_a_value(view: View) -> Found | None:
    """Where the display has wrapped, a value slipped by a thousand still ends in three zeros."""
    for jump in view.today.jumps if view.today else ():
        if jump.kind in ("dip", "spike", "unexplained", "reset", "exchange") and _is_slip(jump, view.now):
            evidence = {"value": jump.to_value, "value_before": jump.from_value, "event": jump.kind}
            return Found(Severity.WARNING, round(view.per_hour()), evidence)
    return None


def _is_slip(jump: Jump, facts: Facts) -> bool:
    if not jump.from_value or not jump.to_value:
        return False
    factor = jump.to_value / jump.from_value
    near = any(abs(factor / slip - 1) < SLIP_PRECISION for slip in (SLIP, 1 / SLIP))
    wrapped = facts.modulus is not None and jump.to_value % (SLIP * facts.quantum) == 0 and jump.from_value * SLIP > facts.modulus
    return near or wrapped


def ratio_change(view: View) -> Found | None:
    """Judged a week after a change of ratio: consumption moved by the same factor, so the register did not notice it.

    A current transformer that was truly exchanged changes the register's pace and leaves the consumption as it was.
    """
    changed = view.day - WEEK + 1
    new, old = view.at(changed), view.at(changed - 1)
    if new.since != changed or new is old or abs(log(new.ratio_milli / old.ratio_milli)) < log(RATIO_FACTOR):
        return None
    before = usual(view.before(HISTORY_DAYS, changed))
    after = _full(view, changed)
    if before is None or len(after) < 4:
        return None
    moves = [digest.amount / before.like(digest.day) for digest in after if before.like(digest.day) > 0 and digest.amount > 0]
    if not moves:
        return None
    move, ratio = median(moves), new.ratio_milli / old.ratio_milli
    if abs(log(move / ratio)) > RATIO_PRECISION * abs(log(ratio)):
        return None
    evidence = {
        "ratio_before": old.ratio_milli / 1000,
        "ratio": new.ratio_milli / 1000,
        "consumption_moved_by": round(move, 3),
        "days_since_change": WEEK - 1,
    }
    return Found(Severity.CRITICAL, round(abs(move - 1) * before.mean * WEEK), evidence)


def _full(view: View, since: int) -> list[Digest]:
    return [digest for day in range(since, view.day + 1) if (digest := view.digests.get(day)) and digest.is_full]
