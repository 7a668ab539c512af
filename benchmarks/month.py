"""The load generator's process with a city's month, apart from the others: its imports take as long as all of theirs."""

import gc
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from benchmarks.generator import main
from simulators import charging, fleet, stream
from simulators import run as runs
from simulators.load import Load
from simulators.month import Month
from simulators.scenario import Scenario

SEED = 1


@dataclass(frozen=True, slots=True)
class City(Load):
    """The last closed month of a simulated city; `meters` is the number of institutions, `messages` follows from it."""

    def published(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every message that intake subscribes to, in the order of simulated time."""
        run = runs.build(fleet.build(self.meters, SEED, Month.last_closed(self.start)), Scenario())
        gc.freeze()
        gc.set_threshold(200_000, 50, 1_000)  # millions of tuples and no cycles
        sent = heapq.merge(stream.messages(run), charging.messages(run), key=attrgetter("send_at_s"))
        return ((message.topic, message.payload) for message in sent if not message.topic.endswith("/status"))


if __name__ == "__main__":
    main({"city": City})
