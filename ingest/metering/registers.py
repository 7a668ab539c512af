"""A register's value as an exact integer.

A JSON number is an IEEE double (RFC 8259, section 6). Multiplying by the resolution and rounding half-even gives back every
decimal of at most three places below 2^50 exactly: the product's relative error is below 2^-52, so it stays within 1/4 of the
integer. Above that the shortest decimal text of the double decides. What is finer than the resolution is rounded half-even as a
double: 0.5015, whose double lies just below the tie, becomes 501 thousandths.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

INTEGER_LIMIT: Final = 2**52
"""Registers are kept below this, so that every value is also exact as a double."""

EXACT_LIMIT: Final = 2**50
"""Below it a register value times its resolution, rounded, is the integer."""

_EXACT_LIMIT: Final = float(EXACT_LIMIT)


def to_integer(value: float, decimals: int) -> int:
    """The register value in units of 10^-decimals, finer digits rounded half-even.

    `value` must be finite. The result may exceed `INTEGER_LIMIT`; the caller judges the range.
    """
    scaled: float = value * 10**decimals
    if -_EXACT_LIMIT < scaled < _EXACT_LIMIT:
        return round(scaled)
    return int(Decimal(repr(value)).scaleb(decimals).to_integral_value(ROUND_HALF_EVEN))
