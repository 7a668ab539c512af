"""One device of the ledger: its true hours, the readings it sent, and what must be derived from them."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators import blobs, oracle, proved
from simulators.ledger import FATES
from simulators.messages import Fate
from simulators.month import HOUR_SECONDS
from simulators.oracle import Exchange, Limits, Steps
from simulators.proved import Derived

Integers = NDArray[np.int64]
Key = tuple[str, str, str, str]
DROPPED: Final = FATES.index(Fate.DROPPED)
EXTRA: Final = FATES.index(Fate.EXTRA)


class Span(NamedTuple):
    """The simulated time: its first second, and its hours."""

    start_s: int
    hours: int

    @property
    def end_s(self) -> int:
        """The instant after its last second."""
        return self.start_s + self.hours * HOUR_SECONDS


@dataclass(frozen=True)
class Expected:
    """A device as the ledger knows it."""

    key: Key
    sign: int
    """How it counts in what a quota is held against."""
    limits: Limits
    interval_s: int
    offset_s: int
    drift_ppm: int
    mishaps: list[tuple[str, int, int]]
    month: str
    span: Span
    true_hours: Integers
    columns: Integers = field(repr=False)
    """Seconds, thousandths and fate of everything noted, in the order of sending."""
    exchanges: tuple[Exchange, ...] = ()
    """As they were declared to the service, in time or late, whatever truly happened."""

    @property
    def name(self) -> str:
        """For people."""
        return " ".join(self.key[:3])

    @property
    def step_micro(self) -> int:
        """One display step behind the ratio."""
        return self.limits.quantum * self.limits.ratio_milli

    @cached_property
    def dropped(self) -> frozenset[int]:
        """Seconds of the readings that never left."""
        return frozenset(self.columns[0, self.columns[2] == DROPPED].tolist())

    @cached_property
    def stored(self) -> Integers:
        """Seconds, thousandths and fate of what the database must hold, in order of time: of several values the first sent."""
        sent = self.columns[:, (self.columns[2] != DROPPED) & (self.columns[2] != EXTRA)]
        _, first = np.unique(sent[0], return_index=True)
        return sent[:, first]

    @cached_property
    def contradicted(self) -> dict[int, int]:
        """Seconds of disputed readings, and the other value sent for each."""
        extra = self.columns[:, self.columns[2] == EXTRA]
        return dict(zip(extra[0].tolist(), extra[1].tolist(), strict=True))

    @cached_property
    def counted(self) -> Integers:
        """Seconds and thousandths that settlement may use."""
        seconds, values, _ = self.stored
        return np.stack((seconds, values))[:, ~np.isin(seconds, list(self.contradicted))]

    @cached_property
    def steps(self) -> Steps:
        """Which of the counted readings connect."""
        return oracle.steps(self.counted[0], self.counted[1], self.limits, self.exchanges)

    @cached_property
    def derived(self) -> Derived:
        """The hours and months that must come of them."""
        return proved.derived(self.steps, self.limits.ratio_milli, self.interval_s)


_QUERY: Final = """
SELECT device, institution, medium, meter, register, sign, digits, decimals, ratio_milli, rated_tenths, interval_s, offset_s,
       drift_ppm, mishaps, month, hours,
       (SELECT value FROM meta WHERE key = 'start_s'), (SELECT value FROM meta WHERE key = 'hours')
FROM device JOIN truth USING (device) JOIN numerator USING (device)
"""


Declared = Mapping[Key, Sequence[Exchange]]
"""Exchanges declared to the service, by register."""


def devices(ledger: sqlite3.Connection, declared: Declared = MappingProxyType({})) -> Iterator[Expected]:
    """Every device, read one by one."""
    for row in ledger.execute(f"{_QUERY} ORDER BY device"):
        yield _expected(row, ledger, declared)


def device(ledger: sqlite3.Connection, key: Key, declared: Declared = MappingProxyType({})) -> Expected | None:
    """The device of a register."""
    where = "WHERE institution = ? AND medium = ? AND meter = ? AND register = ?"
    row = ledger.execute(f"{_QUERY} {where}", key).fetchone()
    return row and _expected(row, ledger, declared)


def _expected(row: tuple[Any, ...], ledger: sqlite3.Connection, declared: Declared) -> Expected:
    number, *key, sign, digits, decimals, ratio, rated, interval, offset, drift, mishaps, month, hours, start, count = row
    return Expected(
        key=tuple(key),
        sign=sign,
        limits=Limits.of(digits, decimals, ratio, rated),
        interval_s=interval,
        offset_s=offset,
        drift_ppm=drift,
        mishaps=[tuple(each) for each in json.loads(mishaps)],
        month=month,
        span=Span(int(start), int(count)),
        true_hours=blobs.hours(hours),
        columns=_columns(ledger, number),
        exchanges=tuple(declared.get(tuple(key), ())),
    )


def _columns(ledger: sqlite3.Connection, number: int) -> Integers:
    query = "SELECT columns FROM reading WHERE device = ? ORDER BY part"
    parts = [blobs.readings(row[0]) for row in ledger.execute(query, (number,))]
    return np.concatenate(parts, axis=1) if parts else np.empty((blobs.COLUMNS, 0), np.int64)
