"""The rules of validation together: ordinary days are quiet, strange ones break nothing, order does not matter."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import CatchUp, Jump
from ingest.metering.vee.episodes import findings
from ingest.metering.vee.rules import RULES, Signal, judge
from ingest.metering.vee.view import DAY_US, LOOK_BACK_DAYS, Found, Severity, View
from ingest.metrics import Metrics
from tests.databases import ROOT
from tests.vee import KWH, TODAY, facts, history, names, ordinary, view

WATER = facts(medium="water", register="volume_m3", quantum=1)


@pytest.mark.parametrize("day", range(TODAY - 6, TODAY + 1))
@pytest.mark.parametrize("medium", ["electricity", "water", "charger"])
def test_an_ordinary_week_is_quiet(day: int, medium: str) -> None:
    """Workdays and weekends of a known pattern: no rule says anything."""
    assert [] == names(view(history(until=day), day, facts(medium=medium)))


def test_a_public_holiday_is_quiet() -> None:
    """A Wednesday that looks like a Sunday, also with the standstill of one."""
    sunday = ordinary(date(2026, 9, 27).toordinal())
    days = history()
    for day, digest in days.items():
        if date.fromordinal(day).weekday() == 6:
            days[day] = replace(digest, still_us=12 * HOUR_US, zero_hours=12)
    days[TODAY] = replace(sunday, day=TODAY, still_us=13 * HOUR_US, zero_hours=13)

    assert [] == names(view(days))


def test_a_make_up_workday_is_quiet() -> None:
    """A Sunday that looks like a Monday."""
    sunday = date(2026, 9, 20).toordinal()

    assert [] == names(view(history(until=sunday), sunday, amount=250 * KWH, hour_max=22 * KWH, hour_third=20 * KWH))


@pytest.mark.parametrize("hours", [23, 25])
def test_days_of_23_and_25_hours_are_quiet(hours: int) -> None:
    """Where clocks change the day is another length, and its readings are one fewer or more."""
    length = hours * HOUR_US
    amount = 240 * KWH * hours // 24

    assert [] == names(view(length_us=length, measured_us=length, amount=amount, hours=hours, readings=hours))


@pytest.mark.parametrize("days", range(14))
def test_nothing_is_unusual_of_a_new_meter(days: int) -> None:
    """Rules that need history say nothing before two weeks of it, whatever the day looks like."""
    strange = view(
        history(days),
        amount=2400 * KWH,
        hour_max=900 * KWH,
        still_us=20 * HOUR_US,
        catch_up=CatchUp(20 * HOUR_US, 10**6, HOUR_US, 0, 1),
    )

    assert [] == names(strange)


def test_a_view_without_any_day_is_quiet() -> None:
    """A channel that was never heard gives no finding."""
    assert [] == names(View(TODAY, (facts(),), {}))


def test_a_tariff_that_rests_out_of_its_season_is_no_finding() -> None:
    """Nor is a silent meter one finding a register; two values for one time are, of a tariff too."""
    still = {"still_us": 47 * HOUR_US, "amount": 0, "values": 1}
    tariff = facts(register="energy_import_tariff_1_kwh")

    assert ["zero_run"] == [signal.rule for signal in judge(view(**still))]
    assert [] == judge(view(of=tariff, **still))
    assert ["conflict"] == [signal.rule for signal in judge(view(of=tariff, conflicts=1, **still))]


@pytest.mark.parametrize(
    ("own", "its", "says"),
    [
        ((5_000_000, 90_010), (90_000, 5_000_020), True),
        ((5_000_000, 90_010), (90_000, 4_999_999), False),  # its register has not come from here
        ((5_000_000, 89_999), (90_000, 5_000_020), False),  # this one not from there
        ((5_000_000, 490_001), (90_000, 5_000_020), False),  # nor by more than a meter counts in both steps
        ((5_000_000, 490_000), (90_000, 5_000_020), True),
    ],
)
def test_swapped_are_registers_of_which_each_goes_on_from_where_the_other_was(
    own: tuple[int, int], its: tuple[int, int], says: bool
) -> None:
    """In steps of an hour each, at a rated capacity of 100 kWh an hour: 400 kWh, and one step of the display's."""
    other = view(of=facts(quantum=0), events=1, jumps=(Jump("unexplained", *its, HOUR_US, None),))
    mine = view(of=facts(quantum=0), events=1, jumps=(Jump("reset", *own, HOUR_US, 1),))
    found = RULES["swapped"].judge(replace(mine, beside={"E2": other}))
    assert says == (found is not None)
    assert found is None or "E2" == found.evidence["with"]
    assert RULES["swapped"].judge(mine) is None


