"""The registry in memory: who may publish what, and on which channel a register lands.

A million meters fit: one dict from path to row number, everything else in compact columns. A row is one version of a meter; a
meter whose institution, gateway or code changed has several, each valid from one instant to another.
"""

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

from ingest.metering.registers import INTEGER_LIMIT
from schemas.registers import REGISTERS, Kind

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
    """One version of a meter, as storage reads it. `digits` is 0 where any value may show; `channels`: name, number, decimals."""

    institution: str
    medium: str
    code: str
    gateway: str | None
    meter: int
    valid_from_us: int
    valid_to_us: int
    digits: int
    channels: list[tuple[str, int, int]]


_CANARY_METER: Final = RegisteredMeter(
    *CANARY, None, 0, -(2**63), 2**63 - 1, 0, [("energy_import_kwh", CANARY_CHANNEL, USUAL_DECIMALS)]
)


class Registry:
    """Look-ups for one version of the registry; never changed after it is filled."""

    def __init__(self, version: int, meters: Iterable[RegisteredMeter] = ()) -> None:
        """Fill from versions of meters, in any order."""
        self.version = version
        self._rows: dict[str, int] = {}
        self._next = array("l")  # the next version of the same meter, or ABSENT
        self._gateway = array("l")
        self._gateways: dict[str | None, int] = {None: ABSENT}
        self.meter = array("l")
        self._valid_from_us = array("q")
        self._valid_to_us = array("q")
        self._channels = {name: array("l") for name in REGISTERS}
        self._faces = {name: array("H") for name in REGISTERS}
        self._face_number: dict[Face, int] = {}
        self._face: list[Face] = []  # few and distinct: a column of numbers stands for them
        self._add(_CANARY_METER)
        for meter in meters:
            self._add(meter)

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
        return self._channels[name][row], self._face[self._faces[name][row]]

    def _add(self, meter: RegisteredMeter) -> None:
        path = f"{meter.institution}/{meter.medium}/{meter.code}"
        row = len(self.meter)
        self._next.append(self._rows.get(path, ABSENT))
        self._rows[path] = row
        self.meter.append(meter.meter)
        self._gateway.append(self._gateway_number(meter))
        self._valid_from_us.append(meter.valid_from_us)
        self._valid_to_us.append(meter.valid_to_us)
        for name in REGISTERS:
            self._channels[name].append(ABSENT)
            self._faces[name].append(0)
        for name, channel, decimals in meter.channels:
            self._channels[name][row] = channel
            self._faces[name][row] = self._number_of(_face(name, meter.digits, decimals))

    def _number_of(self, face: Face) -> int:
        if face not in self._face_number:
            self._face_number[face] = len(self._face)
            self._face.append(face)
        return self._face_number[face]

    def _gateway_number(self, meter: RegisteredMeter) -> int:
        if meter.gateway is None:
            return ABSENT
        return self._gateways.setdefault(f"{meter.institution}/{meter.gateway}", len(self._gateways))


def _face(register: str, digits: int, decimals: int) -> Face:
    """A cumulative register of so many digits cannot show its modulus or more."""
    if digits == 0 or REGISTERS[register].kind is not Kind.CUMULATIVE:
        return Face(decimals, INTEGER_LIMIT)
    return Face(decimals, int(10 ** (digits + decimals)))
