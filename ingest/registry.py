"""The registry in memory: who may publish what, and on which channel a register lands.

A million meters fit: one dict from path to row number, everything else in compact columns. A row is one version of a meter; a
meter whose institution, gateway or code changed has several, each valid from one instant to another.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, TypeVar

from ingest.metering.registers import INTEGER_LIMIT
from schemas.registers import REGISTERS, Kind

Named = TypeVar("Named")
ABSENT: Final = -1
USUAL_DECIMALS: Final = 3
CANARY: Final = ("meterwarden", "electricity", "canary")
"""Institution, medium and code of the meter every registry knows: our own (ingest/canary.py)."""
CANARY_CHANNEL: Final = 0
"""Belongs to no registered meter: stored, and nothing is derived from it."""


class Face(NamedTuple):
    """What a register can show: its decimals, and what its values must stay below, in the channel's integers."""

    decimals: int
    limit: int


class RegisteredMeter(NamedTuple):
    """One version of a meter. `digits` is 0 where any value may show; `channels`: name, number, decimals."""

    institution: str
    medium: str
    code: str
    gateway: str | None
    meter: int
    valid_from_us: int
    valid_to_us: int
    digits: int
    channels: list[tuple[str, int, int]]


class Versions(NamedTuple):
    """Versions of meters in columns, as storage reads them: what stands at one place of each belongs to one version."""

    paths: Sequence[str]
    """`institution/medium/code`."""
    gateways: Sequence[str | None]
    """`institution/code`."""
    displays: Sequence[str]
    """Digits, and name and decimals of each register, with a blank between: `6 energy_import_kwh 3 power_kw 3`."""
    meters: Iterable[int]
    valid_from_us: Iterable[int]
    valid_to_us: Iterable[int]
    channels: Sequence[int]
    """Of the first version's registers as its display names them, then of the second's, and so on."""


_CANARY_METER: Final = RegisteredMeter(
    *CANARY, None, 0, -(2**63), 2**63 - 1, 0, [("energy_import_kwh", CANARY_CHANNEL, USUAL_DECIMALS)]
)
_NO_REGISTER: Final = (ABSENT, Face(0, 0))


class Registry:
    """Look-ups for one version of the registry; never changed after it is filled."""

    def __init__(self, version: int, meters: Iterable[RegisteredMeter] = ()) -> None:
        """Fill from versions of meters, in any order."""
        self.version = version
        self._rows: dict[str, int] = {}
        self._next = array("i")  # another version of the same meter, or ABSENT
        self._gateways = _Numbers[str | None]({None: ABSENT})
        self._gateway = array("i")
        self.meter = array("i")
        self._valid_from_us = array("q")
        self._valid_to_us = array("q")
        self._display_numbers = _Numbers[str]()
        self._displays: list[dict[str, tuple[int, Face]]] = []  # few and distinct: a column of numbers stands for them
        self._display = array("i")
        self._first = array("i")  # where in the next column its channels begin
        self._channel = array("i")
        self.extend(_in_columns([_CANARY_METER, *meters]))

    def __len__(self) -> int:
        """How many meters are known, beside our own."""
        return len(self._rows) - 1

    def gateway(self, institution: str, code: str) -> int:
        """The number of a gateway; ABSENT where no meter is registered under it."""
        return self._gateways.get(f"{institution}/{code}", ABSENT)

    def row(self, path: str, read_at_us: int) -> int | None:
        """The version of a meter in force at an instant, by `institution/medium/code`; None: unknown, ABSENT: not then."""
        row = self._rows.get(path)
        if row is None:
            return None
        while row != ABSENT and not self._valid_from_us[row] <= read_at_us < self._valid_to_us[row]:
            row = self._next[row]
        return row

    def is_under(self, row: int, gateway: int) -> bool:
        """Whether a gateway may speak for a meter."""
        return gateway != ABSENT and self._gateway[row] == gateway

    def register(self, row: int, name: str) -> tuple[int, Face]:
        """The channel of a register, ABSENT where the meter has none registered, and what its values may be."""
        try:
            place, face = self._displays[self._display[row]][name]
        except KeyError:
            return _NO_REGISTER
        return self._channel[self._first[row] + place], face

    def extend(self, versions: Versions) -> None:
        """Take versions in, while the registry is being filled; whole columns at a time, so that a million take a second."""
        self._find_by(versions.paths)
        self._gateway.extend(map(self._gateways.__getitem__, versions.gateways))
        self.meter.extend(versions.meters)
        self._valid_from_us.extend(versions.valid_from_us)
        self._valid_to_us.extend(versions.valid_to_us)
        displays = list(map(self._display_numbers.__getitem__, versions.displays))
        self._displays += map(_display, list(self._display_numbers)[len(self._displays) :])
        self._display.extend(displays)
        lengths = [len(self._displays[display]) for display in displays]
        self._first.extend(accumulate(lengths[:-1], initial=len(self._channel)))
        self._channel.extend(versions.channels)

    def _find_by(self, paths: Sequence[str]) -> None:
        rows, following = self._rows, self._next
        for row, path in enumerate(paths, len(following)):
            following.append(rows.get(path, ABSENT))
            rows[path] = row


class _Numbers(dict[Named, int]):
    """Counts up: whatever is asked for the first time has the next number."""

    def __missing__(self, key: Named) -> int:
        number = self[key] = len(self)
        return number


def _in_columns(meters: Sequence[RegisteredMeter]) -> Versions:
    return Versions(
        [f"{meter.institution}/{meter.medium}/{meter.code}" for meter in meters],
        [meter.gateway and f"{meter.institution}/{meter.gateway}" for meter in meters],
        [" ".join([str(meter.digits), *(f"{name} {decimals}" for name, _, decimals in meter.channels)]) for meter in meters],
        [meter.meter for meter in meters],
        [meter.valid_from_us for meter in meters],
        [meter.valid_to_us for meter in meters],
        [channel for meter in meters for _, channel, _ in meter.channels],
    )


def _display(text: str) -> dict[str, tuple[int, Face]]:
    """By register: its place among the meter's registers, and its face."""
    digits, *registers = text.split(" ")
    named = zip(registers[::2], map(int, registers[1::2]), strict=True)
    return {name: (place, _face(name, int(digits), decimals)) for place, (name, decimals) in enumerate(named)}


def _face(register: str, digits: int, decimals: int) -> Face:
    """A cumulative register of so many digits cannot show its modulus or more."""
    if digits == 0 or REGISTERS[register].kind is not Kind.CUMULATIVE:
        return Face(decimals, INTEGER_LIMIT)
    return Face(decimals, int(10 ** (digits + decimals)))
