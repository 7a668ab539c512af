"""What the user sees while messages are published: one line that moves on a terminal, a line every tenth elsewhere."""

from collections.abc import Callable
from typing import TextIO

from simulators.words import translated

Clock = Callable[[], float]


class Progress:
    """Counts towards `expected`, a good guess, and says so on `stream`. `clock` gives seconds."""

    def __init__(self, expected: int, stream: TextIO, clock: Clock) -> None:
        self._expected, self._stream, self._clock = max(expected, 1), stream, clock
        self._live = stream.isatty()
        self._started = clock()
        self._step = max(1, self._expected // (200 if self._live else 10))
        self._next = self._step

    def __call__(self, count: int) -> None:
        """Say something every step; counts may jump over one."""
        if count >= self._next:
            self._next = count - count % self._step + self._step
            self._write(count, "\r" if self._live else "", "" if self._live else "\n")

    def finish(self, count: int) -> None:
        """The last line."""
        self._expected = max(count, 1)
        self._write(count, "\r" if self._live else "", "\n")

    def _write(self, count: int, before: str, after: str) -> None:
        seconds = max(self._clock() - self._started, 1e-9)
        share = min(100, 100 * count // self._expected)
        text = f"{translated('published')} {count:>9,} {translated('messages')}  {share:>3} %  {count / seconds:>8,.0f}/s"
        self._stream.write(before + text + after)
        self._stream.flush()
