"""Load: one process that saturates a broker with distinct readings, over raw MQTT 5 connections at QoS 1.

The meters are `L000001`, `L000002` ... of institution `LOAD`, under gateway `G1`. A register shows the seconds since `EPOCH`, so
that a load published twice repeats itself and never contradicts itself.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from schemas import topics
from simulators.raw import Connection
from simulators.session import Broker, PublishError
from simulators.window import percentile_ms

INSTITUTION: Final = "LOAD"
GATEWAY: Final = "G1"
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
REGISTER_DIGITS: Final = 9
WRITE_MESSAGES: Final = 200
"""Publishes joined into one write."""
TICK_SECONDS: Final = 0.002
"""With a rate, how long a connection waits before it looks again whether a message is due."""


def meter_code(number: int) -> str:
    """The code of the n-th meter, from 1."""
    return f"L{number:06}"


@dataclass(frozen=True, slots=True)
class Load:
    """`messages` of `readings_each` readings (1: a meter's own topic; more: a gateway's batch) spread over `meters` meters."""

    messages: int
    readings_each: int
    meters: int
    start: datetime
    interval: timedelta = timedelta(seconds=1)

    def published(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every message: all meters at the first instant, then all at the next."""
        return islice(self._singles() if self.readings_each == 1 else self._batches(), self.messages)

    def duration(self) -> timedelta:
        """From the first reading to the last."""
        return (-(-self.messages * self.readings_each // self.meters) - 1) * self.interval

    def _singles(self) -> Iterator[tuple[str, bytes]]:
        names = [topics.meter_reading(INSTITUTION, "electricity", meter_code(n)) for n in range(1, self.meters + 1)]
        for face in self._faces():
            payload = b"{" + face
            for name in names:
                yield name, payload

    def _batches(self) -> Iterator[tuple[str, bytes]]:
        topic, readings = topics.gateway_readings(INSTITUTION, GATEWAY), self._readings()
        while True:
            yield topic, b'{"readings":[' + b",".join(islice(readings, self.readings_each)) + b"]}"

    def _readings(self) -> Iterator[bytes]:
        names = [b'{"medium":"electricity","meter":"%s",' % meter_code(n).encode() for n in range(1, self.meters + 1)]
        for face in self._faces():
            for name in names:
                yield name + face

    def _faces(self) -> Iterator[bytes]:
        """What every meter shows, instant after instant: the end of a JSON object."""
        at = self.start.astimezone(UTC)
        while True:
            shown = (at - EPOCH) // timedelta(seconds=1)
            yield b'"read_at":"%s","energy_import_kwh":%d.25}' % (at.isoformat().replace("+00:00", "Z").encode(), shown)
            at += self.interval


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load came to; latencies are from the write of a publish to its PUBACK, the window's own queue included."""

    messages: int
    seconds: float
    cpu_seconds: float
    puback_p50_ms: float
    puback_p99_ms: float

    @property
    def messages_per_second(self) -> float:
        """The mean rate up to the last PUBACK."""
        return self.messages / max(self.seconds, 1e-9)

    @property
    def ceiling_per_second(self) -> float:
        """What this process could publish if the broker took no time: messages over its own CPU seconds."""
        return self.messages / max(self.cpu_seconds, 1e-9)


async def generate(
    load: Load,
    broker: Broker,
    *,
    connections: int = 2,
    window: int = 2_000,
    rate: float = 0,
    say: Callable[[int], None] = lambda _: None,
) -> Measured:
    """Publish a load and wait for every PUBACK; never more of them outstanding on a connection than the broker allows.

    `rate` is messages a second over all connections, 0 for as fast as possible; `say` is told how many are acknowledged. Raises
    PublishError where the broker refuses the connection or a message, or goes away.
    """
    name = f"load-{time.time_ns():x}"
    async with AsyncExitStack() as stack:
        lines = [await Connection.to(broker, f"{name}-{number}", window, stack) for number in range(connections)]
        return await _measured(lines, _Due(load.published(), rate), say)


class _Due:
    """The messages, each handed out once, none before its time."""

    def __init__(self, messages: Iterator[tuple[str, bytes]], rate: float) -> None:
        self._messages, self._rate = messages, rate
        self._taken, self._started = 0, time.perf_counter()
        self.ended = False

    def take(self, most: int) -> list[tuple[str, bytes]]:
        """At most so many that are due."""
        if self._rate:
            most = min(most, 1 + int((time.perf_counter() - self._started) * self._rate) - self._taken)
        some = list(islice(self._messages, most))
        self._taken += len(some)
        self.ended |= len(some) < most
        return some


async def _measured(lines: list[Connection], due: _Due, say: Callable[[int], None]) -> Measured:
    started, cpu_started = time.perf_counter(), time.process_time()

    def moved() -> None:
        say(sum(line.window.acknowledged for line in lines))

    try:
        async with asyncio.TaskGroup() as tasks:
            for number, line in enumerate(lines):
                tasks.create_task(_publish(line, due, moved), name=f"load-{number}")
    except* PublishError as errors:
        raise errors.exceptions[0] from errors
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    latencies: list[Counter[int]] = [line.window.latencies for line in lines]
    acknowledged = sum(line.window.acknowledged for line in lines)
    return Measured(acknowledged, seconds, cpu, percentile_ms(latencies, 50), percentile_ms(latencies, 99))


async def _publish(line: Connection, due: _Due, say: Callable[[], None]) -> None:
    """Keep a connection's window full until the messages are used up, then wait for the last PUBACK.

    It waits for room for a whole write: many small ones would cost more than the messages in them.
    """
    whole = min(WRITE_MESSAGES, line.window.size)
    while not due.ended:
        if line.room < whole:
            await line.movement()
        elif some := due.take(whole):
            line.publish(some)
            await asyncio.sleep(0)
        elif not due.ended:
            await asyncio.sleep(TICK_SECONDS)
        say()
    while line.window.waiting:
        await line.movement()
        say()
