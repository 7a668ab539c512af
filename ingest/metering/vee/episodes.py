"""Signals of single days -> findings: days in a row, or nearly, are one finding.

A finding is a function of its channel's signals alone, and a signal of a fixed window of rows: so neither the order in which days
were settled nor a rebuild changes any.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from ingest.metering.calendar import Day
from ingest.metering.vee.arrival import NEVER_HEARD_GRACE_DAYS
from ingest.metering.vee.rules import Signal, judge
from ingest.metering.vee.view import Evidence, Severity, View

JOINED_DAYS: Final = 3
"""Two signals of one rule at most so many days apart belong to one finding. Invented: a weekend does not cut a fault in two."""

_ORDER: Final = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found on a channel from one day to another, with the evidence of the day that weighs most."""

    rule: str
    from_day: Day
    to_day: Day
    days: int
    severity: Severity
    impact: int
    evidence: Evidence


def findings(signals: Iterable[Signal]) -> list[Finding]:
    """The findings of one channel, from all its signals."""
    found = []
    for _, of_rule in groupby(sorted(signals, key=lambda signal: signal[:2]), lambda signal: signal.rule):
        run: list[Signal] = []
        for signal in of_rule:
            if run and signal.day - run[-1].day > JOINED_DAYS:
                found.append(_finding(run))
                run = []
            run.append(signal)
        found.append(_finding(run))
    return found


def never_heard(view: View) -> list[Finding]:
    """What a view says of a meter that was never heard: one finding since its grace ended, for no day differs from another."""
    if view.unheard_since is None:
        return []
    first = view.unheard_since + NEVER_HEARD_GRACE_DAYS
    return [replace(finding, from_day=first, days=view.day - first + 1) for finding in findings(judge(view))]


def _finding(run: list[Signal]) -> Finding:
    """Of several days that weigh the same, the first gives the evidence."""
    weightiest = max(run, key=lambda signal: (_ORDER[signal.found.severity], signal.found.impact))
    return Finding(
        rule=run[0].rule,
        from_day=run[0].day,
        to_day=run[-1].day,
        days=len(run),
        severity=weightiest.found.severity,
        impact=sum(signal.found.impact for signal in run),
        evidence=weightiest.found.evidence,
    )
