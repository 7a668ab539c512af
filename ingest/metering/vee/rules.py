"""Every rule, one line each: what it is called, the function that judges, the severities it may give."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ingest.metering.calendar import Day
from ingest.metering.vee import arrival, clocks, jumps, scale, shape, sums, use, water
from ingest.metering.vee.view import Found, Severity, View

INFO, WARNING, CRITICAL = Severity


class Rule(NamedTuple):
    """A rule by name, and which severities it gives."""

    judge: Callable[[View], Found | None]
    severities: tuple[Severity, ...] = (WARNING,)
    of_tariffs: bool = False
    """Whether it judges registers of tariffs too. What a meter uses, and whether it is heard, is judged by its total: a tariff
    rests out of its season (sharp hours are those of the hottest and coldest months), and a silent meter is one finding, not five.
    """


RULES: Final[Mapping[str, Rule]] = {
    "clock_ahead": Rule(clocks.ahead),
    "clock_stale": Rule(clocks.stale),
    "high_use": Rule(use.high, (WARNING, CRITICAL)),
    "low_use": Rule(use.low),
    "interval_spike": Rule(shape.spike),
    "zero_run": Rule(shape.zero_run),
    "never_moves": Rule(shape.never_moves, (INFO,)),
    "frozen": Rule(shape.frozen, (INFO,)),
    "catch_up": Rule(shape.catch_up),
    "silent": Rule(arrival.silent, (WARNING, CRITICAL)),
    "never_heard": Rule(arrival.never_heard),
    "missing": Rule(arrival.missing, (INFO,)),
    "interval_change": Rule(arrival.interval, (INFO,)),
    "conflict": Rule(arrival.conflict, of_tariffs=True),
    "sum_of_tariffs": Rule(sums.tariffs),
    "sum_of_children": Rule(sums.children, (WARNING, CRITICAL)),
    "unit_slip": Rule(scale.unit_slip, (WARNING, CRITICAL), of_tariffs=True),
    "ratio_change": Rule(scale.ratio_change, (CRITICAL,)),
    "night_minimum": Rule(water.night_minimum),
    "continuous_flow": Rule(water.continuous_flow),
    "unexplained": Rule(jumps.unexplained, of_tariffs=True),
    "swapped": Rule(jumps.swapped, (CRITICAL,)),
    "wrong_values": Rule(jumps.wrong_values, (INFO,), of_tariffs=True),
}


class Signal(NamedTuple):
    """A rule's answer for one day of one channel."""

    rule: str
    day: Day
    found: Found


def judge(view: View) -> list[Signal]:
    """What the rules say of the view's day."""
    of = [(name, rule) for name, rule in RULES.items() if rule.of_tariffs or not view.now.is_tariff]
    return [Signal(name, view.day, found) for name, rule in of if (found := rule.judge(view)) is not None]
