"""What must hold, and whether it does. Pure.

Ratios within one run, CPU time a reading and memory decide the exit status. Wall-clock limits are held against the figures too, but
only shown: on a shared machine they say more about the neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Measure, Run, ratio, typical


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, or its ratio to another one, is at least or at most `limit`.

    `judged`: a miss ends in exit status 1; at quick size only if it is `quick`, that is, if so little to do tells it.
    """

    text: str
    of: Measure
    limit: float
    over: Measure | None = None
    least: bool = True
    judged: bool = True
    quick: bool = True

    def measured(self, runs: Sequence[Run]) -> float | None:
        """The figure or ratio; None where it was not measured."""
        return typical(runs, self.of) if self.over is None else ratio(runs, self.of, self.over)

    def is_met(self, measured: float) -> bool:
        """Whether the limit is kept."""
        return measured >= self.limit if self.least else measured <= self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target with what was measured, at the size of that name."""

    target: Target
    measured: float | None
    size: str

    @property
    def word(self) -> str:
        """`met`, `MISSED`; the same as `shown`, or as a matter of the full run, where it decides nothing; or `not run`."""
        if self.measured is None:
            return "not run"
        met = self.target.is_met(self.measured)
        if self.target.judged and (self.target.quick or self.size != "quick"):
            return "met" if met else "MISSED"
        return f"{'met' if met else 'missed'} ({'full run decides' if self.target.judged else 'shown'})"


def verdicts(runs: Sequence[Run], targets: Sequence[Target], size: str) -> list[Verdict]:
    """Every target with what was measured at the size of that name."""
    return [Verdict(target, target.measured(runs), size) for target in targets]


def status(found: Sequence[Verdict]) -> int:
    """The exit status: 1 where a target that decides was missed. What was not run is not missed."""
    return int(any(verdict.word == "MISSED" for verdict in found))


_NULL = Measure("null", "messages_per_s")
_C0 = Measure("copy", "rows_per_s")
_C1 = Measure("copy plain", "rows_per_s")
_R1 = Measure("single", "readings_per_s")
_FLEET = "ingest_cpu_us"

TARGETS: Final = (
    Target("storage writer over plain COPY", _C0, 0.8, _C1),
    Target("storage writer, 1 % duplicates, over plain COPY", Measure("copy 1 % duplicates", "rows_per_s"), 0.35, _C1),
    Target("single over the null consumer", _R1, 0.75, _NULL),
    Target("single, readings/s", _R1, 40_000, judged=False),
    Target("batch20 over the storage writer", Measure("batch20", "readings_per_s"), 0.5, _C0),
    Target("batch20, readings/s", Measure("batch20", "readings_per_s"), 150_000, judged=False),
    Target("single, CPU over paho's null consumer", Measure("single", "ingest_cpu_us"), 0.4, Measure("paho", "ingest_cpu_us"),
           least=False),
    Target("batch20, us of ingest CPU a reading", Measure("batch20", "ingest_cpu_us"), 3.5, least=False),
    Target("latency p50, ms", Measure("latency", "p50_ms"), 150, least=False, judged=False),
    Target("latency p99, ms", Measure("latency", "p99_ms"), 500, least=False, judged=False),
    Target("backlog over single", Measure("backlog", "readings_per_s"), 1.2, _R1),
    Target("current hour, s a round (full size: 20,000 channels)",
           Measure("settle alone", "round_s"), 1.0, least=False, judged=False),
    Target("1 reading/s over 15 min, all channels", Measure("settle 1 s", "round_s"), 1.5, Measure("settle 15 min", "round_s"),
           least=False),
    Target("1 reading/s over 15 min, full hours", Measure("settle 1 s deep", "round_s"), 1.5,
           Measure("settle 15 min deep", "round_s"), least=False),
    Target("45-day backlog, longest round over median", Measure("settle backlog", "longest_round_s"), 3.0,
           Measure("settle backlog", "median_round_s"), least=False),
    Target("CPU, 20,000 meters over 1,000", Measure("fleet 20000", _FLEET), 1.3, Measure("fleet 1000", _FLEET), least=False,
           quick=False),
    Target("CPU, 200,000 meters over 1,000", Measure("fleet 200000", _FLEET), 1.3, Measure("fleet 1000", _FLEET), least=False),
    Target("CPU, 1,000,000 meters over 1,000", Measure("fleet 1000000", _FLEET), 1.3, Measure("fleet 1000", _FLEET), least=False),
    Target("RSS at 20,000 meters, MiB", Measure("fleet 20000", "rss_mib"), 120, least=False),
    Target("RSS at 1,000,000 meters, MiB", Measure("fleet 1000000", "rss_mib"), 400, least=False),
    Target("start to ready, 1,000,000 meters, s", Measure("start 1000000", "ready_s"), 10, least=False, judged=False),
    Target("start to ready, 1,000,000 meters, s of CPU", Measure("start 1000000", "ready_cpu_s"), 10, least=False),
    Target("city: quota board, ms", Measure("city", "board_ms"), 200, least=False, judged=False),
    Target("city: a unit's month, ms", Measure("city", "unit_month_ms"), 100, least=False, judged=False),
)  # fmt: skip
