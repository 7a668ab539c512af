"""Levels: a fold over local days that nobody can talk up or down."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.metering.calendar import HOUR_US, Day, period
from ingest.metering.levels import HYSTERESIS, DayOfPeriod, Deducted, Excluded, Standing, Thresholds, fold, less
from schemas.quota import Level

MARCH = period("month", date(2026, 3, 1).toordinal())
FIRST, END = MARCH
DAYS = END - FIRST
DAY_US = 24 * HOUR_US
ALLOWANCE = Decimal(31_000)  # a thousand a day
THRESHOLDS = Thresholds()
UNPROJECTED = replace(THRESHOLDS, projection_days=366)
RANK = {level.value: rank for rank, level in enumerate(Level)}


def _day(number: int, used: int, measured_us: int = DAY_US, estimated_us: int = 0, expected_us: int = DAY_US) -> DayOfPeriod:
    """Day `number` of March, counted from 1."""
    return DayOfPeriod(FIRST + number - 1, used, measured_us, estimated_us, expected_us)


def _days(*used: int) -> list[DayOfPeriod]:
    return [_day(number, amount) for number, amount in enumerate(used, start=1)]


def _fold(
    days: list[DayOfPeriod], *, before: Standing | None = None, allowance: Decimal | None = ALLOWANCE, as_of: Day = END,
    thresholds: Thresholds = THRESHOLDS,
) -> list[Standing]:  # fmt: skip
    return list(fold(before, days, MARCH, allowance, as_of, thresholds))


def _levels(days: list[DayOfPeriod], **more: object) -> list[str]:
    return [standing.level for standing in _fold(days, **more)]  # type: ignore[arg-type]


def test_a_quiet_month_is_within() -> None:
    """Half of what is allowed, every day."""
    assert ["within"] * DAYS == _levels(_days(*[500] * DAYS))


def test_sums_and_ratios_run_through_the_period() -> None:
    """Each day's standing holds all that came before it."""
    last = _fold(_days(*[500] * DAYS))[-1]
    expected = Standing(END - 1, "within", "within", 15_500, DAYS * DAY_US, 0, DAYS * DAY_US, Decimal("0.500000"), None)

    assert expected == last


def test_warning_begins_at_its_share_exactly() -> None:
    """At 80 percent of the allowance, not a millionth before."""
    at = 24_800

    assert ["within", "warning"] == _levels(_days(at - 1, 1), thresholds=UNPROJECTED)


@pytest.mark.parametrize(("back", "expected"), [(0, "warning"), (620, "warning"), (621, "within")])
def test_warning_ends_two_points_below_where_it_began(back: int, expected: str) -> None:
    """A correction that takes a little away does not make the level flicker: 0.78 still warns, less does not."""
    assert HYSTERESIS * ALLOWANCE == 620
    assert ["warning", expected] == _levels(_days(24_800, -back), thresholds=UNPROJECTED)


@pytest.mark.parametrize(("level", "expected"), [("exceeded", "warning"), ("projected", "warning"), ("within", "within")])
def test_who_falls_back_from_worse_warns_as_who_warned(level: str, expected: str) -> None:
    """At 0.79, two points below: only who stood below does not flicker up to it."""
    before = Standing(END - 2, level, level, 24_290, 30 * DAY_US, 0, 30 * DAY_US)

    assert [expected] == _levels([_day(DAYS, 200)], before=before)


def test_exceeded_begins_strictly_above_the_allowance() -> None:
    """To use exactly what is allowed is allowed."""
    assert ["warning", "exceeded"] == _levels(_days(31_000, 1), thresholds=UNPROJECTED)


def test_exceeded_is_judged_exactly_where_the_rounded_ratio_shows_one() -> None:
    """A billionth above is above, although the ratio of six places says 1."""
    [standing] = _fold([_day(1, 10**12 + 1)], allowance=Decimal(10**12))

    assert ("exceeded", Decimal("1.000000")) == (standing.level, standing.used_ratio)


def test_exceeded_has_no_hysteresis() -> None:
    """It holds exactly while the constraint is exceeded, and gives way to the warning, not to a projection it never had."""
    assert ["exceeded", "warning", "exceeded"] == _levels(_days(31_001, -1, 1), thresholds=UNPROJECTED)


def test_exceeded_needs_no_completeness() -> None:
    """What is missing can only add to what was used."""
    assert ["exceeded"] == _levels([_day(1, 31_001, measured_us=0)])
    assert ["exceeded"] == _levels([_day(1, 31_001, measured_us=0, expected_us=0)])


@pytest.mark.parametrize(
    ("measured", "estimated", "expected"),
    [(80, 0, "within"), (0, 80, "within"), (50, 30, "within"), (79, 0, "not_assessable"), (0, 0, "not_assessable")],
)
def test_too_little_known_is_not_assessable(measured: int, estimated: int, expected: str) -> None:
    """At least the required share of the expected time must be measured or estimated."""
    assert [expected] == _levels([_day(1, 10, measured, estimated, 100)])


