"""One meter: the truth in integer micro-units on the primary side, and what its display shows of it.

One micro-unit is 1e-6 kWh or 1e-6 m3. The display counts whole steps of its last digit behind the ratio (CT x PT) and
starts again at zero when its digits are used up.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from schemas.registers import MAIN_REGISTER, Medium


@dataclass(frozen=True, slots=True)
class Display:
    """A register's face: digits before the point, decimals (0 to 3), and the ratio to the primary side times 1000."""

    digits: int
    decimals: int
    ratio_milli: int

    @property
    def quantum_micro(self) -> int:
        """One display step on the primary side."""
        return self.ratio_milli * int(10 ** (3 - self.decimals))

    @property
    def modulus(self) -> int:
        """Steps after which the display shows zero again."""
        return int(10 ** (self.digits + self.decimals))

    def steps(self, total_micro: int) -> int:
        """What the display shows once `total_micro` has passed since it was zero, in steps."""
        return total_micro // self.quantum_micro % self.modulus

    def text(self, steps: int) -> str:
        """The steps as the exact decimal the display shows, also a JSON number."""
        if not self.decimals:
            return str(steps)
        whole, rest = divmod(steps, 10**self.decimals)
        return f"{whole}.{rest:0{self.decimals}d}"

    def milli(self, steps: int) -> int:
        """The steps as thousandths of the register's unit."""
        return int(steps * 10 ** (3 - self.decimals))


@dataclass(frozen=True, slots=True)
class Export:
    """What flows back through a meter: its own register, shown on the same display."""

    start_micro: int
    amounts_micro: "array[int]"


@dataclass(frozen=True)
class Meter:
    """A meter in its place, with the true amount of every hour of the month in micro-units."""

    institution: str
    medium: Medium
    code: str
    gateway: str | None
    role: str
    parent: str
    sub_item: str
    display: Display
    start_micro: int
    amounts_micro: "array[int]"
    rated_tenths: int
    """Rated capacity in tenths of kW or m3/h on the primary side; no hour exceeds it."""
    export: Export | None = None
    """Where panels feed back."""

    @property
    def register(self) -> str:
        """The register its consumption is read from."""
        return MAIN_REGISTER[self.medium]

    @property
    def registers(self) -> tuple[str, ...]:
        """All cumulative registers it has."""
        return (self.register, "energy_export_kwh") if self.export else (self.register,)

    @cached_property
    def month_micro(self) -> int:
        """What truly passed in the month."""
        return sum(self.amounts_micro)

    @property
    def rolls_over(self) -> bool:
        """Whether the display passes zero within the month."""
        whole = self.display.quantum_micro * self.display.modulus
        return self.start_micro // whole != (self.start_micro + self.month_micro) // whole

    def shown_steps(self) -> Iterator[int]:
        """What the display shows at every full hour, the month's two ends included."""
        return map(self.display.steps, accumulate(self.amounts_micro, initial=self.start_micro))

    def export_steps(self) -> Iterator[int]:
        """What it shows of the export register at the same instants; nothing where it has none."""
        if self.export is None:
            return iter(())
        return map(self.display.steps, accumulate(self.export.amounts_micro, initial=self.export.start_micro))
