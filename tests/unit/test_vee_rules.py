"""Every rule of validation: it fires on its fault, and keeps still on what is ordinary."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import CatchUp, Jump
from ingest.metering.vee.episodes import findings, never_heard
from ingest.metering.vee.rules import RULES, Signal, judge
from ingest.metering.vee.view import DAY_US, LOOK_BACK_DAYS, Found, Severity, View
from ingest.metrics import Metrics
from tests.vee import KWH, TODAY, facts, found, history, names, ordinary, view

MINUTE_US = 60_000_000
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


def test_clock_ahead() -> None:
    """A reading from the future, by more than two minutes."""
    assert found("clock_ahead", view(lag_least_us=-3 * MINUTE_US)).evidence["ahead_minutes"] == 3
    assert found("clock_ahead", view(lag_least_us=-MINUTE_US)) is None


def test_clock_stale() -> None:
    """All readings late by the same; a backlog, late by anything between, is none."""
    late = 3 * HOUR_US

    assert found("clock_stale", view(lag_least_us=late, lag_most_us=late + 5 * MINUTE_US)).evidence["behind_minutes"] == 180
    assert found("clock_stale", view(lag_least_us=late, lag_most_us=late + 20 * HOUR_US)) is None
    assert found("clock_stale", view(lag_least_us=HOUR_US, lag_most_us=HOUR_US)) is None


def test_high_use() -> None:
    """Nearly three times the busiest weekday; twice is no finding, and air conditioning follows the weather."""
    high = found("high_use", view(amount=700 * KWH))

    assert high.severity is Severity.WARNING
    assert 455 * KWH < high.impact < 465 * KWH
    assert found("high_use", view(amount=480 * KWH)) is None
    assert found("high_use", view(of=facts(sub_item="B1"), amount=700 * KWH)) is None
    assert found("high_use", view(amount=9000 * KWH)).severity is Severity.CRITICAL


def test_high_use_needs_more_than_the_usual_spread() -> None:
    """A meter whose days differ wildly by themselves doubles without a finding."""
    days = history()
    for number, (day, digest) in enumerate(days.items()):
        days[day] = replace(digest, amount=[20, 400][number % 2] * KWH)

    assert found("high_use", view(days, amount=1100 * KWH)) is None


def test_low_use() -> None:
    """Less than 0.15 of the quietest weekday, but not zero; neither a charger nor a roof's meter."""
    assert found("low_use", view(amount=10 * KWH)).evidence["amount"] == 10
    assert found("low_use", view(amount=12 * KWH)) is None
    assert found("low_use", view(amount=0)) is None
    assert found("low_use", view(of=facts(exports=True), amount=10 * KWH)) is None
    assert found("low_use", view(of=facts(medium="charger"), amount=10 * KWH)) is None