def test_nothing_expected_is_not_assessable() -> None:
    """An institution without a main meter has no level."""
    assert ["not_assessable"] == _levels([_day(1, 0, 0, 0, 0)])


def test_a_silent_institution_becomes_not_assessable_and_comes_back() -> None:
    """Completeness is that of the period so far: it falls day by day, and rises again."""
    days = [_day(n, 10, measured_us=DAY_US if n not in (5, 6) else 0) for n in range(1, 11)]

    assert [True] * 5 + [False] * 4 + [True] == [level == "within" for level in _levels(days)]


def test_without_an_allowance_nothing_is_assessable() -> None:
    """No quota, no verdict, whatever was used; and no ratio is made up."""
    standings = _fold(_days(10**9, 10**9), allowance=None)

    assert [("not_assessable", None, None)] * 2 == [(one.level, one.used_ratio, one.projected_ratio) for one in standings]


def test_a_projection_is_trusted_after_seven_days_and_not_on_the_last() -> None:
    """Before, a week-end could turn it; after, there is nothing left to project."""
    ratios = [standing.projected_ratio for standing in _fold(_days(*[500] * DAYS))]

    assert [None] * 6 + [Decimal("0.500000")] * (DAYS - 7) + [None] == ratios


def test_a_projection_above_the_allowance_is_a_level() -> None:
    """Eleven hundred a day will be too much at the end; the first six days say nothing about it."""
    levels = _levels(_days(*[1100] * DAYS))

    assert ["within"] * 6 + ["projected"] * 22 + ["exceeded"] * 3 == levels


def test_a_projection_of_exactly_the_allowance_is_none() -> None:
    """A thousand a day is what is allowed: it is warned of when 80 percent are used."""
    assert ["within"] * 24 + ["warning"] * 7 == _levels(_days(*[1000] * DAYS))


@pytest.mark.parametrize(("second_week", "expected"), [(968, "projected"), (850, "within")])
def test_a_projection_ends_two_points_below_the_allowance(second_week: int, expected: str) -> None:
    """Once projected, it takes a clear saving to leave it."""
    levels = _levels(_days(*[1010] * 7, *[second_week] * 7))

    assert ["projected", expected] == [levels[6], levels[13]]


def test_the_last_day_falls_back_from_projected_to_what_was_used() -> None:
    """On the last day what was used decides alone."""
    levels = _levels(_days(*[1003] * 30, 900))

    assert ["projected", "warning"] == levels[-2:]


def test_the_running_day_raises_exceeded_alone() -> None:
    """Up to the end of the day the level of yesterday stands, save for an exceedance."""
    yesterday, today = FIRST, FIRST + 1

    assert ["within", "within"] == _levels(_days(10, 30_000), as_of=today, thresholds=UNPROJECTED)
    assert ["within", "exceeded"] == _levels(_days(10, 31_000), as_of=today, thresholds=UNPROJECTED)
    assert ["not_assessable", "not_assessable"] == _levels([_day(1, 10, 0), _day(2, 10)], as_of=today)
    assert ["not_assessable"] == _levels(_days(10), as_of=yesterday)


def test_a_correction_takes_an_exceedance_back_within_the_day() -> None:
    """Exceeded holds while it is true, also on the running day."""
    assert ["exceeded", "within"] == _levels(_days(31_001, -30_000), as_of=FIRST + 1)


def test_previous_levels_chain() -> None:
    """Each standing names the level it came from, the first one that of the standing before."""
    standings = _fold(_days(*[1100] * DAYS))
    levels = [standing.level for standing in standings]

    assert ["not_assessable", *levels[:-1]] == [standing.previous_level for standing in standings]


