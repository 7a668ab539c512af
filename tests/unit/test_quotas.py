"""Quotas: the one row that applies and what it allows, or the list of what is missing."""

import csv
from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.dashboards import words
from ingest.metering.calendar import Day, period
from ingest.metering.quotas import DIMENSIONS, INDICATORS, MILLION, Basis, Denominator, Quota, basis
from tests.databases import ROOT


def _day(text: str) -> Day:
    return date.fromisoformat(text).toordinal()


ALWAYS = (_day("2000-01-01"), _day("2100-01-01"))
MARCH = period("month", _day("2026-03-09"))
ELECTRICITY = INDICATORS["electricity_per_area"]
OFFICE = {"class": "government", "sub_class": None, "climate_zone": "hot_summer_cold_winter", "heating_type": None}


def _quota(code: str = "E-M", constraint: str = "10", valid: tuple[Day, Day] = ALWAYS, **dimensions: str) -> Quota:
    return Quota(code, "electricity_per_area", "month", dimensions, Decimal(constraint), *valid)


def _area(square_metres: str | int = 9800, start: str = "2000-01-01", end: str = "2100-01-01") -> Denominator:
    return Denominator("floor_area_m2", Decimal(square_metres), _day(start), _day(end))


def _basis(quotas: list[Quota], denominators: list[Denominator], attributes: dict[str, str | None] = OFFICE) -> Basis:
    return basis(quotas, attributes, denominators, ELECTRICITY, "month", MARCH)


def test_every_indicator_has_a_name_on_the_boards_and_a_sample() -> None:
    """In both languages, and in the registry to start from."""
    with (ROOT / "examples" / "one-school" / "quotas.csv").open(encoding="utf-8", newline="") as file:
        samples = {line["indicator"] for line in csv.DictReader(file)}

    assert set(INDICATORS) == set(words.INDICATORS) == samples


def test_the_allowance_is_constraint_times_denominator() -> None:
    """10 kWh/m2 over 9,800 m2 are 98,000 kWh, kept in millionths."""
    expected = Basis("E-M", Decimal(9800), Decimal(98_000 * MILLION), ())

    assert expected == _basis([_quota(**{"class": "government"})], [_area()])


def test_a_row_without_dimensions_applies_to_all() -> None:
    """A standard that does not distinguish asks for nothing."""
    unknown = dict.fromkeys(DIMENSIONS)

    assert "E-M" == _basis([_quota()], [_area()], unknown).quota


def test_rows_of_other_institutions_indicators_periods_and_times_do_not_apply() -> None:
    """Only the row of this class, indicator and period kind, in force on the first day, is looked at."""
    others = [
        _quota("SCHOOL", **{"class": "school"}),
        replace(_quota("WATER"), indicator="water_per_person"),
        replace(_quota("YEAR"), period_kind="year"),
        _quota("OLD", valid=(ALWAYS[0], MARCH[0])),
        _quota("NEXT", valid=(MARCH[0] + 1, ALWAYS[1])),
    ]

    assert "E-M" == _basis([*others, _quota(**{"class": "government"})], [_area()]).quota
    assert Basis(None, Decimal(9800), None, ("quota",)) == _basis(others, [_area()])


def test_the_row_in_force_on_the_first_day_holds_for_the_whole_period() -> None:
    """A new edition in the middle of a month begins with the next one."""
    middle = MARCH[0] + 14
    editions = [_quota("OLD", "10", (ALWAYS[0], middle)), _quota("NEW", "8", (middle, ALWAYS[1]))]

    assert "OLD" == _basis(editions, [_area()]).quota


def test_a_row_that_is_valid_from_the_first_day_on_applies() -> None:
    """Editions begin with a month or a year."""
    assert "NEW" == _basis([_quota("OLD", "10", (ALWAYS[0], MARCH[0])), _quota("NEW", "8", (MARCH[0], ALWAYS[1]))], [_area()]).quota


def test_what_a_row_leaves_out_is_known_where_something_else_is_missing() -> None:
    """What was used is told without it, whether it can be assessed or not."""
    row = replace(_quota(), excludes="D1")

    assert Basis("E-M", None, None, ("floor_area_m2",), "D1") == _basis([row], [])
    assert "D1" == _basis([row], [_area()]).excludes


def test_never_a_default_row_when_a_dimension_is_unknown() -> None:
    """Two rows differ by heating, which is unknown here: neither is taken, also not where a general one would fit."""
    rows = [_quota("NORTH", heating_type="central"), _quota("SOUTH", heating_type="own")]

    assert Basis(None, Decimal(9800), None, ("heating_type",)) == _basis(rows, [_area()])
    assert Basis(None, Decimal(9800), None, ("heating_type",)) == _basis([*rows, _quota("GENERAL")], [_area()])


def test_all_that_is_missing_is_listed_at_once() -> None:
    """One look tells an operator what to find out: dimensions and denominator together."""
    rows = [_quota("A", **{"class": "government", "heating_type": "central", "sub_class": "county"})]

    assert ("heating_type", "sub_class", "floor_area_m2") == _basis(rows, []).missing