def test_rules_say_what_they_are() -> None:
    """Every rule has a sentence for people, at least one severity, and a line in the documentation."""
    page = (ROOT / "docs" / "vee.md").read_text(encoding="utf-8")

    assert all(rule.severities for rule in RULES.values())
    assert [] == [name for name in RULES if f"\n| `{name}` |" not in page]
    assert all((rule.judge.__doc__ or "").strip() for rule in RULES.values())


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 60), st.integers(0, 5)), unique_by=lambda each: each[:2]))
def test_findings_do_not_depend_on_the_order_of_signals(signals: list[tuple[str, int, int]]) -> None:
    """Days at most three apart are one finding, in whatever order they were judged; no day is lost."""
    made = [Signal(rule, day, Found(Severity.INFO, impact, {"day": day})) for rule, day, impact in signals]
    together = findings(made)

    assert together == findings(made[::-1])
    assert len(made) == sum(finding.days for finding in together)
    assert all(later.from_day - earlier.to_day > 3 for earlier, later in pairwise(together) if earlier.rule == later.rule)


NUMBERS = st.sampled_from([None, 0, 1, 100, HOUR_US, DAY_US, 10**15])
COUNTS = st.sampled_from([0, 1, 3, 12, 24, 25, 96])
JUMPS = st.builds(Jump, st.sampled_from(["dip", "unexplained", "unallocated", "reset"]), NUMBERS, NUMBERS, COUNTS, NUMBERS)
STRANGE = st.fixed_dictionaries(
    {name: NUMBERS.map(lambda number: number or 0) for name in ("amount", "measured_us", "still_us")}
    | dict.fromkeys(
        ("hour_max", "hour_third", "hour_min", "night_flow", "interval_median_us", "lag_least_us", "lag_most_us"), NUMBERS
    )
    | dict.fromkeys(("hours", "zero_hours", "readings", "values", "conflicts"), COUNTS)
    | {
        "catch_up": st.none() | st.builds(CatchUp, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
        "jumps": st.lists(JUMPS, max_size=3).map(tuple),
    }
)


@given(
    st.lists(STRANGE, min_size=3, max_size=3),
    st.lists(STRANGE, min_size=1, max_size=3),
    st.sampled_from(["electricity", "water", "charger"]),
)
def test_no_rule_fails_on_any_day(earlier: list[dict], latest: list[dict], medium: str) -> None:
    """Zeros, gaps and giants in any combination: a rule that raised would end the settler."""
    days = {day: replace(ordinary(day), **earlier[day % 3]) for day in range(TODAY - LOOK_BACK_DAYS, TODAY + 1)}
    days |= {TODAY - at: replace(ordinary(TODAY - at), **strange) for at, strange in enumerate(latest)}
    versions = (facts(medium=medium), facts(medium=medium, since=TODAY - 6, ratio_milli=1))

    signals = judge(View(TODAY, versions, days, [days, days], [days]))

    assert all(isinstance(signal.found.impact, int) for signal in signals)
    assert all(signal.found.severity in RULES[signal.rule].severities for signal in signals)


def test_open_findings_stand_in_the_metrics_at_zero_until_there_are_some() -> None:
    """One series a rule and severity that it gives; none names a meter."""
    metrics = Metrics(CollectorRegistry())
    metrics.show_findings({("silent", "critical"): 7})
    shown = metrics.registry.get_sample_value

    assert shown("meterwarden_findings_open", {"rule": "silent", "severity": "critical"}) == 7
    assert shown("meterwarden_findings_open", {"rule": "frozen", "severity": "info"}) == 0
    assert shown("meterwarden_findings_open", {"rule": "frozen", "severity": "critical"}) is None


def test_judging_looks_no_further_back_than_it_says() -> None:
    """Days before the window change nothing: only so is what a round judges what a rebuild judges."""
    older = {
        day: replace(ordinary(day), amount=10**9 * KWH, still_us=24 * HOUR_US) for day in range(TODAY - 300, TODAY - LOOK_BACK_DAYS)
    }
    strange = {"amount": 600 * KWH, "still_us": 20 * HOUR_US, "hour_max": 400 * KWH, "night_flow": 9 * KWH, "readings": 9}
    for of in (facts(), WATER):
        assert judge(view(of=of, **strange)) == judge(view(older | history(), of=of, **strange))
