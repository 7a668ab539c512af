"""CPU and memory, as the kernel counts them: of one process, of one with its children, of the whole machine."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_ENDED: Final = slice(13, 15)
"""Of /proc/PID/stat after the name: user and system time of children that have ended and were waited for."""
_SCHEDULED: Final = 2
"""Of the clocks that Linux keeps of a process (clock_getcpuclockid): the one that the scheduler counts by."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, to the nanosecond: a short run is a few ticks of /proc. Raises OSError once it is gone."""
    return time.clock_gettime_ns(~pid << 3 | _SCHEDULED) / 1e9


def tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all it has started, those that have ended included (to the tick)."""
    total = 0.0
    for one in (pid, *_children(pid)):
        with suppress(OSError):  # a child may end while we look
            total += cpu_seconds(one) + _ticks(one, _ENDED) / _TICKS
    return total


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20


def machine_cpu_seconds() -> float:
    """CPU time that is gone on all cores so far, whoever used it, the hypervisor's other guests included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


class Account:
    """How many cores each part keeps busy from its start on; `elsewhere` is what belongs neither to them nor to this process."""

    def __init__(self, parts: Mapping[str, Callable[[], float]], *, own: str | None = None) -> None:
        """`parts` by name, each a counter of CPU seconds; `own` is the part that this process itself plays."""
        self._parts = {**({own: time.process_time} if own else {}), **parts}
        self._beside = 0.0 if own else 1.0  # this process counts once, as a part or beside them
        self._before = self._now()
        if own:
            self._before[own] = time.process_time()  # to look at the others takes milliseconds, which are not the part's
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def cpu_us(self, count: float) -> dict[str, float]:
        """CPU microseconds of ingest and database so far, as figures, for each of so many readings (rows, channels)."""
        spent = self.spent()
        return {f"{part}_cpu_us": spent[part] / count * 1e6 for part in ("ingest", "database") if part in spent}

    def spent(self) -> dict[str, float]:
        """CPU seconds of each part since the start."""
        return {part: now - self._before[part] for part, now in self._now().items()}

    def cores(self) -> dict[str, float]:
        """CPU seconds a second of each part since the start, none below zero."""
        seconds = max(self.seconds, 1e-9)
        return {part: max(spent, 0.0) / seconds for part, spent in self.spent().items()}

    def _now(self) -> dict[str, float]:
        now = {part: counter() for part, counter in self._parts.items()}
        return {**now, "elsewhere": machine_cpu_seconds() - sum(now.values()) - self._beside * time.process_time()}


def _ticks(pid: int, fields: slice) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return sum(map(int, after_name[fields]))


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process may end while we look
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            found += [int(stat.parent.name)] if int(fields[1]) == parent else []
    return found
