"""The ledger's blobs: zlib (level 1) of little-endian 64-bit integers.

hours     the true amount of each hour, in micro-units, in order: the deltas of the true total
readings  three columns one after the other, each of as many integers as there are readings: Unix seconds as the difference
          to the one before (the first to zero), thousandths of the register as the difference to the one before, fate
"""

import zlib
from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
LITTLE: Final = np.dtype("<i8")
LEVEL: Final = 1
COLUMNS: Final = 3


def packed_hours(amounts_micro: Sequence[int] | Integers) -> bytes:
    """Hourly amounts as a blob."""
    return zlib.compress(np.asarray(amounts_micro, LITTLE).tobytes(), LEVEL)


def hours(blob: bytes) -> Integers:
    """The hourly amounts of a blob."""
    return np.frombuffer(zlib.decompress(blob), LITTLE).astype(np.int64)


def packed_readings(numbers: "array[int]") -> bytes:
    """Readings as a blob; `numbers` holds seconds, thousandths, fate of one after the other."""
    columns = np.array(numbers, LITTLE).reshape(-1, COLUMNS).T.copy()
    columns[:2, 1:] = np.diff(columns[:2], axis=1)
    return zlib.compress(columns.tobytes(), LEVEL)


def readings(blob: bytes) -> Integers:
    """The three columns of a blob: seconds, thousandths, fate."""
    columns = np.frombuffer(zlib.decompress(blob), LITTLE).reshape(COLUMNS, -1).astype(np.int64)
    columns[:2] = np.cumsum(columns[:2], axis=1)
    return columns
