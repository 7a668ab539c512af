"""The fleet: exact truth, displays that follow it, verdicts that have one right answer."""

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.registers import Medium
from simulators import fleet, ledger, profiles
from simulators.fleet import Fleet
from simulators.meter import Display, Meter
from simulators.month import Month

MONTH = Month(2026, 10)
DISPLAYS = st.builds(Display, st.integers(4, 8), st.integers(0, 3), st.integers(1, 400_000))


@cache
def built(count: int = 40, seed: int = 7) -> Fleet:
    return fleet.build(count, seed, MONTH)


def meters(of: Fleet) -> list[Meter]:
    return [meter for institution in of.institutions for meter in institution.meters]


def test_the_same_arguments_build_the_same_fleet() -> None:
    """Size, seed and month are all there is."""
    assert fleet.build(12, 3, MONTH) == fleet.build(12, 3, MONTH)
    assert fleet.build(12, 3, MONTH) != fleet.build(12, 4, MONTH)


def test_a_whole_city_has_the_mix_of_the_real_one() -> None:
    """The classes of the published register, by largest remainder."""
    classes = Counter(each.identity.institution_class for each in built(100).institutions)
    assert classes == {"government": 59, "school": 33, "hospital": 6, "venue": 2}


def test_a_month_has_all_its_hours_and_its_closing_instant() -> None:
    """From the first instant up to and including the first instant of the next month, local time."""
    assert MONTH.hours == 31 * 24
    assert len(MONTH.instants_s()) == 31 * 24 + 1
    assert Month(2026, 12).end_s == Month(2027, 1).start_s
    assert next(MONTH.hour_starts()).isoformat() == "2026-10-01T00:00:00+08:00"


@given(st.integers(0, 10**15), st.lists(st.integers(1, 1000), min_size=1, max_size=50))
def test_a_spread_total_sums_to_itself(total_micro: int, weights: list[int]) -> None:
    """Nothing is lost or made by sharing out."""
    amounts = profiles.spread(total_micro, weights)
    assert sum(amounts) == total_micro
    assert min(amounts) >= 0


@given(DISPLAYS, st.integers(0, 10**18))
def test_a_display_shows_whole_steps_below_its_modulus(display: Display, total_micro: int) -> None:
    """Never negative, never more than its digits; text and thousandths say the same."""
    steps = display.steps(total_micro)
    assert 0 <= steps < display.modulus
    assert total_micro // display.quantum_micro % display.modulus == steps
    whole, _, decimals = display.text(steps).partition(".")
    assert len(decimals) == display.decimals
    assert int(whole) * 1000 + int((decimals or "0").ljust(3, "0")) == display.milli(steps)


@given(DISPLAYS, st.integers(0, 10**15), st.integers(0, 10**12))
def test_the_register_proves_the_truth_within_a_step(display: Display, start_micro: int, amount_micro: int) -> None:
    """The difference of two readings, rollover accounted for, is less than one display step off."""
    turned = (display.steps(start_micro + amount_micro) - display.steps(start_micro)) * display.quantum_micro
    whole = display.modulus * display.quantum_micro
    assert min((turned - amount_micro) % whole, (amount_micro - turned) % whole) < display.quantum_micro


def test_month_truth_is_the_sum_of_hours_and_no_hour_is_negative() -> None:
    """For every meter of the fleet."""
    for meter in meters(built()):
        assert len(meter.amounts_micro) == MONTH.hours
        assert min(meter.amounts_micro) >= 0
        assert meter.month_micro == sum(meter.amounts_micro)


def test_no_true_hour_exceeds_the_rated_capacity() -> None:
    """So that a plausibility limit never meets the truth."""
    for meter in meters(built()):
        assert max(meter.amounts_micro) <= meter.rated_tenths * 100_000


def test_sub_meters_and_chargers_sum_to_less_than_their_main() -> None:
    """In every hour with any use, of every institution."""
    for institution in built().institutions:
        main, *subs = [meter for meter in institution.meters if meter.medium is not Medium.WATER]
        assert main.role == "main"
        assert {meter.role for meter in subs} == {"sub"}
        for whole, *parts in zip(main.amounts_micro, *(meter.amounts_micro for meter in subs), strict=True):
            assert sum(parts) < whole


def test_some_meters_roll_over_once_in_the_month() -> None:
    """Their display falls exactly once, the others' never."""
    falls = [(meter, sum(b < a for a, b in pairwise(meter.shown_steps()))) for meter in meters(built())]
    assert sum(fallen for _, fallen in falls) >= 4
    assert all(fallen == meter.rolls_over for meter, fallen in falls)


def test_ratios_come_whole_and_with_a_fraction() -> None:
    """Without a ratio, behind transformers, and one that is no integer."""
    ratios = {meter.display.ratio_milli for meter in meters(built())}
    assert {1_000, 1_500, 20_000} <= ratios


def test_chargers_are_registered_with_a_meter_each() -> None:
    """Some institutions have them; the meter is of medium charger and has the charger's code."""
    for institution in built().institutions:
        codes = {meter.code for meter in institution.meters if meter.medium is Medium.CHARGER}
        assert codes == {each.code for each in institution.chargers}
    assert 3 <= sum(bool(each.chargers) for each in built().institutions) < 40


@pytest.mark.parametrize("seed", [1, 7, 20])
def test_no_verdict_is_ambiguous(seed: int) -> None:
    """Nobody lies within 5 % of a constraint; 10 to 15 % are over for electricity, about 8 % for water, nobody for the year."""
    of = built(50, seed)
    flags = [flag for institution in of.institutions for flag in ledger.flags(institution, of)]
    assert all(abs(used / allowance - 1) > 0.05 for *_, used, allowance, _ in flags)
    over = Counter((indicator, period) for _, indicator, period, *_, exceeded in flags if exceeded)
    assert over == {("electricity_per_area", "month"): 6, ("water_per_person", "month"): 4}


def test_a_fleet_needs_at_least_one_institution() -> None:
    """The refusal says what to give instead."""
    with pytest.raises(ValueError, match="give a number from 1"):
        fleet.build(0, 1, MONTH)
