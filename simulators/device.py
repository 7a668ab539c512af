"""The device at a register of a meter: how often it reads, what its clock says, what mishaps its register suffers.

A device is derived from its meter's institution alone, so that registry and stream agree on it without a scenario; only clock
and mishaps are faults.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.meter import Export, Meter
from simulators.mishaps import Mishap
from simulators.month import HOUR_SECONDS

Integers = NDArray[np.int64]
MILLION: Final = 1_000_000
EXPORT_REGISTER: Final = "energy_export_kwh"


def interval_s(institution_number: int) -> int:
    """Seconds between readings: an hour in most institutions, 15 or 30 minutes in one of ten each, 5 in one of twenty."""
    if institution_number % 20 == 6:
        return 300
    return {1: 900, 8: 1_800}.get(institution_number % 10, HOUR_SECONDS)


@dataclass(frozen=True, eq=False)
class Device:
    """One register's device; `number` counts through the fleet. The registers of a meter share clock and readings."""

    number: int
    meter: Meter
    interval_s: int
    export: Export | None = None
    """Where it is the register of what flows back."""
    offset_s: int = 0
    drift_ppm: int = 0
    mishaps: tuple[Mishap, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Institution, medium, meter, register: how views and ledger name it."""
        meter = self.meter
        return meter.institution, str(meter.medium), meter.code, self.register

    @property
    def register(self) -> str:
        """The register's name."""
        return EXPORT_REGISTER if self.export else self.meter.register

    @property
    def truth(self) -> Meter | Export:
        """Where its register stood at first, and the amounts that passed."""
        return self.export or self.meter

    @property
    def is_off(self) -> bool:
        """Whether its clock is wrong."""
        return bool(self.offset_s or self.drift_ppm)

    def stamped(self, instants_s: Integers, since_s: int) -> Integers:
        """What its clock says at true instants; it was set, off by `offset_s`, at `since_s`."""
        if not self.is_off:
            return instants_s
        return instants_s + self.offset_s + (instants_s - since_s) * self.drift_ppm // MILLION


class Faces:
    """The registers of devices with one interval, read a stretch of hours at a time.

    Within an hour the truth passes evenly, in integer micro-units.
    """

    def __init__(self, devices: Sequence[Device]) -> None:
        self._truths = [device.truth for device in devices]
        displays = [device.meter.display for device in devices]
        self._quantum = np.array([[[display.quantum_micro]] for display in displays], np.int64)
        self._modulus = np.array([[[display.modulus]] for display in displays], np.int64)
        self._passed = np.array([truth.start_micro for truth in self._truths], np.int64)
        self._parts = np.arange(1, HOUR_SECONDS // devices[0].interval_s + 1, dtype=np.int64)

    def read(self, hours: range) -> Integers:
        """Steps shown (device, reading) at the readings within the next hours and at their ends.

        `hours` may begin with -1, an hour before the truth in which nothing passes.
        """
        amounts = self._amounts(hours)
        ends = self._passed[:, None] + np.cumsum(amounts, axis=1)
        begins = ends - amounts
        self._passed = ends[:, -1]
        totals = begins[:, :, None] + amounts[:, :, None] * self._parts // len(self._parts)
        steps: Integers = totals // self._quantum % self._modulus
        return steps.reshape(len(self._truths), -1)

    def _amounts(self, hours: range) -> Integers:
        first = max(hours.start, 0)
        rows = [np.asarray(truth.amounts_micro[first : hours.stop], np.int64) for truth in self._truths]
        amounts = np.stack(rows)
        return np.pad(amounts, ((0, 0), (first - hours.start, 0)))
