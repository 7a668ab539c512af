"""Faults as layers over the stream of messages: late, published again, malformed extras. They never touch the truth.

Each layer has its own seeded randomness, so that one rate does not move the faults of another.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random
from typing import Final

from simulators import malformed
from simulators.messages import Message
from simulators.month import HOUR_SECONDS

MOST_HOURS_HELD: Final = 48


@dataclass(frozen=True, slots=True)
class Rates:
    """How many of the messages are struck, from 0 to 1."""

    duplicates: float = 0.01
    late: float = 0.02
    malformed: float = 0.002


def inject(messages: Iterable[Message], rates: Rates, seed: int, institutions: Sequence[str]) -> Iterator[Message]:
    """The stream with all faults: what is malformed or repeated follows the message it was made from."""
    messages = late(messages, rates.late, Random(f"late/{seed}"))
    messages = extras(messages, rates.malformed, Random(f"malformed/{seed}"), institutions)
    return duplicates(messages, rates.duplicates, Random(f"duplicates/{seed}"))


def late(messages: Iterable[Message], rate: float, rng: Random) -> Iterator[Message]:
    """Some messages 1 to 48 simulated hours later than they should come; none is lost."""
    return _delayed(messages, rate, rng, keep=False)


def duplicates(messages: Iterable[Message], rate: float, rng: Random) -> Iterator[Message]:
    """Some messages once more, the same bytes, 1 to 48 simulated hours later."""
    return _delayed(messages, rate, rng, keep=True)


def extras(messages: Iterable[Message], rate: float, rng: Random, institutions: Sequence[str]) -> Iterator[Message]:
    """Malformed messages between the good ones, one kind after the other; no good one is replaced."""
    kinds = cycle(malformed.KINDS)
    for message in messages:
        yield message
        if rng.random() < rate:
            yield next(kinds).make(message, _other(message.sender, institutions))


def _other(institution: str, institutions: Sequence[str]) -> str:
    """Another institution of the fleet, or a strange one where there is no other."""
    return next((code for code in institutions if code != institution), "XN-9999")


def _delayed(messages: Iterable[Message], rate: float, rng: Random, *, keep: bool) -> Iterator[Message]:
    held: list[tuple[int, int, Message]] = []
    for number, message in enumerate(messages):
        while held and held[0][0] <= message.send_at_s:
            yield heapq.heappop(held)[2]
        struck = rng.random() < rate
        if struck:
            again = replace(message, send_at_s=message.send_at_s + rng.randint(1, MOST_HOURS_HELD) * HOUR_SECONDS)
            heapq.heappush(held, (again.send_at_s, number, again))
        if keep or not struck:
            yield message
    while held:
        yield heapq.heappop(held)[2]
