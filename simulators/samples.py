"""Rows of a file -> samples: one meter, one instant, one amount; what cannot be read is refused by line, or counted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NamedTuple

from schemas.reading import CODE
from simulators.series import Cells, Series, SeriesFault
from simulators.stamps import Stamp

MISSING: Final = frozenset(("", "na", "n/a", "nan", "null", "none", "nat"))
MOST: Final = Decimal(10) ** 12
"""No amount is believed from here on."""
IS_CODE: Final = re.compile(CODE).fullmatch
SHOWN: Final = 5


class Sample(NamedTuple):
    """What a file says of a meter at an instant, in the file's unit; None: it says nothing."""

    meter: str
    at: datetime
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand. Wide: one column a meter. Long: the meter's name in `meter_column`, the amount in `value_column`.

    `codes` are the names replayed, each with its meter code; `every` adds whatever else a long file names.
    """

    time_column: str
    codes: Mapping[str, str]
    meter_column: str | None = None
    value_column: str | None = None
    every: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns read, the time first."""
        if self.meter_column is None or self.value_column is None:
            return [self.time_column, *self.codes]
        return [self.time_column, self.meter_column, self.value_column]


@dataclass(slots=True)
class Mistakes:
    """Where mistakes go: the first one ends the replay, or where they are to be skipped, they are counted."""

    path: Path
    skip: bool
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, line: int, words: str) -> None:
        """A mistake in a line. Raises SeriesFault where mistakes are not skipped."""
        text = f"{self.path}:{line}: {words}"
        if not self.skip:
            raise SeriesFault(f"{text}\n(--skip-bad-lines leaves such lines out and counts them)")
        self.count += 1
        self.first += [text] if self.count <= SHOWN else []


def samples(series: Series, layout: Layout, stamp: Stamp, mistakes: Mistakes) -> Iterator[Sample]:
    """Every sample, a meter's own in rising order of time. Raises SeriesFault."""
    latest: dict[str, datetime] = {}
    for line, cells in series.rows(layout.columns):
        if cells is None:
            mistakes.add(line, "not as many fields as the header has columns; quote fields that hold a --delimiter")
            continue
        try:
            at = stamp(cells[0])
        except ValueError as error:
            mistakes.add(line, str(error))
            continue
        for code, name, cell in _named(layout, cells, line, mistakes):
            if code in latest and at <= latest[code]:
                mistakes.add(line, f"{cells[0]} of {name!r} does not lie after the time before it; sort the file, drop repetitions")
                continue
            latest[code] = at
            yield Sample(code, at, _amount(cell, name, line, mistakes))


def _named(layout: Layout, cells: Cells, line: int, mistakes: Mistakes) -> Iterator[tuple[str, str, object]]:
    """Code, name and cell of every meter in a row."""
    if layout.meter_column is None:
        for (name, code), cell in zip(layout.codes.items(), cells[1:], strict=True):
            yield code, name, cell
        return
    name = str(cells[1]).strip()
    told = layout.codes.get(name) or (name if layout.every else None)
    if told is not None and IS_CODE(told):
        yield told, name, cells[2]
    elif told is not None:
        mistakes.add(line, f"{name!r} cannot be a meter's code; give it one with --meter '{name}=CODE'")


def _amount(cell: object, name: str, line: int, mistakes: Mistakes) -> Decimal | None:
    text = "" if cell is None else str(cell).strip()
    if text.lower() in MISSING:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        mistakes.add(line, f"{text!r} of {name!r} is no number; choose the columns to replay with --meter, or correct it")
        return None
    if not (amount.is_finite() and 0 <= amount < MOST):
        limits = f"must lie from 0 to {MOST:.0e}, a register never counts backwards"
        mistakes.add(line, f"{text} of {name!r}: {limits}; correct it or leave it empty")
        return None
    return amount
