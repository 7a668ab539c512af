"""The publishes of one connection that wait for their PUBACK: never more than agreed, each identifier once, and how long."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

TICKS_PER_SECOND: Final = 100_000
"""Latencies are counted in steps of 10 us, so that a long run takes no more memory than a short one."""


class Window:
    """At most `size` publishes wait; an identifier is taken again only after its PUBACK."""

    def __init__(self, size: int) -> None:
        self._free = deque(range(1, size + 1))
        self._taken_at: list[float | None] = [None] * (size + 1)
        self.size = size
        self.acknowledged = 0
        self.latencies: Counter[int] = Counter()

    @property
    def room(self) -> int:
        """How many may be published now."""
        return len(self._free)

    @property
    def waiting(self) -> int:
        """How many wait for their PUBACK."""
        return self.size - len(self._free)

    def take(self, count: int, now: float) -> list[int]:
        """Identifiers for so many publishes, `count` at most `room`, written at `now` (seconds)."""
        taken = [self._free.popleft() for _ in range(count)]
        for identifier in taken:
            self._taken_at[identifier] = now
        return taken

    def release(self, identifier: int, now: float) -> None:
        """Its PUBACK has come; raises ValueError where nothing waited for one."""
        taken_at = self._taken_at[identifier] if identifier <= self.size else None
        if taken_at is None:
            raise ValueError(f"a PUBACK for packet identifier {identifier}, which waits for none")
        self._taken_at[identifier] = None
        self._free.append(identifier)
        self.acknowledged += 1
        self.latencies[int((now - taken_at) * TICKS_PER_SECOND)] += 1


def percentile_ms(latencies: Iterable[Counter[int]], per_cent: int) -> float:
    """The latency that `per_cent` of all publishes did not exceed, in milliseconds; 0 where there were none."""
    total: Counter[int] = sum(latencies, Counter())
    beyond = -(-total.total() * per_cent // 100)
    for ticks in sorted(total):
        beyond -= total[ticks]
        if beyond <= 0:
            return (ticks + 1) * 1000 / TICKS_PER_SECOND
    return 0.0