def test_low_use_is_told_from_days_at_rest() -> None:
    """Workdays that differ wildly hide no weekend's fault; days at rest that do, do."""
    days = history()
    for number, (day, digest) in enumerate(days.items()):
        if date.fromordinal(day).weekday() < 5:
            days[day] = replace(digest, amount=[150, 450][number % 2] * KWH)
    assert found("low_use", view(days, amount=8 * KWH)) is not None

    for number, (day, digest) in enumerate(days.items()):
        if date.fromordinal(day).weekday() >= 5:
            days[day] = replace(digest, amount=[50, 90][number // 7 % 2] * KWH)
    assert found("low_use", view(days, amount=8 * KWH)) is None


def test_low_use_of_a_base_load_that_is_gone() -> None:
    """A quarter of a Sunday with its nights is a vacation; with a tenth of them a part is not counted. Water may rest at night."""
    assert found("low_use", view(amount=16 * KWH)) is None
    assert found("low_use", view(amount=16 * KWH, night_flow=KWH // 10)).evidence["night_flow_per_hour"] == 0.1
    assert found("low_use", view(amount=25 * KWH, night_flow=KWH // 10)) is None
    assert found("low_use", view(of=WATER, amount=16 * KWH, night_flow=KWH // 10)) is None
    assert found("low_use", view(of=facts(quantum=1000), amount=16 * KWH, night_flow=KWH // 10)) is None


def test_a_day_that_is_not_full_says_nothing_of_use() -> None:
    """Half a day is half the use, not low use."""
    assert found("low_use", view(amount=10 * KWH, measured_us=DAY_US // 2)) is None


def test_interval_spike() -> None:
    """One hour far above the third-highest and above every hour known; a busy hour as on other days is none."""
    assert found("interval_spike", view(hour_max=100 * KWH, hour_third=20 * KWH)).impact == 80 * KWH
    assert found("interval_spike", view(hour_max=100 * KWH, hour_third=60 * KWH)) is None
    assert found("interval_spike", view(history(hour_max=90 * KWH), hour_max=100 * KWH, hour_third=20 * KWH)) is None


def test_an_interval_spike_need_not_reach_the_season_before() -> None:
    """After a hot month whose hours were higher but level, an hour that stands out is found; a charger's must be the highest."""
    hot = history(hour_max=120 * KWH, hour_third=100 * KWH)

    assert found("interval_spike", view(hot, hour_max=100 * KWH, hour_third=20 * KWH)).evidence["furthest_out_before"] == 20
    assert found("interval_spike", view(hot, of=facts(medium="charger"), hour_max=100 * KWH, hour_third=20 * KWH)) is None
    assert found("interval_spike", view(hot, hour_max=50 * KWH, hour_third=12 * KWH)) is None


def test_zero_run() -> None:
    """A register that stands still for most of a day, and usually never does."""
    assert found("zero_run", view(still_us=20 * HOUR_US)).evidence["still_hours"] == 20
    assert found("zero_run", view(still_us=5 * HOUR_US)) is None
    assert found("zero_run", view(history(still_us=16 * HOUR_US), still_us=20 * HOUR_US)) is None
    assert found("zero_run", view(of=facts(medium="charger"), still_us=40 * HOUR_US)) is None


def test_zero_run_goes_on_for_three_weeks() -> None:
    """Days that stand still do not become usual before half of the weekdays known do."""
    days = history()
    for day in range(TODAY - 14, TODAY + 1):
        days[day] = replace(days[day], still_us=48 * HOUR_US, amount=0)

    assert found("zero_run", view(days)) is not None


def test_never_moves() -> None:
    """A feed that has shown one value for two weeks; a meter that moved once, or a charger nobody uses, is none."""
    dead = {"values": 1, "first_value": 7, "last_value": 7}

    assert found("never_moves", view(history(**dead))).evidence["value"] == 7
    assert found("never_moves", view(history(13, **dead))) is None
    assert found("never_moves", view(history(**dead), last_value=8)) is None
    assert found("never_moves", view(history(**dead), of=facts(medium="charger"))) is None


def test_frozen() -> None:
    """Five hours the same value, then all that passed at once; a still night without a catch-up is none."""
    pace = {"before": 40_000, "before_us": 4 * HOUR_US}

    assert found("frozen", view(catch_up=CatchUp(5 * HOUR_US, 60_000, HOUR_US, **pace))).impact == 60 * KWH
    assert found("frozen", view(catch_up=CatchUp(5 * HOUR_US, 10_000, HOUR_US, **pace))) is None
    assert found("frozen", view(history(still_us=5 * HOUR_US), catch_up=CatchUp(5 * HOUR_US, 60_000, HOUR_US, **pace))) is None


def test_catch_up() -> None:
    """After a freeze a day's use in one hour; after a silence three times what can have passed."""
    once = CatchUp(16 * HOUR_US, 300_000, HOUR_US, 1000, HOUR_US)
    silence = Jump("unallocated", 0, 900_000, 30 * HOUR_US, 900 * KWH)

    assert found("catch_up", view(catch_up=once)).evidence["came_at_once"] == 300
    assert found("catch_up", view(jumps=(silence,))).evidence["silent_hours"] == 30
    assert found("catch_up", view(jumps=(silence._replace(amount=250 * KWH),))) is None


def test_silent() -> None:
    """No reading on a day; from the third on it is critical; a meter never heard in eight weeks says nothing more."""
    days = history()
    del days[TODAY]
    assert found("silent", view(days)).severity is Severity.WARNING
    for day in (TODAY - 1, TODAY - 2):
        del days[day]
    assert found("silent", view(days)).severity is Severity.CRITICAL
    assert found("silent", view(days, of=facts(interval_us=5 * DAY_US))) is None
    assert found("silent", view({TODAY - LOOK_BACK_DAYS - 1: ordinary(TODAY - LOOK_BACK_DAYS - 1)})) is None


def test_never_heard() -> None:
    """A week after it was registered, not before; from then on one finding; a meter that was heard has another rule."""
    unheard = View(TODAY, (facts(),), {}, unheard_since=TODAY - 7)

    assert found("never_heard", unheard).impact == round(0.1 * 100 * KWH * 24 * 28)
    assert found("never_heard", replace(unheard, unheard_since=TODAY - 6)) is None
    assert found("never_heard", view()) is None
    assert [(TODAY - 3, TODAY, 4)] == [
        (one.from_day, one.to_day, one.days) for one in never_heard(replace(unheard, unheard_since=TODAY - 10))
    ]
    assert [] == never_heard(view())


def test_missing() -> None:
    """A third of the readings did not come; a meter that always sends fewer than registered is not expected to."""
    assert found("missing", view(readings=16)).evidence["expected"] == 24
    assert found("missing", view(readings=20)) is None
    assert found("missing", view(history(readings=12), readings=11)) is None


def test_interval_change() -> None:
    """From hourly to a quarter of an hour in mid-stream."""
    quarter = {"interval_median_us": HOUR_US // 4, "readings": 96}

    assert found("interval_change", view(**quarter)).evidence["before_minutes"] == 60
    assert found("interval_change", view(history(**quarter))) is None


def test_conflict() -> None:
    """Keys that several values are claimed for."""
    assert found("conflict", view(conflicts=2)).evidence["disputed_keys"] == 2


def test_sum_of_tariffs() -> None:
    """Four tariffs that lack a twentieth of the total; days without one of them do not count."""
    parts = [{day: replace(digest, amount=digest.amount // 4) for day, digest in history().items()} for _ in range(4)]
    whole = view()
    short = [*parts[:3], {day: replace(digest, amount=digest.amount * 8 // 10) for day, digest in parts[3].items()}]

    assert found("sum_of_tariffs", replace(whole, tariffs=parts)) is None
    assert found("sum_of_tariffs", replace(whole, tariffs=short)).severity is Severity.WARNING
    assert found("sum_of_tariffs", replace(whole, tariffs=[*short[:3], {}])) is None


def test_sum_of_children() -> None:
    """Children above their parent; another gap than usual; not where a roof feeds in behind the meter."""
    half = {day: replace(digest, amount=digest.amount // 2) for day, digest in history().items()}
    whole = view()
    more = half | {day: replace(half[day], amount=half[day].amount * 3) for day in range(TODAY - 6, TODAY + 1)}
    less = half | {day: replace(half[day], amount=half[day].amount // 4) for day in range(TODAY - 6, TODAY + 1)}

    assert found("sum_of_children", replace(whole, children=[half])) is None
    assert found("sum_of_children", replace(whole, children=[more])).severity is Severity.CRITICAL
    assert found("sum_of_children", replace(whole, children=[less])).evidence["gap_share"] == pytest.approx(0.875, abs=0.01)
    assert found("sum_of_children", replace(whole, facts=(facts(exports=True),), children=[more])) is None


@pytest.mark.parametrize("factor", [1000, 1 / 1000])
def test_unit_slip_of_a_day(factor: float) -> None:
    """A thousand times the usual, or a thousandth; and neither counts as high use as well."""
    slipped = view(amount=round(240 * KWH * factor), of=facts(quantum=1))

    assert found("unit_slip", slipped).severity is Severity.CRITICAL
    assert found("high_use", slipped) is None


def test_unit_slip_of_a_value() -> None:
    """A register that shows watt-hours for a moment; an ordinary wrong value is none."""
    slip = Jump("spike", 123_456, 123_456_789, 0, None)

    assert found("unit_slip", view(jumps=(slip,))).evidence["event"] == "spike"
    assert found("unit_slip", view(jumps=(slip._replace(to_value=500_123),))) is None


def test_ratio_change() -> None:
    """Ratio and consumption doubled: the register did not notice. Where consumption stayed, the transformer was exchanged."""
    changed = TODAY - 6
    versions = (facts(), facts(since=changed, ratio_milli=2000))
    doubled = {day: replace(each, amount=each.amount * (1 + (day >= changed))) for day, each in history().items()}

    assert found("ratio_change", replace(view(doubled), facts=versions)).evidence["consumption_moved_by"] == pytest.approx(
        2, abs=0.05
    )
    assert found("ratio_change", replace(view(), facts=versions)) is None
    assert found("ratio_change", view(doubled)) is None


def test_night_minimum() -> None:
    """Three nights with a flow that was not there before; one night, or a hospital's usual nights, are none."""
    days = history()
    for day in range(TODAY - 2, TODAY + 1):
        days[day] = replace(days[day], night_flow=4 * KWH)

    assert found("night_minimum", view(days, of=WATER)).evidence["night_flow_per_hour"] == 4
    assert found("night_minimum", view(of=WATER, night_flow=4 * KWH)) is None
    assert found("night_minimum", view(history(night_flow=4 * KWH), of=WATER)) is None
    assert found("night_minimum", view(days)) is None


def test_continuous_flow() -> None:
    """Three days without an hour at rest, of a meter that usually rests at night."""
    days = history(zero_hours=5, hour_min=0, night_flow=0)
    for day in range(TODAY - 2, TODAY + 1):
        days[day] = replace(days[day], zero_hours=0, hour_min=KWH // 100)

    assert found("continuous_flow", view(days, of=WATER)).impact == 24 * KWH // 100
    assert found("continuous_flow", view(of=WATER)) is None


def test_unexplained_and_wrong_values() -> None:
    """A jump that nothing explains asks for somebody; a single dip does not, three wrong values do."""
    dip = Jump("dip", 100, 50, 0, None)

    assert found("unexplained", view(jumps=(Jump("unexplained", 100, 5, HOUR_US, None),))).evidence["from_value"] == 100
    assert names(view(jumps=(dip,))) == []
    assert found("wrong_values", view(jumps=(dip, dip, dip))).evidence["set_aside"] == 3


def test_rules_say_what_they_are() -> None:
    """Every rule has a sentence for people and at least one severity."""
    assert all(rule.severities for rule in RULES.values())
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
