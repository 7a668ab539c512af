"""What a virtual meter is made of: a sum and difference of meters, such as `E1 + 2*E2 - E3`.

Blanks part the signs from the meters, because a meter's code may hold a hyphen: `E1-E2` is one meter.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_COEFFICIENT: Final = 100
"""How often a meter may count; more than any row of equal rooms, and far from what 64 bits hold."""
MAX_TERMS: Final = 200
_TERM: Final = re.compile(r"(?:([0-9]{1,9})\*)?([A-Za-z0-9][A-Za-z0-9._-]{0,63})", re.ASCII)
_HOW: Final = "write it as E1 + 2*E2 - E3, with blanks around + and -"


@dataclass(frozen=True, slots=True)
class Formula:
    """Coefficients, none of them 0, and the codes of meters, each once, in the order written."""

    terms: tuple[tuple[int, str], ...]

    def __str__(self) -> str:
        """As one writes it: parsed again it is the same."""
        return "".join(_written(*term, first=position == 0) for position, term in enumerate(self.terms))


def parse(text: str) -> Formula:
    """The formula of a text. Raises ValueError that says what is wrong and how to write it."""
    tokens = re.sub(r"[ \t]*\*[ \t]*", "*", text).split()
    if not tokens:
        raise ValueError(f"a formula names at least one meter: {_HOW}")
    if tokens[0] not in ("+", "-"):
        tokens.insert(0, "+")
    signs, meters = tokens[::2], tokens[1::2]
    if len(signs) != len(meters):
        raise ValueError(f"a meter is missing after {tokens[-1]!r}: {_HOW}")
    if len(meters) > MAX_TERMS:
        raise ValueError(f"more than {MAX_TERMS} meters: sum some of them in a virtual meter of their own")
    terms = tuple(_term(sign, meter) for sign, meter in zip(signs, meters, strict=True))
    codes = [code for _, code in terms]
    for code in codes:
        if codes.count(code) > 1:
            raise ValueError(f"{code!r} stands twice: write it once, with its coefficient")
    return Formula(terms)


def _term(sign: str, meter: str) -> tuple[int, str]:
    if sign not in ("+", "-"):
        raise ValueError(f"{sign!r} stands where + or - belongs: {_HOW}")
    found = _TERM.fullmatch(meter)
    if found is None:
        raise ValueError(f"{meter!r} is no meter: {_HOW}")
    coefficient = int(found[1] or 1)
    if not 1 <= coefficient <= MAX_COEFFICIENT:
        raise ValueError(f"the coefficient of {found[2]!r} must lie between 1 and {MAX_COEFFICIENT}")
    return (coefficient if sign == "+" else -coefficient), found[2]


def _written(coefficient: int, code: str, *, first: bool) -> str:
    meter = code if abs(coefficient) == 1 else f"{abs(coefficient)}*{code}"
    if first:
        return meter if coefficient > 0 else f"- {meter}"
    return f" + {meter}" if coefficient > 0 else f" - {meter}"
