"""Minutes of fuzzing: every property in turn, each time from the next seed, until the time is up or one does not hold.

    python -m tests.fuzz --minutes 10 --seed 7

What fails is shown in its smallest form, with the seed that leads to it. Every input must be dealt with in time, and memory must
not grow with their number.
"""

import argparse
import logging
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from typing import Final

from tests.fuzz import decoders, packets, sessions
from tests.fuzz.properties import PROPERTIES, check

ONE_INPUT_SECONDS: Final = 30
"""Above this an input is taken to hang."""
GROWTH_MIB: Final = 64
"""How much the memory may rise after the first round."""


class Watch:
    """Ends an input that hangs, and knows the slowest."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.slowest: dict[str, float] = {}
        self.name = ""

    def next_input(self) -> None:
        """One input has been dealt with, another begins."""
        now = time.monotonic()
        self.slowest[self.name] = max(self.slowest.get(self.name, 0), now - self.began)
        self.began = now
        signal.alarm(ONE_INPUT_SECONDS)

    def property_begins(self, name: str) -> None:
        """What passed since the last input belongs to none."""
        self.name, self.began = name, time.monotonic()


def main() -> None:
    """Run until the time is up; a property that does not hold ends the process with a traceback."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--property", action="append", choices=sorted(PROPERTIES), help="this one alone; may be given again")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # the codec's panics speak there, thousands of them
    print(f"seed: {given.seed}", flush=True)
    _fuzz(given.property or list(PROPERTIES), given.seed, 60 * given.minutes)


def _fuzz(names: list[str], seed: int, seconds: float) -> None:
    ends_at, count, watch, first_mib, rounds = time.monotonic() + seconds, Counter[str](), Watch(), 0.0, 0
    signal.signal(signal.SIGALRM, _hangs)
    while time.monotonic() < ends_at:
        for name in names:
            watch.property_begins(name)
            try:
                count[name] += check(name, seed + rounds, before_each=watch.next_input)
            except BaseException:
                print(f"{name} does not hold: --seed {seed + rounds} --property {name!r}\n{traceback.format_exc()}", flush=True)
                raise
        rounds += 1
        first_mib = first_mib or _memory_mib()
    signal.alarm(0)
    _show(names, count, watch, rounds, seed)
    print(f"memory: {first_mib:.0f} MiB after the first round, {_memory_mib():.0f} MiB at most")
    assert _memory_mib() - first_mib < GROWTH_MIB, "memory grows with the number of inputs"


def _show(names: list[str], count: Mapping[str, int], watch: Watch, rounds: int, seed: int) -> None:
    print(f"rounds: {rounds}, seeds {seed} to {seed + rounds - 1}")
    for name in names:
        print(f"{count[name]:>10,} inputs  slowest {watch.slowest.get(name, 0):6.2f} s  {name}")
    for what, found in (("verdicts", decoders.verdicts), ("connections", packets.ends), ("sessions", sessions.reached)):
        print(f"{what}: " + ", ".join(f"{key} {number:,}" for key, number in found.most_common()))


def _hangs(_number: int, _frame: object) -> None:
    raise TimeoutError(f"one input takes more than {ONE_INPUT_SECONDS} s")


def _memory_mib() -> float:
    """The most this process ever took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
