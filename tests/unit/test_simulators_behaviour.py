"""How the city behaves: calendar, weather, courses of the day, leaks, charging, and intensities near the national means."""

from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest

from schemas.registers import Medium
from simulators import fleet, quotas
from simulators.city import behaviour, holidays, seasons, truth, weather
from simulators.city.behaviour import EndUse
from simulators.city.charging import Cars
from simulators.city.hours import hours, months, of_month
from simulators.city.plan import Plan
from simulators.month import Month

YEAR = 2025
KGCE_A_KWH = 0.12288
SHARE_OF_ELECTRICITY = 0.40
"""Of comprehensive energy; an assumption of docs/simulator.md."""


@cache
def city() -> list[Plan]:
    return fleet.planned(1_788, 1, YEAR)


def ordinary_use(of: Plan, medium: Medium) -> float:
    """What it uses of its year's constraint, a leak apart."""
    indicator = quotas.ELECTRICITY if medium is Medium.ELECTRICITY else quotas.WATER
    months_micro = of.electricity if medium is Medium.ELECTRICITY else of.water
    allowed = indicator.constraint_milli[of.identity.institution_class] * 1000 * of.identity.denominator(indicator.denominator)
    return float(months_micro.sum()) / allowed


HOLIDAYS = {
    2025: ["01-01 01-01", "01-28 02-04", "04-04 04-06", "05-01 05-05", "05-31 06-02", "10-01 10-08"],
    2026: ["01-01 01-03", "02-15 02-23", "04-04 04-06", "05-01 05-05", "06-19 06-21", "09-25 09-27", "10-01 10-07"],
}


@pytest.mark.parametrize(("year", "span"), [(year, span) for year, spans in HOLIDAYS.items() for span in spans])
def test_public_holidays_are_rest_days(year: int, span: str) -> None:
    """From the first to the last day of the notice."""
    first, last = (date.fromisoformat(f"{year}-{text}") for text in span.split())
    assert all(holidays.is_rest(first + timedelta(days=number)) for number in range((last - first).days + 1))


@pytest.mark.parametrize("year", [2025, 2026])
def test_make_up_days_are_workdays_at_weekends(year: int) -> None:
    """Five in 2025, six in 2026; every other weekend day rests, and every other workday outside the holidays works."""
    worked = [day for day in holidays.days(year) if day.weekday() >= holidays.SATURDAY and not holidays.is_rest(day)]
    texts = {2025: "01-26 02-08 04-27 09-28 10-11", 2026: "01-04 02-14 02-28 05-09 09-20 10-10"}
    assert [f"{day:%m-%d}" for day in worked] == texts[year].split()
    rested = [day for day in holidays.days(year) if day.weekday() < holidays.SATURDAY and holidays.is_rest(day)]
    spans = [[date.fromisoformat(f"{year}-{text}") for text in span.split()] for span in HOLIDAYS[year]]
    assert all(any(first <= day <= last for first, last in spans) for day in rested)


def test_offices_use_less_on_public_holidays_and_work_on_make_up_days() -> None:
    """National Day falls on a Wednesday, 28 September on a Sunday."""
    power = behaviour.drive(EndUse.LIGHTING, "government", "", YEAR, 1).reshape(-1, 24).sum(axis=1)
    of_day = {day: float(use) for day, use in zip(holidays.days(YEAR), power, strict=True)}
    assert of_day[date(2025, 10, 1)] < of_day[date(2025, 9, 24)] / 2
    assert of_day[date(2025, 9, 28)] == of_day[date(2025, 9, 24)]


def test_schools_are_empty_in_the_vacations() -> None:
    """July and August come to a small part of an ordinary month."""
    months_used = seasons.months(EndUse.LIGHTING, "school", "", YEAR)
    assert months_used[7] < months_used[4] / 3


def test_hospitals_have_a_base_load_at_night() -> None:
    """Half of the day's height, while offices come to an eighth or so."""
    by_hour = {
        name: behaviour.drive(EndUse.LIGHTING, name, "", YEAR, 1).reshape(-1, 24).mean(axis=0)
        for name in ("hospital", "government")
    }
    assert by_hour["hospital"][3] / by_hour["hospital"].max() > 0.45
    assert by_hour["government"][3] / by_hour["government"].max() < 0.25


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_july_is_hot_and_january_cold(seed: int) -> None:
    """About 29 and 5 degrees in the mean of the month, as the noise will have it."""
    means = {month.number: weather.temperature_c(seed, YEAR)[of_month(month)].mean() for month in months(YEAR)}
    assert 26.5 < means[7] < 31.5
    assert 2.5 < means[1] < 7.5


