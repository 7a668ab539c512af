"""Formulas of virtual meters: what is written is what is meant, and anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.metering.formula import MAX_COEFFICIENT, MAX_TERMS, Formula, parse

CODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
COEFFICIENTS = st.integers(-MAX_COEFFICIENT, MAX_COEFFICIENT).filter(bool)
FORMULAS = st.lists(st.tuples(COEFFICIENTS, CODES), min_size=1, max_size=12, unique_by=lambda term: term[1]).map(
    lambda terms: Formula(tuple(terms))
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("E1", ((1, "E1"),)),
        ("E1 + E2 - E3", ((1, "E1"), (1, "E2"), (-1, "E3"))),
        ("- E1 + 2*E2", ((-1, "E1"), (2, "E2"))),
        ("  E1   -  12 * E-2 ", ((1, "E1"), (-12, "E-2"))),
        ("E1-E2", ((1, "E1-E2"),)),
        ("3*1 + 2", ((3, "1"), (1, "2"))),
        ("+ E1", ((1, "E1"),)),
    ],
)
def test_sums_and_differences_of_meters(text: str, terms: tuple[tuple[int, str], ...]) -> None:
    """A hyphen inside a code is no sign, and a code of digits is no number."""
    assert Formula(terms) == parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one meter"),
        ("   ", "at least one meter"),
        ("E1 +", "a meter is missing after '\\+'"),
        ("-", "a meter is missing after '-'"),
        ("E1 E2", "'E2' stands where|a meter is missing"),
        ("E1 E2 E3", "'E2' stands where \\+ or - belongs"),
        ("E1 + + E2", "stands where|is no meter|missing"),
        ("E1 * E2", "is no meter"),
        ("E1 / E2", "stands where"),
        ("(E1 + E2)", "is no meter"),
        ("E1 + E1", "'E1' stands twice"),
        ("0*E1", "between 1 and 100"),
        ("101*E1", "between 1 and 100"),
        ("1.5*E1", "is no meter"),
        ("-2*E1", "is no meter"),
        ("2*", "is no meter"),
        ("٢*E1", "is no meter"),
        ("E1 + é", "is no meter"),
        ("__import__('os')", "is no meter"),
        ("E1; DROP TABLE metering.meter", "is no meter|missing|stands where"),
        ("E1 + " * 3000 + "E1", f"more than {MAX_TERMS} meters"),
        ("9" * 5000, "is no meter"),
        ("9" * 5000 + "*E1", "is no meter"),
    ],
    ids=lambda case: case[:20],
)
def test_anything_else_is_refused_with_words(text: str, words: str) -> None:
    """No brackets, no fractions, no guesses; numbers of any length end soon."""
    with pytest.raises(ValueError, match=words):
        parse(text)


@given(FORMULAS)
def test_a_formula_written_and_read_is_the_same(formula: Formula) -> None:
    """Whatever the codes: the registry keeps the text, settlement reads it again."""
    assert formula == parse(str(formula))


@given(st.one_of(st.text(max_size=80), st.text("E12+-*. ()\t", max_size=30)))
def test_any_text_is_a_formula_or_a_refusal(text: str) -> None:
    """Never another error, and what is read is written back the same."""
    try:
        formula = parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either is right, silence is not
        return
    assert formula == parse(str(formula))
    assert all(1 <= abs(coefficient) <= MAX_COEFFICIENT for coefficient, _ in formula.terms)
