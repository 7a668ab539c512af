"""A seeded stream of messages as a small fleet sends them, with the ledger of what must become of each.

Single readings, gateways' batches, repetitions, conflicting values, messages nobody can read, batches with one bad reading, and
meters nobody knows. Endless: whoever publishes takes as much as the fault lasts.
"""

import hashlib
import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple

from tests.published import RECENT

ELECTRICITY: Final = tuple(f"E{number}" for number in range(1, 9))
WATER: Final = ("W1", "W2")
UNKNOWN: Final = "X1"
STEP_WH: Final = 8
"""What a meter adds in a second: 29 kW, below the 100 kW it is registered with."""
REMEMBERED: Final = 500
"""How many of the last messages may be repeated."""


class Sent(NamedTuple):
    """One message as it is published."""

    topic: str
    payload: bytes

    @property
    def key(self) -> bytes:
        """What quarantine knows it by."""
        return hashlib.sha256(self.topic.encode() + b"\0" + self.payload).digest()


class Key(NamedTuple):
    """One register reading, whatever its value."""

    meter: str
    register: str
    second: int


@dataclass(slots=True)
class Ledger:
    """What was published, and what it must come to. Values in thousandths of the register's unit."""

    published: int = 0
    messages: set[bytes] = field(default_factory=set)
    rejected: set[bytes] = field(default_factory=set)
    values: dict[Key, set[int]] = field(default_factory=dict)

    def note(self, sent: Sent, values: list[tuple[Key, int]], *, rejected: bool) -> None:
        """One message handed out; repetitions add to `published` alone."""
        self.published += 1
        self.messages.add(sent.key)
        if rejected:
            self.rejected.add(sent.key)
        for key, value in values:
            self.values.setdefault(key, set()).add(value)


class Stream:
    """Endless messages of one institution, the same for the same seed."""

    def __init__(self, institution: str, seed: int, *, mixed: bool = True, first_second: int = 0, step_seconds: int = 1) -> None:
        """`mixed` False: single readings only, each stored. A meter's readings begin at `first_second`, counted from `RECENT`."""
        self.institution = institution
        self.ledger = Ledger()
        self._rng = random.Random(seed)
        self._mixed = mixed
        self._first_second = first_second
        self._step_seconds = step_seconds
        self._taken = dict.fromkeys((*ELECTRICITY, *WATER), 0)
        self._recent: deque[tuple[Sent, bool]] = deque(maxlen=REMEMBERED)
        self._serial = 0

    def take(self, number: int) -> list[Sent]:
        """The next messages, noted in the ledger: publish every one of them."""
        return [self._next() for _ in range(number)]

    def large(self, readings: int) -> Sent:
        """One more message, a gateway's batch of so many readings (about 100 bytes each)."""
        return self._of_gateway([self._reading(self._rng.choice(ELECTRICITY)) for _ in range(readings)])

    def bulky(self, size_bytes: int) -> Sent:
        """One more message that nobody can read, of this size."""
        self._serial += 1
        return self._sent(self._topic("E1"), (b"%d " % self._serial).ljust(size_bytes, b"x"), [], rejected=True)

    def _next(self) -> Sent:
        kind: Callable[[Stream], Sent] = self._rng.choices(_KINDS, cum_weights=_SHARES)[0] if self._mixed else Stream._single
        return kind(self)

    def _single(self) -> Sent:
        meter = self._rng.choice((*ELECTRICITY, *WATER))
        key, value = self._reading(meter)
        return self._sent(self._topic(meter), _stated(key, value), [(key, value)])

    def _batch(self) -> Sent:
        return self._of_gateway([self._reading(self._rng.choice(ELECTRICITY)) for _ in range(5)])

    def _half_bad(self) -> Sent:
        """One reading of the batch is from the future; the good ones count, and the message is kept."""
        good = [self._reading(self._rng.choice(ELECTRICITY)) for _ in range(3)]
        return self._of_gateway(good, {"read_at": "2200-01-01T00:00:00Z", "energy_import_kwh": 1, "meter": "E1"})

    def _repeat(self) -> Sent:
        if not self._recent:
            return self._single()
        sent, rejected = self._rng.choice(self._recent)
        self.ledger.note(sent, [], rejected=rejected)
        return sent

    def _conflict(self) -> Sent:
        """A second value for an instant that had one: both are kept, none is used."""
        meter = self._rng.choice(ELECTRICITY)
        if self._taken[meter] == 0:
            return self._single()
        key, value = self._nth(meter, self._rng.randrange(max(self._taken[meter] - 100, 0), self._taken[meter]))
        value += self._rng.randrange(1, 7)
        return self._sent(self._topic(meter), _stated(key, value), [(key, value)])

    def _unreadable(self) -> Sent:
        self._serial += 1
        bad = self._rng.choice((b"\xff\xfe%d", b'{"read_at": %d', b"[%d]", b"", b'{"serial": %d}', b"\0%d"))
        return self._sent(self._topic("E1"), bad % self._serial if b"%" in bad else bad, [], rejected=True)

    def _unknown(self) -> Sent:
        self._serial += 1
        reading = {"read_at": _at(self._serial), "energy_import_kwh": 1, "seq": self._serial}
        return self._sent(self._topic(UNKNOWN), reading, [], rejected=True)

    def _reading(self, meter: str) -> tuple[Key, int]:
        self._taken[meter] += 1
        return self._nth(meter, self._taken[meter] - 1)

    def _nth(self, meter: str, number: int) -> tuple[Key, int]:
        second = number * self._step_seconds
        return Key(meter, "volume_m3" if meter in WATER else "energy_import_kwh", self._first_second + second), STEP_WH * second

    def _of_gateway(self, readings: list[tuple[Key, int]], *bad: dict[str, Any]) -> Sent:
        stated = [{**_stated(key, value), "meter": key.meter, "medium": "electricity"} for key, value in readings]
        payload = {"readings": [*stated, *({**one, "medium": "electricity"} for one in bad)]}
        return self._sent(f"metering/{self.institution}/gateway/G1/readings", payload, readings, rejected=bool(bad))

    def _topic(self, meter: str) -> str:
        return f"metering/{self.institution}/{'water' if meter in WATER else 'electricity'}/{meter}/reading"

    def _sent(self, topic: str, payload: Any, values: list[tuple[Key, int]], *, rejected: bool = False) -> Sent:
        sent = Sent(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        self.ledger.note(sent, values, rejected=rejected)
        self._recent.append((sent, rejected))
        return sent


KINDS: Final[dict[Callable[[Stream], Sent], int]] = {
    Stream._single: 80, Stream._batch: 6, Stream._half_bad: 1, Stream._repeat: 7, Stream._conflict: 1, Stream._unreadable: 3,
    Stream._unknown: 2,
}  # fmt: skip
"""Kinds of messages, and how many of a hundred."""
_KINDS: Final = tuple(KINDS)
_SHARES: Final = tuple(accumulate(KINDS.values()))


def _stated(key: Key, value: int) -> dict[str, Any]:
    return {"read_at": _at(key.second), key.register: value / 1000}


def _at(second: int) -> str:
    return (RECENT + timedelta(seconds=second)).isoformat()
