"""Rules about what arrives and how it fits: clocks, silences, intervals, sums, scale, water at night, jumps."""

from dataclasses import replace
from datetime import date

import pytest

from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import Jump
from ingest.metering.vee.episodes import never_heard
from ingest.metering.vee.view import DAY_US, LOOK_BACK_DAYS, Severity, View
from tests.vee import KWH, TODAY, facts, found, history, names, ordinary, view

MINUTE_US = 60_000_000
WATER = facts(medium="water", register="volume_m3", quantum=1)


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
    """Keys that several values are claimed for; a day without any is none."""
    assert found("conflict", view(conflicts=2)).evidence["disputed_keys"] == 2
    assert found("conflict", view()) is None


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
    assert found("sum_of_children", replace(whole, children=[less])).evidence["unseen_a_day"] == pytest.approx(168, abs=3)
    assert found("sum_of_children", replace(whole, facts=(facts(exports=True),), children=[more])) is None


def test_sum_of_children_in_a_week_of_holidays() -> None:
    """All of a week like Sundays, and the metered part resting more than the rest: its share moves, the unseen amount does not."""
    unseen = {day: each.amount // 2 for day, each in history().items()}
    days = history()
    for day in range(TODAY - 6, TODAY + 1):
        unseen[day] = unseen[date(2026, 9, 27).toordinal()]
        days[day] = replace(days[day], amount=unseen[day] + 5 * KWH)
    part = {day: replace(each, amount=each.amount - unseen[day]) for day, each in days.items()}
    double = part | {day: replace(part[day], amount=6 * part[day].amount) for day in range(TODAY - 6, TODAY + 1)}

    assert found("sum_of_children", replace(view(days), children=[part])) is None
    assert found("sum_of_children", replace(view(days), children=[double])).severity is Severity.WARNING


def test_sum_of_children_where_all_falls_alike() -> None:
    """A building that uses a tenth: so does each part, the share that is unseen stays."""
    days = history()
    days |= {day: replace(days[day], amount=days[day].amount // 10) for day in range(TODAY - 6, TODAY + 1)}
    part = {day: replace(each, amount=each.amount // 2) for day, each in days.items()}

    assert found("sum_of_children", replace(view(days), children=[part])) is None


@pytest.mark.parametrize("factor", [1000, 1 / 1000])
def test_unit_slip_of_a_day(factor: float) -> None:
    """A thousand times the usual, or a thousandth; and neither counts as high use as well."""
    slipped = view(amount=round(240 * KWH * factor), of=facts(quantum=1))

    assert found("unit_slip", slipped).severity is Severity.CRITICAL
    assert found("high_use", slipped) is None
    assert found("unit_slip", replace(slipped, facts=(facts(quantum=1, register="energy_export_kwh"),))) is None


def test_a_charger_that_hardly_charged_is_no_unit_slip() -> None:
    """Somebody plugged in for a minute; a thousand times the usual is one."""
    charger = facts(quantum=1, medium="charger")

    assert found("unit_slip", view(of=charger, amount=KWH // 4)) is None
    assert found("unit_slip", view(of=charger, amount=240_000 * KWH)) is not None


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


def test_night_minimum_of_a_coarse_display() -> None:
    """Two display steps more in each of three nights are enough, one is not."""
    coarse, days = facts(medium="water", register="volume_m3", quantum=1000), history(night_flow=0)
    for flow, is_found in ((KWH // 2, True), (KWH // 4, False)):
        leak = days | {day: replace(days[day], night_flow=flow, amount=24 * KWH) for day in range(TODAY - 2, TODAY + 1)}
        lower = {day: replace(each, amount=24 * KWH) for day, each in leak.items()}
        assert is_found == (found("night_minimum", view(lower, of=coarse)) is not None)


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
