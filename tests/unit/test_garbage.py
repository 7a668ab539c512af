"""The garbage collector is asked less often, and still answers."""

import subprocess
import sys

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


def test_cycles_are_still_found_only_later() -> None:
    """In a process of its own: the collector is the process's."""
    done = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
