"""Faults as layers over the stream of messages: lost, late, out of order, published again, wrong extras. They never touch
the truth.

Each layer has its own seeded randomness, so that one rate does not move the faults of another.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from random import Random
from typing import Final

from simulators import malformed
from simulators.messages import Fate, Message, Outcome
from simulators.month import HOUR_SECONDS

MOST_HOURS_HELD: Final = 48
MOST_PASSED_BY: Final = 5


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each fault strikes, from 0 to 1: a message, but for the clocks (a device), the mishaps (a reading) and
    the charging sessions.
    """

    drop: float = 0.0
    duplicates: float = 0.0
    late: float = 0.0
    reorder: float = 0.0
    retained: float = 0.0
    malformed: float = 0.0
    garbage: float = 0.0
    identity_mismatch: float = 0.0
    conflict: float = 0.0
    clock_skew: float = 0.0
    dip: float = 0.0
    spike: float = 0.0
    freeze: float = 0.0
    unit_slip: float = 0.0
    reset: float = 0.0
    exchange: float = 0.0
    session_zero_start: float = 0.0
    session_wrong_stop: float = 0.0


Stream = Iterable[Message]
Layer = Callable[[Stream, float, Random], Iterator[Message]]


def inject(messages: Stream, rates: Rates, seed: int, institutions: Sequence[str]) -> Iterator[Message]:
    """The stream with all faults: what is wrong or repeated follows the message it was made from."""
    for name, layer in _layers(institutions).items():
        if rate := getattr(rates, name):
            messages = layer(messages, rate, Random(f"{name}/{seed}"))
    return iter(messages)


def _layers(institutions: Sequence[str]) -> dict[str, Layer]:
    """Innermost first."""
    kinds: dict[str, Sequence[malformed.Maker]] = {"malformed": malformed.KINDS}
    kinds |= {name: [kind] for name, kind in malformed.SINGLE.items()}
    made = {name: partial(extras, kinds=kinds[name], institutions=institutions) for name in kinds}
    return {"drop": drop, "late": late, "reorder": reorder, "retained": retained, **made, "duplicates": duplicates}


def drop(messages: Stream, rate: float, rng: Random) -> Iterator[Message]:
    """Some messages are lost before the broker: they stay in the stream for the ledger, and nobody publishes them."""
    for message in messages:
        struck = message.is_good and rng.random() < rate
        yield replace(message, outcome=Outcome.DROPPED, fate=Fate.DROPPED) if struck else message


def late(messages: Stream, rate: float, rng: Random) -> Iterator[Message]:
    """Some messages 1 to 48 simulated hours later than they should come; none is lost."""
    held: list[tuple[int, int, Message]] = []
    for number, message in enumerate(messages):
        yield from _due(held, message.send_at_s)
        if message.is_good and rng.random() < rate:
            send_at_s = message.send_at_s + rng.randint(1, MOST_HOURS_HELD) * HOUR_SECONDS
            heapq.heappush(held, (send_at_s, number, replace(message, send_at_s=send_at_s, fate=Fate.LATE)))
        else:
            yield message
    yield from _due(held, None)


def reorder(messages: Stream, rate: float, rng: Random) -> Iterator[Message]:
    """Some messages let up to five later ones of their sender pass by."""
    held: dict[str, tuple[int, Message]] = {}
    for message in messages:
        if message.sender in held:
            passing, waiting = held.pop(message.sender)
            yield message
            yield from _passed(held, passing - 1, replace(waiting, send_at_s=message.send_at_s))
        elif message.is_good and rng.random() < rate:
            held[message.sender] = (rng.randint(1, MOST_PASSED_BY), replace(message, fate=Fate.REORDERED))
        else:
            yield message
    yield from (message for _, message in held.values())


def retained(messages: Stream, rate: float, rng: Random) -> Iterator[Message]:
    """Some messages with the retain flag, by clients that set it on everything: the broker keeps a leftover."""
    for message in messages:
        struck = message.is_good and rng.random() < rate
        yield (
            replace(message, retain=True, fate=Fate.RETAINED if message.fate is Fate.LIVE else message.fate) if struck else message
        )


def extras(
    messages: Stream, rate: float, rng: Random, kinds: Sequence[malformed.Maker], institutions: Sequence[str]
) -> Iterator[Message]:
    """Wrong messages between the good ones, one kind after the other; no good one is replaced."""
    turns = cycle(kinds)
    for message in messages:
        yield message
        if message.is_good and message.readings and rng.random() < rate:
            yield next(turns).make(message, _other(message.sender, institutions))


def duplicates(messages: Stream, rate: float, rng: Random) -> Iterator[Message]:
    """Some messages once more, the same bytes: half of them at once, as after a lost PUBACK, half 1 to 48 hours later."""
    held: list[tuple[int, int, Message]] = []
    for number, message in enumerate(messages):
        yield from _due(held, message.send_at_s)
        yield message
        if message.outcome not in (Outcome.DROPPED, Outcome.STATUS) and rng.random() < rate:
            hours = rng.randint(1, MOST_HOURS_HELD) if rng.random() < 0.5 else 0
            again = replace(message, send_at_s=message.send_at_s + hours * HOUR_SECONDS)
            heapq.heappush(held, (again.send_at_s, number, again))
    yield from _due(held, None)


def _due(held: list[tuple[int, int, Message]], now_s: int | None) -> Iterator[Message]:
    while held and (now_s is None or held[0][0] <= now_s):
        yield heapq.heappop(held)[2]


def _passed(held: dict[str, tuple[int, Message]], passing: int, waiting: Message) -> Iterator[Message]:
    """The waiting message once enough have passed it by, else it waits on."""
    if passing:
        held[waiting.sender] = (passing, waiting)
    else:
        yield waiting


def _other(institution: str, institutions: Sequence[str]) -> str:
    """Another institution of the fleet, or a strange one where there is no other."""
    return next((code for code in institutions if code != institution), "XN-9999")