def test_a_dimension_of_a_row_that_cannot_apply_is_not_asked_for() -> None:
    """A school's heating is no reason to call a government office incomplete."""
    rows = [_quota("SCHOOL", **{"class": "school", "heating_type": "central"}), _quota("OFFICE", **{"class": "government"})]

    assert ("OFFICE", ()) == (_basis(rows, [_area()]).quota, _basis(rows, [_area()]).missing)


def test_overlapping_rows_are_refused() -> None:
    """Where two rows apply nobody can say which one is meant, also if they agree, or one is more special."""
    for second in (_quota("B"), _quota("B", **{"class": "government"})):
        assert Basis(None, Decimal(9800), None, ("one quota row: several apply",)) == _basis([_quota("A"), second], [_area()])


def test_the_denominator_is_the_mean_over_the_days() -> None:
    """A wing of 3,100 m2 opened on 11 March counts for 21 of 31 days."""
    areas = [_area(9800, end="2026-03-11"), _area(12900, start="2026-03-11")]
    expected = (Decimal(9800) * 10 + Decimal(12900) * 21) / 31

    assert expected == _basis([_quota()], areas).denominator
    assert expected * 10 * MILLION == _basis([_quota()], areas).allowance


@pytest.mark.parametrize(
    "denominators",
    [[], [_area(end="2026-03-31")], [_area(start="2026-03-02")], [_area(end="2026-03-10"), _area(start="2026-03-12")],
     [replace(_area(), kind="people")], [_area(start="2026-04-01")]],
)  # fmt: skip
def test_a_day_without_a_denominator_is_missing_evidence(denominators: list[Denominator]) -> None:
    """The mean is not stretched over days that nobody described."""
    assert Basis("E-M", None, None, ("floor_area_m2",)) == _basis([_quota()], denominators)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 10**7)), min_size=1, max_size=31), st.randoms())
def test_the_mean_lies_between_the_denominators_and_their_order_does_not_matter(
    spans: list[tuple[int, int]], shuffle: Random
) -> None:
    """However often the area changes, and however the rows are listed."""
    first, areas = MARCH[0], []
    for days, square_metres in spans:
        areas.append(Denominator("floor_area_m2", Decimal(square_metres), first, first + days))
        first += days
    areas[-1] = replace(areas[-1], valid_to=max(first, MARCH[1]))
    inside = [area.value for area in areas if area.valid_from < MARCH[1]]
    ordered = _basis([_quota()], areas)
    shuffle.shuffle(areas)

    assert ordered.denominator is not None
    assert min(inside) <= ordered.denominator <= max(inside)
    assert abs(ordered.denominator - (_basis([_quota()], areas).denominator or 0)) <= Decimal("1e-15")


@given(st.decimals("0.001", 1000, places=3), st.integers(1, 10**6))
def test_a_higher_constraint_never_allows_less(constraint: Decimal, square_metres: int) -> None:
    """Allowances rise with the constraint and the denominator."""
    low = _basis([_quota(constraint=str(constraint))], [_area(square_metres)]).allowance
    high = _basis([_quota(constraint=str(constraint + 1))], [_area(square_metres)]).allowance
    wide = _basis([_quota(constraint=str(constraint))], [_area(square_metres + 1)]).allowance

    assert low is not None
    assert high is not None
    assert wide is not None
    assert 0 < low < min(high, wide)


texts = st.one_of(st.none(), st.sampled_from(["a", "b"]))
rows = st.lists(st.dictionaries(st.sampled_from(DIMENSIONS), st.sampled_from(["a", "b"])), max_size=5)


@given(rows, st.fixed_dictionaries(dict.fromkeys(DIMENSIONS, texts)))
def test_a_row_applies_only_where_everything_it_asks_is_known_and_agrees(
    dimensions: list[dict[str, str]], attributes: dict[str, str | None]
) -> None:
    """There is an allowance, or a reason why not; and an allowance only from the one row that fits."""
    quotas = [_quota(f"Q{number}", **of) for number, of in enumerate(dimensions)]
    found = _basis(quotas, [_area()], attributes)
    fitting = [quota.code for quota in quotas if all(attributes[name] == value for name, value in quota.dimensions.items())]

    assert (found.allowance is None) is bool(found.missing)
    if found.allowance is not None:
        assert [found.quota] == fitting
    for name in set(found.missing) & set(DIMENSIONS):
        assert attributes[name] is None


def test_a_day_described_twice_does_not_stand_for_a_day_not_described() -> None:
    """1 to 16 March and 16 to 30 March inclusive leave the 31st open."""
    areas = [_area(1000, start="2026-03-01", end="2026-03-17"), _area(2000, start="2026-03-16", end="2026-03-31")]

    assert ("floor_area_m2",) == _basis([_quota()], areas).missing
