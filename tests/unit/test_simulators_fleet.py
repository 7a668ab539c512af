"""The fleet: exact truth, displays that follow it, verdicts that have one right answer."""

import hashlib
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.registers import Medium
from simulators import fleet, ledger, registry
from simulators.city.census import XIANNING
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


def test_a_whole_city_has_the_census_exactly() -> None:
    """1,788 institutions by class, 457 fast and 469 slow chargers; nothing is rounded at scale 1."""
    plans = fleet.planned(XIANNING.scaled(1), 1, 2025)
    classes = Counter(plan.identity.institution_class for plan in plans)
    assert classes == {"government": 1_035, "school": 577, "hospital": 112, "venue": 25, "other": 39}
    assert Counter(fast for plan in plans for fast in plan.speeds) == {True: 457, False: 469}
    sub_classes = Counter((plan.identity.institution_class, plan.identity.sub_class) for plan in plans)
    assert sub_classes == {(name, of): size for name, parts in XIANNING.classes.items() for of, size in parts.items()}


@pytest.mark.parametrize(("scale", "count"), [(0.0001, 1), (0.0224, 40), (0.5, 894), (1, 1_788), (2, 3_576)])
def test_a_scale_keeps_the_mix(scale: float, count: int) -> None:
    """By largest remainder, for institutions and chargers."""
    assert XIANNING.scaled(scale) == count
    classes = Counter(name for name, _ in XIANNING.kinds(count))
    assert all(abs(classes[name] - sum(parts.values()) * count / 1_788) < 1 for name, parts in XIANNING.classes.items())
    speeds = Counter(XIANNING.chargers(count))
    assert all(abs(speeds[fast] - size * count / 1_788) < 1 for fast, size in ((True, 457), (False, 469)))


def test_a_month_has_all_its_hours_and_its_closing_instant() -> None:
    """From the first instant up to and including the first instant of the next month, local time."""
    assert MONTH.hours == 31 * 24
    assert len(MONTH.instants_s()) == 31 * 24 + 1
    assert Month(2026, 12).end_s == Month(2027, 1).start_s
    assert next(MONTH.hour_starts()).isoformat() == "2026-10-01T00:00:00+08:00"


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


def test_sub_meters_sum_to_less_than_their_parent() -> None:
    """In every hour of every institution without panels: chargers and sub-meters of the first level stay under the main."""
    for institution in built().institutions:
        electric = {meter.code: meter for meter in institution.meters if meter.medium is not Medium.WATER}
        main = electric["EM-01"]
        for parent in electric.values() if main.export is None else ():
            children = [each for each in electric.values() if each.role == "sub" and (each.parent or main.code) == parent.code]
            for whole, *parts in zip(parent.amounts_micro, *(each.amounts_micro for each in children), strict=True):
                assert sum(parts) <= whole
                assert sum(parts) < whole or parent is not main


def test_what_an_indicator_leaves_out_and_what_flows_back_is_taken_off_once() -> None:
    """Some institutions have one or the other, a check meter, a virtual meter; none of them is near the constraint for it."""
    signs = {meter.code: each.sign(meter) for each in built(200).institutions for meter in each.meters if each.sign(meter) < 0}
    assert signs == {"EM-06": -1}
    assert any(each.sign(meter, export=True) == -1 for each in built(200).institutions for meter in each.meters)
    assert {"check", "main", "sub"} == {meter.role for meter in meters(built(200))}
    assert any(each.virtual for each in built(200).institutions)


def test_registers_go_on_where_the_month_before_ended() -> None:
    """So that months published one after the other make one series, exports and charging sessions included."""
    october, november = fleet.build(12, 7, MONTH), fleet.build(12, 7, MONTH.next)
    for before, after in zip(meters(october), meters(november), strict=True):
        assert before.start_micro + before.month_micro == after.start_micro
        assert (before.display, before.rated_tenths, before.registers) == (after.display, after.rated_tenths, after.registers)
        assert list(before.shown_steps())[-1] == next(after.shown_steps())
        assert list(before.export_steps())[-1:] == list(after.export_steps())[:1]


def test_the_registry_of_a_year_is_the_same_in_every_month() -> None:
    """Or every month published would change meters that nobody touched."""
    tables = [registry.tables(fleet.build(12, 7, month)) for month in (Month(2025, 1), Month(2025, 9))]
    assert tables[0] == tables[1]


def test_the_same_options_write_the_same_registry(tmp_path: Path) -> None:
    """Byte for byte; another seed writes another."""

    def digest(seed: int) -> str:
        paths = registry.write(fleet.build(12, seed, MONTH), tmp_path)
        return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()

    assert digest(1) == digest(1) != digest(2)


def test_sessions_add_up_to_the_chargers_register() -> None:
    """Session energy starts at zero each time, the register goes on; together they are what the meter counted."""
    for institution in built().institutions:
        starts = {meter.code: meter for meter in institution.meters if meter.medium is Medium.CHARGER}
        for charger in institution.chargers:
            meter = starts[charger.code]
            assert all(a.stop_micro == b.start_micro and a.stopped_s < b.started_s for a, b in pairwise(charger.sessions))
            assert all(0 < each.energy_micro < 82_000_000 and each.started_s < each.stopped_s for each in charger.sessions)
            whole = [each for each in charger.sessions if MONTH.start_s <= each.started_s and each.stopped_s <= MONTH.end_s]
            assert sum(each.energy_micro for each in whole) <= meter.month_micro
            assert meter.month_micro <= sum(each.energy_micro for each in charger.sessions)


def test_some_meters_roll_over_in_the_month() -> None:
    """Their display falls exactly once, the others' never."""
    falls = [(meter, sum(b < a for a, b in pairwise(meter.shown_steps()))) for meter in meters(built())]
    assert sum(fallen for _, fallen in falls) >= 2
    assert all(fallen == meter.rolls_over for meter, fallen in falls)


def test_ratios_come_whole_and_with_a_fraction() -> None:
    """Without a ratio, behind transformers, and one that is no integer."""
    ratios = {meter.display.ratio_milli for meter in meters(built())}
    assert {1_000, 1_500} < ratios


def test_chargers_are_registered_with_a_meter_each() -> None:
    """Some institutions have them; the meter is of medium charger and has the charger's code."""
    for institution in built().institutions:
        codes = {meter.code for meter in institution.meters if meter.medium is Medium.CHARGER}
        assert codes == {each.code for each in institution.chargers}
    assert 3 <= sum(bool(each.chargers) for each in built().institutions) < 40


@pytest.mark.parametrize("month", [Month(2025, 2), Month(2025, 8), Month(2026, 10)], ids=str)
@pytest.mark.parametrize("seed", [1, 7])
def test_no_verdict_is_ambiguous(seed: int, month: Month) -> None:
    """Nobody lies within 5 % of a constraint; 12 % are over for electricity, 8 % for water, nobody for the year."""
    of = fleet.build(50, seed, month)
    flags = [flag for institution in of.institutions for flag in ledger.flags(institution, of, month.hours)]
    assert all(abs(used / allowance - 1) > 0.05 for *_, used, allowance, _ in flags)
    over = Counter((indicator, period) for _, indicator, period, *_, exceeded in flags if exceeded)
    assert over == {("electricity_per_area", "month"): 6, ("water_per_person", "month"): 4}


def test_a_fleet_needs_at_least_one_institution() -> None:
    """The refusal says what to give instead."""
    with pytest.raises(ValueError, match="give a number from 1"):
        fleet.build(0, 1, MONTH)
