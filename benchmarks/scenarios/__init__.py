"""The scenarios, in the order they run.

line.py        generator, null, paho, aiomqtt, single, batch20, copy, backlog: in turn, so that ratios are taken pair by pair
copy.py        the storage writer alone, beside plain COPY
backlog.py     what waits at the broker, drained
latency.py     publisher's stamp to commit
settlement.py  the current hour at 15 minutes and at a second, the backlog of 45 days
fleet.py       CPU and memory with the number of registered meters; start
city.py        a city's month, back-filled and settled (only when asked for)
"""

from collections.abc import AsyncIterator, Callable, Set
from typing import Final, NamedTuple

from benchmarks.bench import Bench
from benchmarks.figures import Run
from benchmarks.scenarios import city, fleet, latency, line, settlement

Runs = Callable[[Bench, Set[str]], AsyncIterator[Run]]


class Group(NamedTuple):
    """Scenarios that one coroutine runs; it is told which of them are wanted."""

    names: tuple[str, ...]
    run: Runs


GROUPS: Final = (
    Group(line.NAMES, line.run),
    Group(("latency",), latency.run),
    Group(("settle", "settle-backlog"), settlement.run),
    Group(("fleet", "start"), fleet.run),
    Group(("city",), city.run),
)
EXTRA: Final = ("city",)
"""Only when asked for by name."""
CEILINGS: Final = ("generator", "aiomqtt")
"""What others are seen against, and no target looks at: at quick size only when asked for by name."""
NAMES: Final = tuple(name for group in GROUPS for name in group.names)
