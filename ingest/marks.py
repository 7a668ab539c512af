"""How long settlement's oldest mark has waited. A mark has a number and no time: what is known is when a number was seen first."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

STEP_SECONDS: Final = 10.0
"""Numbers are remembered so seldom that a week of backlog takes little memory."""


@dataclass(slots=True)
class Marks:
    """The highest number seen at some instants, as long as marks up to it may wait."""

    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def age_seconds(self, oldest: int | None, newest: int | None, now: float) -> float:
        """At least so long has the oldest mark waited; 0 where none waits. None: there is no mark. `now` in seconds."""
        while self._seen and (oldest is None or self._seen[0][1] < oldest):
            self._seen.popleft()
        if newest is not None and (not self._seen or now >= self._seen[-1][0] + STEP_SECONDS):
            self._seen.append((now, newest))
        return now - self._seen[0][0] if self._seen else 0.0
