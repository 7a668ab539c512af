"""What a comparison notes: disagreements, differences that have a reason, the largest difference."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Final

from simulators.reasons import Reason
from simulators.report import Finding, Largest

EXAMPLES: Final = 5
Tell = Callable[[str], None]


class Notes:
    """Counts, the first few examples of each kind, and every line to whoever wants them all."""

    def __init__(self, tell: Tell | None = None) -> None:
        self._tell = tell
        self._wrong: dict[str, tuple[int, list[str]]] = {}
        self._explained: dict[str, tuple[int, list[str]]] = {}
        self._periods: Counter[tuple[str, str]] = Counter()
        self._largest: defaultdict[tuple[str, str], tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    def wrong(self, what: str, which: str) -> None:
        """A disagreement of ledger and database."""
        _add(self._wrong, what, which)
        if self._tell:
            self._tell(f"WRONG      {what}: {which}")

    def explained(self, what: str, which: str, reason: Reason) -> None:
        """A difference from the truth that the published readings explain."""
        _add(self._explained, f"{what}: {reason.word}", f"{which}: {reason.text}")
        if self._tell:
            self._tell(f"explained  {what}: {which}: {reason.word}: {reason.text}")

    def near(self, period: str, unit: str, count: int, difference_micro: int, step_micro: int) -> None:
        """Periods whose difference from the truth needs no explanation, and the largest of it."""
        self._periods[period, unit] += count
        if count:
            self._largest[period, unit] = max(self._largest[period, unit], (difference_micro / step_micro, difference_micro))

    def findings(self) -> tuple[Finding, ...]:
        """The disagreements."""
        return _findings(self._wrong)

    def reasons(self) -> tuple[Finding, ...]:
        """The differences with a reason."""
        return _findings(self._explained)

    def largest(self, period: str) -> tuple[Largest, ...]:
        """By unit."""
        units = sorted(unit for named, unit in self._periods if named == period)
        return tuple(self._of(period, unit) for unit in units)

    def _of(self, period: str, unit: str) -> Largest:
        steps, micro = self._largest[period, unit]
        return Largest(unit, self._periods[period, unit], micro / 1e6, steps)


def _add(notes: dict[str, tuple[int, list[str]]], name: str, example: str) -> None:
    count, examples = notes.get(name, (0, []))
    notes[name] = (count + 1, [*examples, example] if count < EXAMPLES else examples)


def _findings(notes: dict[str, tuple[int, list[str]]]) -> tuple[Finding, ...]:
    return tuple(Finding(name, count, tuple(examples)) for name, (count, examples) in notes.items())
