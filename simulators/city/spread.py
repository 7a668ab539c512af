"""Totals shared out in integers, so that the parts sum to the whole exactly."""

from collections.abc import Mapping
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Amounts = npt.NDArray[np.int64]
"""Micro-units, one an hour or one a month."""
Weights = npt.NDArray[np.float64]
Name = TypeVar("Name")

MOST: Final = 2**52
"""Totals up to here are exact in the floating-point numbers they are multiplied with."""


def spread(total: int, weights: Weights) -> Amounts:
    """The total shared out by non-negative weights; what rounding leaves goes to the largest part."""
    if not 0 <= total <= MOST:
        raise ValueError(f"{total} cannot be shared out exactly: give a total from 0 to 2**52")
    parts = np.asarray(np.floor(weights * (total / weights.sum())), dtype=np.int64)
    parts[np.argmax(parts)] += total - int(parts.sum())
    return parts


def apportion(count: int, sizes: Mapping[Name, int]) -> dict[Name, int]:
    """`count` shared out in proportion to sizes by largest remainder; the first name wins a tie."""
    whole = sum(sizes.values())
    counts = {name: count * size // whole for name, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda name: count * sizes[name] % whole, reverse=True)
    for name in by_remainder[: count - sum(counts.values())]:
        counts[name] += 1
    return counts
