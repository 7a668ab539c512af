"""Registers as exact integers: what the display shows is what is stored."""

import json
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.metering.registers import INTEGER_LIMIT, to_integer


@given(st.integers(1 - INTEGER_LIMIT, INTEGER_LIMIT - 1), st.integers(0, 3))
@example(INTEGER_LIMIT - 1, 3)
@example(1 - INTEGER_LIMIT, 3)
@example(2**50, 3)
@example(2**50 - 1, 3)
@example(2**50 + 1, 2)
@settings(max_examples=500)
def test_every_decimal_of_three_places_comes_back_exactly_through_json(integer: int, decimals: int) -> None:
    """A number as the meter prints it, read as the double that JSON makes of it, is the same number."""
    printed = format(Decimal(integer).scaleb(-decimals), "f")

    assert integer == to_integer(float(json.loads(printed)), decimals)


@given(st.integers(1 - INTEGER_LIMIT, INTEGER_LIMIT - 1))
@settings(max_examples=500)
def test_a_double_printed_again_by_another_program_is_the_same_number(integer: int) -> None:
    """Whether a gateway passes on 0.1, 1e-1 or 1.0E-1 makes no difference."""
    value = integer / 1000

    assert integer == to_integer(float(f"{value!r}"), 3) == to_integer(float(f"{value:.16E}"), 3)


@given(st.integers(0, 2**40), st.integers(0, 3))
def test_coarser_values_are_exact_at_any_resolution(integer: int, decimals: int) -> None:
    """A whole number has no digit that rounding could touch."""
    assert integer * 10**decimals == to_integer(float(integer), decimals)


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [(0.0625, 3, 62), (0.1875, 3, 188), (2.5, 0, 2), (3.5, 0, 4), (-2.5, 0, -2), (-0.0625, 3, -62), (0.125, 2, 12), (0.375, 2, 38)],
)  # fmt: skip
def test_a_tie_goes_to_the_even_neighbour(value: float, decimals: int, expected: int) -> None:
    """Values that lie exactly in the middle, as doubles, do not drift upwards."""
    assert expected == to_integer(value, decimals)


@pytest.mark.parametrize(("value", "expected"), [(0.0004, 0), (0.0006, 1), (0.9996, 1000), (-0.0004, 0), (48213.75449, 48_213_754)])
def test_finer_digits_go_to_the_nearest(value: float, expected: int) -> None:
    """What the resolution cannot hold is rounded, not cut off."""
    assert expected == to_integer(value, 3)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300), st.integers(0, 3))
@settings(max_examples=500)
def test_the_integer_is_never_further_off_than_half_a_step(value: float, decimals: int) -> None:
    """Half a step of the resolution, and the double's own last bit."""
    exact = Decimal(value).scaleb(decimals)
    allowed = Decimal("0.5") + abs(exact) * Decimal(2) ** -51

    assert abs(Decimal(to_integer(value, decimals)) - exact) <= allowed


@given(st.floats(0, 1e15), st.floats(0, 1e15), st.integers(0, 3))
def test_a_greater_value_never_gives_a_smaller_integer(one: float, other: float, decimals: int) -> None:
    """A register that counts up counts up in storage too."""
    low, high = sorted((one, other))

    assert to_integer(low, decimals) <= to_integer(high, decimals)


@pytest.mark.parametrize("value", [2.0**50 / 1000, INTEGER_LIMIT / 1000, 1e15, 1.7e308, -1.7e308])
def test_beyond_the_limit_the_integer_says_so(value: float) -> None:
    """No overflow and no infinity: the caller sees a number that it can refuse."""
    expected = int(Decimal(repr(value)).scaleb(3).to_integral_value(ROUND_HALF_EVEN))

    assert expected == to_integer(value, 3)
    assert (abs(value) * 1000 >= INTEGER_LIMIT) is (abs(expected) >= INTEGER_LIMIT)


def test_both_zeros_and_the_smallest_double_are_zero() -> None:
    """-0.0 is no other reading than 0.0: a redelivery in another notation is a duplicate, not a dispute."""
    assert [0, 0, 0, 0] == [to_integer(value, 3) for value in (0.0, -0.0, 5e-324, -5e-324)]


def test_a_printed_tie_is_judged_as_the_double_it_becomes() -> None:
    """0.5015 lies in the middle of 501 and 502 as printed, but just below it as a double: 501, either side as expected."""
    assert Decimal.from_float(0.5015) < Decimal("0.5015")
    assert [501, 501, 502] == [to_integer(value, 3) for value in (0.5014, 0.5015, 0.5016)]
    assert -501 == to_integer(-0.5015, 3)