day_amounts = st.lists(
    st.tuples(st.integers(-200, 6000), st.integers(0, DAY_US), st.integers(0, DAY_US // 4)), min_size=1, max_size=DAYS
)
allowances = st.one_of(st.none(), st.integers(1, 60_000).map(Decimal))
as_ofs = st.integers(FIRST, END)


def _drawn(amounts: list[tuple[int, int, int]]) -> list[DayOfPeriod]:
    return [_day(number, *amount) for number, amount in enumerate(amounts, start=1)]


@given(day_amounts, allowances, as_ofs, st.integers(0, DAYS))
@settings(max_examples=300)
def test_a_fold_resumed_anywhere_gives_the_same_days(
    amounts: list[tuple[int, int, int]], allowance: Decimal | None, as_of: Day, cut: int
) -> None:
    """A round that starts from a stored standing equals a rebuild."""
    days = _drawn(amounts)
    rebuilt = _fold(days, allowance=allowance, as_of=as_of)
    begun = _fold(days[:cut], allowance=allowance, as_of=as_of)
    resumed = _fold(days[cut:], before=begun[-1] if begun else None, allowance=allowance, as_of=as_of)

    assert rebuilt == begun + resumed


@given(day_amounts, allowances, as_ofs, st.integers(0, 100_000))
@settings(max_examples=300)
def test_more_consumption_never_lowers_the_level_of_a_day(
    amounts: list[tuple[int, int, int]], allowance: Decimal | None, as_of: Day, more: int
) -> None:
    """Given the same history before, who used more stands no better."""
    days = _drawn(amounts)
    *_, before = [None, *_fold(days[:-1], allowance=allowance, as_of=as_of)]
    thirstier = replace(days[-1], used=days[-1].used + more)
    [less_level] = _levels([days[-1]], before=before, allowance=allowance, as_of=as_of)
    [more_level] = _levels([thirstier], before=before, allowance=allowance, as_of=as_of)

    assert RANK[less_level] <= RANK[more_level]


@given(day_amounts, allowances, as_ofs)
@settings(max_examples=300)
def test_exceeded_is_exactly_used_above_allowance(
    amounts: list[tuple[int, int, int]], allowance: Decimal | None, as_of: Day
) -> None:
    """On every day, open or closed, complete or not, whatever came before."""
    standings = _fold(_drawn(amounts), allowance=allowance, as_of=as_of)

    assert [allowance is not None and one.used > allowance for one in standings] == [one.level == "exceeded" for one in standings]


@given(day_amounts, allowances, as_ofs)
@settings(max_examples=300)
def test_every_level_below_exceeded_on_a_closed_day_rests_on_enough_evidence(
    amounts: list[tuple[int, int, int]], allowance: Decimal | None, as_of: Day
) -> None:
    """No guess: a closed day has a level when allowance and completeness are there, and only then."""
    for standing in _fold(_drawn(amounts), allowance=allowance, as_of=as_of):
        if standing.day < as_of and standing.level != "exceeded":
            known = standing.measured_us + standing.estimated_us
            enough = standing.expected_us > 0 and known >= THRESHOLDS.completeness * standing.expected_us
            assert (allowance is not None and enough) is (standing.level != "not_assessable")


@given(day_amounts, allowances, as_ofs)
def test_an_open_day_never_becomes_warning_or_projected(
    amounts: list[tuple[int, int, int]], allowance: Decimal | None, as_of: Day
) -> None:
    """Half a day is no day: only an exceedance cannot be taken back by its evening."""
    for standing in _fold(_drawn(amounts), allowance=allowance, as_of=as_of):
        if standing.day >= as_of and standing.level in ("warning", "projected"):
            assert standing.previous_level == standing.level


def test_the_levels_are_those_of_the_contract() -> None:
    """What the fold says can be published."""
    levels = _levels(_days(*[1100] * DAYS)) + _levels(_days(24_800), thresholds=UNPROJECTED) + _levels([_day(1, 0, 0)])

    assert {level.value for level in Level} == set(levels)


def _off(amount: int, known_us: int = DAY_US, expected_us: int = DAY_US) -> Deducted:
    return Deducted((Excluded("D1", amount, 1),), known_us, expected_us)


def test_what_is_taken_off_does_not_count() -> None:
    """1,500 a day less 600 of a data room are within the thousand allowed; the standing says what was taken off."""
    start, days = less(Standing(FIRST - 1, "not_assessable", "not_assessable"), _days(*[1_500] * DAYS),
                       {FIRST + number: _off(600) for number in range(DAYS)})  # fmt: skip
    last = _fold(days, before=start)[-1]

    assert ("warning", 900 * DAYS) == (last.level, last.used)
    assert (Excluded("D1", 600 * DAYS, DAYS),) == last.deducted.excluded


def test_nobody_is_over_while_what_is_taken_off_is_not_known() -> None:
    """Known for less than 80 % of its time it could be anything; from 80 % on it is believed."""
    for known, level in ((0.79, "not_assessable"), (0.8, "exceeded")):
        start, days = less(Standing(FIRST - 1, "not_assessable", "not_assessable"), _days(40_000),
                           {FIRST: _off(100, int(known * DAY_US))})  # fmt: skip
        assert level == _fold(days, before=start)[-1].level


def test_what_was_taken_off_before_the_fold_is_told_and_not_taken_off_again() -> None:
    """Its amount lies in the sum already; its time counts."""
    before = Standing(FIRST + 9, "within", "within", 5_000, 10 * DAY_US, 0, 10 * DAY_US)
    start, days = less(before, [_day(11, 500)], {FIRST + 9: _off(2_000, 9 * DAY_US, 10 * DAY_US), FIRST + 10: _off(100)})
    [standing] = _fold(days, before=start)

    assert (5_400, Deducted((Excluded("D1", 2_100, 2),), 10 * DAY_US, 11 * DAY_US)) == (standing.used, standing.deducted)


@given(st.lists(st.tuples(st.sampled_from(["D1", "charger"]), st.integers(-9, 9), st.integers(0, 3)), max_size=6))
def test_deductions_add_up_in_any_order(parts: list[tuple[str, int, int]]) -> None:
    """By name; together they are their amount."""
    each = [Deducted((Excluded(*part),), 1, 2) for part in parts]
    forwards, backwards = sum(each, start=Deducted()), sum(reversed(each), start=Deducted())

    assert sorted(forwards.excluded) == sorted(backwards.excluded)
    assert (sum(amount for _, amount, _ in parts), len(parts), 2 * len(parts)) == (
        forwards.amount, forwards.known_us, forwards.expected_us)  # fmt: skip