def test_air_conditioning_follows_the_temperature() -> None:
    """Little in April, much in July, and where gas heats little in January."""
    cooled, gas = (seasons.sums_of_months(EndUse.HVAC, "government", heating, YEAR, 1) for heating in ("air_conditioning", "gas"))
    assert cooled[6] > 3 * cooled[3]
    assert cooled[0] > 2 * gas[0]


def test_water_runs_least_at_night_and_a_leak_runs_always() -> None:
    """A leaking institution's nights rise by the leak's flow from its day on, and stay as they were before it."""
    leaking = next(plan for plan in fleet.planned(30, 1, YEAR, leaks=0.5) if plan.traits.leak)
    plain = fleet.planned(30, 1, YEAR)[leaking.identity.number - 1]
    both = [np.concatenate([truth.water(plan, month) for month in months(YEAR)]) for plan in (plain, leaking)]
    assert leaking.traits.leak is not None
    begins = leaking.traits.leak.day * 24
    extra = both[1] - both[0]
    assert not extra[:begins].any()
    assert set(extra[begins:].tolist()) == {int(leaking.leak_micro.max())} != {0}
    by_hour = both[0].reshape(-1, 24).sum(axis=0)
    assert by_hour[2:5].max() < by_hour.mean() / 2


def test_leaks_strike_the_chosen_share() -> None:
    """Nobody without the option."""
    assert not any(plan.traits.leak for plan in city())
    assert 150 < sum(bool(plan.traits.leak) for plan in fleet.planned(1_000, 1, YEAR, leaks=0.2)) < 250


def test_intensities_are_near_the_national_means_of_2020() -> None:
    """18.48 kgce/m2 and 329.56 kgce/person, 40 % of them electricity; 21.53 m3/person. Within a fifth."""
    energy_kgce = sum(float(plan.electricity.sum()) for plan in city()) / 1e6 * KGCE_A_KWH
    water_m3 = sum(float(plan.water.sum()) for plan in city()) / 1e6
    area, people = sum(plan.identity.floor_area_m2 for plan in city()), sum(plan.identity.people for plan in city())
    assert energy_kgce / area == pytest.approx(18.48 * SHARE_OF_ELECTRICITY, rel=0.2)
    assert energy_kgce / people == pytest.approx(329.56 * SHARE_OF_ELECTRICITY, rel=0.2)
    assert water_m3 / people == pytest.approx(21.53, rel=0.2)


@pytest.mark.parametrize("medium", [Medium.ELECTRICITY, Medium.WATER])
def test_the_chosen_shares_are_over_each_tier(medium: Medium) -> None:
    """Guide, benchmark and constraint of the sample quotas, within a percentage point; before what roofs give."""
    over = quotas.OVER_ELECTRICITY if medium is Medium.ELECTRICITY else quotas.OVER_WATER
    uses = np.array([ordinary_use(plan, medium) for plan in city()])
    for tier, share in ((0.6, over.guide), (0.8, over.benchmark), (1.0, over.constraint)):
        assert (uses > tier).mean() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("year", [2000, 2025, 2026])
def test_the_months_allow_what_the_year_allows(year: int) -> None:
    """The sample months of a class sum to its sample year, rounding apart."""
    for indicator in quotas.INDICATORS:
        for name, year_milli in indicator.constraint_milli.items():
            allowed = [indicator.allowed_milli(name, "month", Month(year, each)) for each in range(1, 13)]
            assert abs(sum(allowed) - year_milli) <= 6
            assert min(allowed) > 0


def test_a_battery_takes_ever_less_above_80_per_cent() -> None:
    """Full power below it; the energy never falls."""
    one = [np.array([each]) for each in (60.0, 0.2, 1.0, 60.0)]
    car = Cars(np.array([0]), *one, np.array([7_200]))
    taken = car.energy_micro(np.arange(0, 7_200, 360))
    power = np.diff(taken) / 1e5
    assert power[:6] == pytest.approx(60)
    assert (np.diff(power[6:]) < 0).all()
    assert (power > 0).all()


def test_charging_keeps_within_its_part() -> None:
    """No hour exceeds the rated power, no month 40 % of the electricity."""
    plans = [plan for plan in city() if plan.speeds][:30]
    for plan in plans:
        for charger, sessions in zip(plan.chargers, plan.sessions, strict=True):
            assert sessions.hours_micro.max() <= charger.rated_kw * 1_000_000
            assert int(sessions.hours_micro.sum()) == int(sessions.energy_micro.sum())
            assert (sessions.start_s[1:] > sessions.stop_s[:-1]).all()
        assert (plan.monthly(plan.charging) <= plan.electricity * 0.42).all()


def test_a_year_has_its_hours() -> None:
    """Leap years too, in whole days of twelve months."""
    assert [len(hours(year).hour) for year in (2024, 2025)] == [8_784, 8_760]
    assert [of_month(month).stop - of_month(month).start for month in months(2024)] == hours(2024).month_hours.tolist()
