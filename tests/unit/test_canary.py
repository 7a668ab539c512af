"""When a canary is late and when it is missing: what looks at the line tell of the broker's queue."""

import random
from dataclasses import dataclass

import pytest

from ingest.canary import Queue

WINDOW = 1000


@dataclass
class FakeLine:
    """A line that says what it is told."""

    received: int = 0
    decided: int = 0
    seen: int | None = 0

    async def in_hand(self) -> int | None:
        """As the session says it."""
        return self.seen


async def looks(line: FakeLine, *seen: int | None) -> Queue:
    """What is known after these looks."""
    queue = Queue(line)
    for each in seen:
        line.seen = each
        await queue.look()
    return queue


async def test_a_broker_that_fills_its_window_has_more_for_us(seed: int) -> None:
    """As much in hand as it may send, and up to as much again where room was made meanwhile: never through."""
    rng, line = random.Random(seed), FakeLine(received=10**6, decided=10**6)
    queue = await looks(line, *(rng.randint(WINDOW, 2 * WINDOW) for _ in range(1000)))
    assert queue.before_us is None, f"seed {seed}"
    assert not queue.is_through


@pytest.mark.parametrize("seen", [(0, 0), (50, 20, 60, 5), (0, None, 0), (900, 400, 300)])
async def test_a_broker_that_sends_less_than_it_did_has_nothing_more(seen: tuple[int | None, ...]) -> None:
    """What it has sent by then may hold the flight; once that is decided it is through."""
    line = FakeLine(received=700, decided=650)
    queue = await looks(line, *seen)
    assert queue.before_us == 700
    assert not queue.is_through
    line.received, line.decided = 5000, 700
    assert queue.is_through


@pytest.mark.parametrize("seen", [(0,), (None, None, None), (50, 20), (WINDOW, WINDOW // 2)])
async def test_one_look_is_not_enough_and_none_tells_nothing(seen: tuple[int | None, ...]) -> None:
    """A broker may answer a ping before it sends on; without a connection nobody answers."""
    assert (await looks(FakeLine(), *seen)).before_us is None
