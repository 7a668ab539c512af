"""Why what is derived from the published readings differs from what was truly consumed: one line a difference.

Readings that were lost, disputed or did not count, clocks that are off, registers with mishaps. None of these: no reason, and
that is a disagreement.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from simulators.device import MILLION
from simulators.expected import Expected
from simulators.month import HOUR_SECONDS, local


class Reason(NamedTuple):
    """A word to count by, and what exactly."""

    word: str
    text: str


@dataclass(frozen=True)
class Reasons:
    """What may be said of one device's hours and month."""

    of: Expected

    def of_hour(self, hour_s: int) -> Reason | None:
        """Why an hour has no amount, or one that is off by more than a display step."""
        until_s = hour_s + HOUR_SECONDS
        return next(self._of_period(hour_s, until_s, (hour_s, until_s)), None)

    def of_month(self) -> Reason | None:
        """Why the month is off by more than a display step: what happens inside it evens out, but for jumps and mishaps."""
        span = self.of.span
        return next(self._of_period(span.start_s, span.end_s, ()), None)

    def of_days(self, begin_s: int, end_s: int) -> Reason | None:
        """Why some whole days are off by more than a display step: what happens inside evens out, what crosses an end does not."""
        return next(self._of_days(begin_s, end_s), None)

    def _of_days(self, begin_s: int, end_s: int) -> Iterator[Reason]:
        yield from self._at_the_ends(begin_s, end_s)
        for edge_s in (begin_s, end_s):
            yield from self._in_silence(edge_s, edge_s)
            yield from self._at_edge(edge_s)
        yield from self._jumped(begin_s, end_s)
        for edge_s in (begin_s, end_s):
            yield from self._of_register(edge_s, edge_s)
        yield from self._of_clock()

    def _of_period(self, begin_s: int, end_s: int, edges: tuple[int, ...]) -> Iterator[Reason]:
        yield from self._at_the_ends(begin_s, end_s)
        if edges:
            yield from self._in_silence(begin_s, end_s)
        for edge_s in edges:
            yield from self._at_edge(edge_s)
        yield from self._jumped(begin_s, end_s)
        yield from self._of_register(begin_s, end_s)
        yield from self._of_clock()

    def _at_the_ends(self, begin_s: int, end_s: int) -> Iterator[Reason]:
        if not self._used:
            yield Reason("no two readings", f"{len(self.of.counted[0])} readings count")
            return
        first, last = min(self._used), max(self._used)
        if begin_s < first:
            yield Reason("late start", f"the first reading that counts is of {_shown(first)}{self._said(begin_s)}")
        if end_s > last:
            yield Reason("early end", f"the last reading that counts is of {_shown(last)}{self._said(end_s)}")

    def _in_silence(self, begin_s: int, end_s: int) -> Iterator[Reason]:
        for start, end in self.of.derived.silences:
            if start < end_s and begin_s < end:
                hours = (end - start) / HOUR_SECONDS
                yield Reason("gap", f"no reading counts for {hours:.1f} h from {_shown(start)}{self._lost_between(start, end)}")

    def _lost_between(self, start: int, end: int) -> str:
        counts = {
            "dropped": sum(start < at < end for at in self.of.dropped),
            "disputed": sum(start < at < end for at in self.of.contradicted),
            "not counted": sum(start < at < end for at in self._ignored),
        }
        return "".join(f", {count} {what}" for what, count in counts.items() if count)

    def _at_edge(self, edge_s: int) -> Iterator[Reason]:
        if self._stamped(edge_s) not in self._used and (word := self._fate(edge_s)):
            yield Reason(word, f"its reading of {_shown(self._stamped(edge_s))} was lost to the register's proof")

    def _said(self, edge_s: int) -> str:
        word = self._fate(edge_s)
        return f" ({word})" if word else ""

    def _fate(self, edge_s: int) -> str:
        """What became of the reading of a true instant that does not count."""
        at = self._stamped(edge_s)
        if at in self.of.contradicted:
            return "disputed reading"
        if at in self._ignored:
            return "reading not counted"
        return "dropped reading" if at in self.of.dropped else ""

    def _jumped(self, begin_s: int, end_s: int) -> Iterator[Reason]:
        for start, end in self._jumps:
            if start < end_s and begin_s < end:
                yield Reason("jump", f"nobody can say what passed from {_shown(start)} to {_shown(end)}")

    def _of_register(self, begin_s: int, end_s: int) -> Iterator[Reason]:
        steps = self.of.steps
        for _, end, still, _ in steps.catch_ups:
            if steps.times[still] < end_s and begin_s < steps.times[end]:
                text = f"from {_shown(int(steps.times[still]))} the register stood still until {_shown(int(steps.times[end]))}"
                yield Reason("standstill", text)
        for kind, first, lasts in self.of.mishaps:
            begins = self.of.span.start_s + first * self.of.interval_s
            ends = begins + lasts * self.of.interval_s
            if begins <= end_s and begin_s <= ends:
                yield Reason("mishap", f"{kind} of the register from {_shown(begins)}")

    def _of_clock(self) -> Iterator[Reason]:
        if self.of.offset_s or self.of.drift_ppm:
            yield Reason("clock", f"the clock is off by {self.of.offset_s} s and drifts by {self.of.drift_ppm} ppm")

    def _stamped(self, instant_s: int) -> int:
        return instant_s + self.of.offset_s + (instant_s - self.of.span.start_s) * self.of.drift_ppm // MILLION

    @cached_property
    def _used(self) -> frozenset[int]:
        steps, seconds = self.of.steps, self.of.steps.times
        return frozenset(seconds[steps.start].tolist()) | frozenset(seconds[steps.end].tolist())

    @cached_property
    def _ignored(self) -> frozenset[int]:
        return frozenset(self.of.steps.times[list(self.of.steps.ignored)].tolist())

    @cached_property
    def _jumps(self) -> list[tuple[int, int]]:
        steps = self.of.steps
        return [(int(steps.times[a]), int(steps.times[b])) for a, b in (*steps.jumps, *steps.resets)]


def _shown(second: int) -> str:
    return f"{local(second):%Y-%m-%dT%H:%M:%S}"
