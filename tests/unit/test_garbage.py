"""The garbage collector is asked less often, and still answers; what was freed goes back to the system."""

import gc
import subprocess
import sys
from typing import Any

import pytest

from ingest.intake import assess
from ingest.messages import Message
from schemas.publish import FOLDER
from tests.unit.assessing import E6, EM, G1, MAX_PAYLOAD_BYTES, NATIVE_TOPICS, REGISTRY, WINDOW, a_message, a_reading, of_meter

NOBODYS = "metering/I1/electricity/NO/reading"
REJECTED: tuple[tuple[str, Any], ...] = (
    (NOBODYS, a_reading()), (EM, a_reading(at=0)), (E6, a_reading(1e7)), (E6, a_reading(power_kw=1)),
    (G1, {"readings": [of_meter("E1"), of_meter("NO"), of_meter("E9"), of_meter("E1", institution="I2"), {}]}),
)  # fmt: skip
"""One message for each reason that is found reading by reading."""

CYCLES = """
import gc, weakref
from ingest.garbage import YOUNG, look_seldom

class Node:
    pass

before = len(gc.get_objects())
look_seldom()
assert len(gc.get_objects()) < before / 10, "what lives for ever is left alone"
node = Node()
node.itself = node
gone = weakref.ref(node)
del node
kept = [[] for _ in range(YOUNG // 2)]
assert gone() is not None, "looked too soon"
kept += [[] for _ in range(YOUNG)]
assert gone() is None, "a cycle outlived the threshold"
"""


HOLES = """
import ctypes, resource, sys
from pathlib import Path
from ingest.garbage import give_back

if not hasattr(ctypes.CDLL(None), "malloc_trim"):
    sys.exit(SKIPPED)

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

before = resident()
blocks = [bytes(8_000) for _ in range(10_000)]  # of the C library's heap, not of Python's own
grown = resident() - before
assert grown > 70_000_000, grown
above = bytes(8_000)  # the heap cannot shrink from its end
blocks.clear()
give_back()
assert resident() - before < grown / 2, (resident() - before, grown)
"""
SKIPPED = 77


def test_freed_memory_goes_back_to_the_system() -> None:
    """Though something that lives on lies above it."""
    code = HOLES.replace("SKIPPED", str(SKIPPED))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    if done.returncode == SKIPPED:
        pytest.skip("a C library without malloc_trim")
    assert (0, "") == (done.returncode, done.stderr)


def test_cycles_are_still_found_only_later() -> None:
    """In a process of its own: the collector is the process's."""
    done = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


def test_no_message_leaves_a_cycle_behind() -> None:
    """It would live until the collector looks: a thousand rejected messages of 250 kB each took 1.2 GiB."""
    examples = [path.read_bytes() for path in sorted(FOLDER.glob("examples/*/*/*.json"))]
    messages = [a_message(topic, payload) for topic in NATIVE_TOPICS for payload in examples]
    messages += [a_message(topic, payload) for topic, payload in REJECTED]
    assess(messages, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)  # what is made only once is made now
    gc.collect()
    gc.disable()
    try:
        assert 0 in [_left_by(messages) for _ in range(5)], "each time: it is no other thread's"
    finally:
        gc.enable()


def _left_by(messages: list[Message]) -> int:
    """How many objects the collector finds once these have been decided."""
    assess(messages, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)
    return gc.collect()
