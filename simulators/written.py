"""An institution's readings as JSON, a day at a time.

All registers are read at once (`device.Faces`), and a reading is one formatting of bytes that hold all but its time and values:
measured, that is half of what the stream costs.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, repeat
from typing import Final

import numpy as np

from simulators.device import Device, Faces, Integers
from simulators.messages import Reading
from simulators.mishaps import Struck
from simulators.month import HOUR_SECONDS, local
from simulators.run import Site

Entry = tuple[bytes, Reading] | None
"""A reading as JSON and as a row of the ledger; without text the second register of the meter before it; None where a clock
behind stamps it before the month.
"""
Row = Sequence[Entry]
"""One instant of every device of an institution."""
MOST_DECIMALS: Final = 3


class Written:
    """An institution's devices and how their readings are written."""

    def __init__(self, site: Site, start_s: int) -> None:
        self._interval_s, self._start_s = site.interval_s, start_s
        self._faces = Faces(site.devices)
        by_meter = groupby(site.devices, lambda device: device.meter)
        self._meters = [_Meter(tuple(devices), start_s) for _, devices in by_meter]

    def rows(self, hours: range) -> list[Row]:
        """One row an instant; those before the first instant are empty."""
        start_s, interval_s = self._start_s, self._interval_s
        begin_s, end_s = (start_s + hour * HOUR_SECONDS for hour in (hours.start, hours.stop))
        instants = np.arange(begin_s, end_s, interval_s, dtype=np.int64) + interval_s
        before = int(np.searchsorted(instants, start_s))
        steps = self._faces.read(hours)[:, before:]
        number = (int(instants[before]) - start_s) // interval_s
        columns = self._columns(instants[before:], steps, number)
        return [*repeat((), before), *zip(*columns, strict=True)]

    def _columns(self, instants: Integers, steps: Integers, number: int) -> Iterator[Iterable[Entry]]:
        at = 0
        for meter in self._meters:
            until = at + len(meter.devices)
            yield from meter.columns(instants, steps[at:until], number)
            at = until


class _Meter:
    """A meter's registers: one text, a column of readings each."""

    def __init__(self, devices: tuple[Device, ...], start_s: int) -> None:
        self.devices = devices
        self._start_s = start_s
        self._decimals = devices[0].meter.display.decimals
        self._form = _form(devices, self._decimals)
        modulus = devices[0].meter.display.modulus
        self._struck = [Struck(device.mishaps, modulus) if device.mishaps else None for device in devices]

    def columns(self, instants: Integers, steps: Integers, number: int) -> Iterator[Iterable[Entry]]:
        """The readings of some instants, of which the first has a number."""
        shown = [struck.show(number, row) if struck else row for struck, row in zip(self._struck, steps, strict=True)]
        stamped = self.devices[0].stamped(instants, self._start_s)
        seconds = stamped.tolist()
        texts: Iterable[bytes] = self._texts(stamped, shown)
        for device, row in zip(self.devices, shown, strict=True):
            milli = (row * 10 ** (MOST_DECIMALS - self._decimals)).tolist()
            entries = zip(texts, zip(repeat(device), seconds, milli), strict=False)
            yield entries if seconds[0] >= self._start_s else self._since_start(entries)
            texts = repeat(b"")

    def _since_start(self, entries: Iterable[tuple[bytes, Reading]]) -> Iterator[Entry]:
        return (entry if entry[1][1] >= self._start_s else None for entry in entries)

    def _texts(self, stamped: Integers, shown: list[Integers]) -> list[bytes]:
        device, form = self.devices[0], self._form
        own = device.is_off
        times = _own_times(stamped) if own else _times(int(stamped[0]), device.interval_s, len(stamped))
        parts = [part.tolist() for row in shown for part in self._parts(row)]
        return [form % values for values in zip(times, *parts, strict=True)]

    def _parts(self, steps: Integers) -> tuple[Integers, ...]:
        """What stands before and behind the point."""
        return np.divmod(steps, 10**self._decimals) if self._decimals else (steps,)


def _form(devices: Sequence[Device], decimals: int) -> bytes:
    """A reading's JSON but for time and values; whoever publishes alone leaves out who it is, for the topic says it."""
    meter = devices[0].meter
    named = f'"medium":"{meter.medium}","meter":"{meter.code}",' if meter.gateway else ""
    value = f"%d.%0{decimals}d" if decimals else "%d"
    registers = ",".join(f'"{device.register}":{value}' for device in devices)
    return f'{{{named}"read_at":"%b",{registers}}}'.encode()


@lru_cache(maxsize=8)
def _times(first_s: int, interval_s: int, number: int) -> tuple[bytes, ...]:
    """RFC 3339 texts of instants, shared by every device with the right time."""
    return tuple(local(first_s + at * interval_s).isoformat().encode() for at in range(number))


def _own_times(stamped: Integers) -> list[bytes]:
    return [local(at).isoformat().encode() for at in stamped.tolist()]
