"""Rules about what a register counts: high and low use, spikes, stand-stills and what follows them."""

from dataclasses import replace
from datetime import date

from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import CatchUp, Jump
from ingest.metering.vee.view import DAY_US, Severity
from tests.vee import KWH, TODAY, facts, found, history, view

WATER = facts(medium="water", register="volume_m3", quantum=1)


def test_high_use() -> None:
    """Nearly three times the busiest weekday; twice is no finding, and air conditioning follows the weather."""
    high = found("high_use", view(amount=700 * KWH))

    assert high.severity is Severity.WARNING
    assert 455 * KWH < high.impact < 465 * KWH
    assert found("high_use", view(amount=480 * KWH)) is None
    assert found("high_use", view(of=facts(sub_item="B1"), amount=700 * KWH)) is None
    assert found("high_use", view(amount=9000 * KWH)).severity is Severity.CRITICAL


def test_high_use_of_a_base_load_that_has_multiplied() -> None:
    """Twice the busiest weekday is a hot spell; with nights that are three times as high the register counts a multiple."""
    night = 240 * KWH // 192

    assert found("high_use", view(amount=480 * KWH, night_flow=2 * night)) is None
    assert found("high_use", view(amount=480 * KWH, night_flow=3 * night)).impact > 200 * KWH
    assert found("high_use", view(amount=300 * KWH, night_flow=3 * night)) is None
    assert found("high_use", view(of=WATER, amount=480 * KWH, night_flow=3 * night)) is None


def test_nights_tell_high_use_where_days_differ_wildly() -> None:
    """Days between 100 and 400 hide a day of 700, even nights do not hide that all of it has tripled; nights as wild do."""
    days, night = history(), 240 * KWH // 192
    for number, (day, digest) in enumerate(days.items()):
        days[day] = replace(digest, amount=[100, 250, 400][number % 3] * KWH)
    assert found("high_use", view(days, amount=700 * KWH)) is None
    assert found("high_use", view(days, amount=700 * KWH, night_flow=3 * night)) is not None

    for number, (day, digest) in enumerate(days.items()):
        days[day] = replace(digest, night_flow=night * [1, 2, 3][number % 3] // 2)
    assert found("high_use", view(days, amount=700 * KWH, night_flow=3 * night)) is None


def test_use_of_a_coarse_display() -> None:
    """Ten display steps beyond what is usual are enough, nine are not."""
    assert found("high_use", view(of=facts(quantum=45_000), amount=700 * KWH)) is not None
    assert found("high_use", view(of=facts(quantum=55_000), amount=700 * KWH)) is None
    assert found("low_use", view(of=facts(quantum=5_500), amount=5 * KWH)) is not None
    assert found("low_use", view(of=facts(quantum=7_500), amount=5 * KWH)) is None


def test_high_use_needs_more_than_the_usual_spread() -> None:
    """A meter whose days differ wildly by themselves doubles without a finding."""
    days = history()
    for number, (day, digest) in enumerate(days.items()):
        days[day] = replace(digest, amount=[20, 400][number % 2] * KWH)

    assert found("high_use", view(days, amount=1100 * KWH)) is None


def test_low_use() -> None:
    """Less than 0.15 of the quietest weekday, but not zero; neither a charger nor, by its day alone, a roof's meter."""
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
    assert found("low_use", view(of=facts(quantum=700), amount=16 * KWH, night_flow=KWH // 10)) is not None
    assert found("low_use", view(of=facts(quantum=1000), amount=16 * KWH, night_flow=KWH // 10)) is None


def test_low_use_behind_a_roof_is_told_from_nights() -> None:
    """A bright day leaves nothing to import; by night no roof feeds in."""
    roof = facts(exports=True)

    assert found("low_use", view(of=roof, amount=10 * KWH)) is None
    assert found("low_use", view(of=roof, amount=10 * KWH, night_flow=KWH // 10)) is not None


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


def test_zero_run_behind_a_roof_takes_a_night() -> None:
    """A bright day stops the register; a day and a night do not. What is fed back rests as long as it likes."""
    roof = facts(exports=True)

    assert found("zero_run", view(of=roof, still_us=20 * HOUR_US)) is None
    assert found("zero_run", view(of=roof, still_us=24 * HOUR_US)) is not None
    assert found("zero_run", view(of=facts(exports=True, register="energy_export_kwh"), still_us=40 * HOUR_US)) is None


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
    assert found("catch_up", view(of=facts(exports=True), catch_up=once)) is not None
    assert found("catch_up", view(catch_up=once._replace(advance=110_000))) is None
    assert found("catch_up", view(jumps=(silence,))).evidence["silent_hours"] == 30
    assert found("catch_up", view(jumps=(silence._replace(amount=250 * KWH),))) is None
