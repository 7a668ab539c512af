"""What truly happened to a register, and what an ideal settlement must say of each: the ledger of true faults.

A fault names the readings it strikes, by the device's own clock, and the kind of event that must be found there; none means that
nothing strange can be seen. Rollovers are no faults, but are noted as what else the register does.
"""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.device import Device, Faces
from simulators.mishaps import Kind, Mishap, Struck
from simulators.month import HOUR_SECONDS
from simulators.oracle import IN_A_ROW, Exchange, Limits

Integers = NDArray[np.int64]
Declared = Literal["on_time", "late", "never", ""]
ROLLOVER: Final = "rollover"
MOST_DECIMALS: Final = 3


class RegisterFault(NamedTuple):
    """A fault: seconds of the first and last reading it strikes; the event kinds that may be found; an exchange's values."""

    kind: str
    first_s: int
    last_s: int
    expected: tuple[str, ...]
    declared: Declared = ""
    exchange: Exchange | None = None


def faults(of: Device, start_s: int, hours: int) -> list[RegisterFault]:
    """Everything that happens to a device's register within some hours, in order."""
    return sorted(_Register(of, start_s, hours).faults(), key=lambda fault: fault.first_s)


class _Register:
    """One register: what it shows, and what it would show but for the mishaps that pass."""

    def __init__(self, of: Device, start_s: int, hours: int) -> None:
        per_hour = HOUR_SECONDS // of.interval_s
        self._truth = truth = Faces([of]).read(range(-1, hours))[0][per_hour - 1 :]
        self._of, self._modulus = of, of.meter.display.modulus
        self._stamped = of.stamped(start_s + of.interval_s * np.arange(len(truth)), start_s)
        lasting = [mishap for mishap in of.mishaps if mishap.kind in (Kind.RESET, Kind.EXCHANGE)]
        self._shown = Struck(of.mishaps, self._modulus).show(0, truth)
        self._sound = Struck(lasting, self._modulus).show(0, truth)
        self._lasting = lasting

    def faults(self) -> Iterator[RegisterFault]:
        """Of mishaps, then rollovers."""
        for mishap in self._of.mishaps:
            match mishap.kind:
                case Kind.DIP | Kind.SPIKE:
                    yield self._fault(mishap, (str(mishap.kind),) if self._differs(mishap) else ())
                case Kind.UNIT_SLIP:
                    asked = ("unexplained",) if mishap.lasts > IN_A_ROW else ()  # too many in doubt: an operator is asked
                    yield self._fault(mishap, ("spike", "dip", *asked) if self._differs(mishap) else ())
                case Kind.FREEZE:
                    yield self._fault(mishap, self._of_freeze(mishap), until=mishap.first + mishap.lasts)
                case Kind.RESET:
                    yield self._fault(mishap, self._of_jump(mishap.first))
                case Kind.EXCHANGE:
                    yield self._exchanged(mishap)
        jumps = {mishap.first for mishap in self._lasting}
        for position in (np.flatnonzero(self._sound[1:] < self._sound[:-1]) + 1).tolist():
            if position not in jumps:
                yield RegisterFault(ROLLOVER, self._at(position - 1), self._at(position), (ROLLOVER,))

    def _fault(self, mishap: Mishap, expected: tuple[str, ...], until: int | None = None) -> RegisterFault:
        last = mishap.first + max(mishap.lasts, 1) - 1 if until is None else until
        return RegisterFault(str(mishap.kind), self._at(mishap.first), self._at(last), expected)

    def _differs(self, mishap: Mishap) -> bool:
        struck = slice(mishap.first, mishap.first + mishap.lasts)
        return bool((self._shown[struck] != self._sound[struck]).any())

    def _of_freeze(self, mishap: Mishap) -> tuple[str, ...]:
        """It is seen where it catches up by more than an interval can bring."""
        end = mishap.first + mishap.lasts
        return () if self._possible(int(self._shown[end - 1]), int(self._sound[end])) else ("catch_up",)

    def _of_jump(self, first: int) -> tuple[str, ...]:
        """What a jump that nobody declared must be called, going by its size alone."""
        before, after = int(self._sound[first - 1]), int(self._sound[first])
        if before <= after:
            return () if self._possible(before, after) else ("unexplained",)
        if self._possible(before, after):
            return (ROLLOVER,)
        return ("reset",) if self._possible(0, after) else ("unexplained",)

    def _exchanged(self, mishap: Mishap) -> RegisterFault:
        at, milli = self._at(mishap.first), 10 ** (MOST_DECIMALS - self._of.meter.display.decimals)
        earlier = [each for each in self._lasting if each.first < mishap.first]
        old = int(Struck(earlier, self._modulus).show(0, self._truth)[mishap.first])
        exchange = Exchange(at, old * milli, int(self._sound[mishap.first]) * milli)
        declared = declared_when(mishap)
        expected = self._of_jump(mishap.first) if declared == "never" else ("exchange",)
        return RegisterFault(str(mishap.kind), at, at, expected, declared, exchange)

    def _possible(self, before: int, after: int) -> bool:
        """Whether a register can pass from one value to the other within an interval, over zero if need be."""
        display = self._of.meter.display
        limits = Limits.of(display.digits, display.decimals, display.ratio_milli, self._of.meter.rated_tenths)
        milli = display.milli(after - before) % limits.modulus
        return milli <= limits.cap_per_hour * self._of.interval_s // HOUR_SECONDS + limits.quantum

    def _at(self, position: int) -> int:
        return int(self._stamped[position])


def declared_when(mishap: Mishap) -> Declared:
    """Six exchanges in ten are declared in time, two late, two never."""
    tenth = mishap.per_mille % 10
    return "on_time" if tenth < 6 else "late" if tenth < 8 else "never"
