"""Runs of scenarios -> medians and ratios. Pure.

A scenario runs several times, in turn with those it is compared with, so that a ratio is taken pair by pair: whatever slows the
machine for a minute slows both sides of a pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, NamedTuple

BUSY: Final = 0.85
"""From this share of a core on a single-threaded part can hardly go faster."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a scenario: figures by name, units in the names, and how many cores each part kept busy."""

    scenario: str
    figures: Mapping[str, float]
    cores: Mapping[str, float] = field(default_factory=dict)


class Measure(NamedTuple):
    """A figure of a scenario."""

    scenario: str
    figure: str


def values(runs: Sequence[Run], of: Measure) -> list[float]:
    """A figure of every run of its scenario, in order."""
    return [run.figures[of.figure] for run in runs if run.scenario == of.scenario and of.figure in run.figures]


def typical(runs: Sequence[Run], of: Measure) -> float | None:
    """The median over the runs; None where it was not measured."""
    return median(found) if (found := values(runs, of)) else None


def ratio(runs: Sequence[Run], above: Measure, below: Measure) -> float | None:
    """One figure over another: the median of the pairs where both ran equally often, else of each side; None if one is missing."""
    ones, others = values(runs, above), values(runs, below)
    if not ones or not others or not all(others):
        return None
    if len(ones) == len(others):
        return median(one / other for one, other in zip(ones, others, strict=True))
    return median(ones) / median(others)


def typical_cores(runs: Sequence[Run], scenario: str) -> dict[str, float]:
    """The median of the cores each part kept busy."""
    found = [run.cores for run in runs if run.scenario == scenario and run.cores]
    parts = dict.fromkeys(part for cores in found for part in cores)
    return {part: median(cores.get(part, 0.0) for cores in found) for part in parts}


def busy_elsewhere(runs: Sequence[Run]) -> float:
    """The median, over all runs, of the cores that other work than the benchmark's kept busy."""
    return median([run.cores["elsewhere"] for run in runs if "elsewhere" in run.cores] or [0.0])


def bottleneck(cores: Mapping[str, float], machine: int) -> str:
    """What a scenario was limited by: a part with one thread that is busy, all cores together, or waiting.

    `machine` is the number of cores. `elsewhere` are programs that do not belong to the benchmark, and the hypervisor.
    """
    ours = {part: busy for part, busy in cores.items() if part != "elsewhere"}
    if not ours:
        return ""
    part, busy = max(ours.items(), key=lambda one: one[1])
    if busy >= BUSY:
        return part
    if sum(cores.values()) >= BUSY * machine:
        return f"all cores, most of it {max(cores.items(), key=lambda one: one[1])[0]}"
    return f"waiting, beside it {part}"
