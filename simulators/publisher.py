"""Messages -> broker over several connections, each sender always on the same one, so that its order is kept."""

import asyncio
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiomqtt

from simulators.messages import Message
from simulators.session import Broker, PublishError, Session


@dataclass(frozen=True, slots=True)
class Pace:
    """How to publish. `speed` is simulated over real time; 0 is as fast as the broker takes it."""

    connections: int = 4
    window: int = 100
    speed: float = 0.0


@dataclass(frozen=True, slots=True)
class Published:
    """What was acknowledged, and how long it took."""

    messages: int
    seconds: float

    @property
    def messages_per_second(self) -> float:
        """The mean rate."""
        return self.messages / max(self.seconds, 1e-9)


Say = Callable[[int], None]
"""Told how many messages were handed to the connections so far."""


async def publish(messages: Iterable[Message], broker: Broker, identifier: str, pace: Pace, say: Say) -> Published:
    """Publish all at QoS 1 and wait for every PUBACK; raises PublishError.

    The sessions' client identifiers are `identifier` and a number.
    """
    async with AsyncExitStack() as stack:
        sessions = [await _session(stack, broker, f"{identifier}-{n}", pace.window) for n in range(pace.connections)]
        started = time.perf_counter()
        await _send(messages, sessions, pace.speed, say)
        for session in sessions:
            await session.flush()
        return Published(sum(session.acknowledged for session in sessions), time.perf_counter() - started)


async def _session(stack: AsyncExitStack, broker: Broker, identifier: str, window: int) -> Session:
    try:
        return await stack.enter_async_context(Session(broker, identifier, window))
    except aiomqtt.MqttError as error:
        text = f"cannot connect to the broker at {broker}: {error}; check that it runs, and user and password"
        raise PublishError(text) from error


async def _send(messages: Iterable[Message], sessions: list[Session], speed: float, say: Say) -> None:
    """One loop feeds all connections: while one window is full, the others still drain."""
    wait = _pacer(speed)
    for number, message in enumerate(messages, start=1):
        if speed:
            await asyncio.sleep(wait(message.send_at_s))
        await sessions[zlib.crc32(message.sender.encode()) % len(sessions)].send(message)
        say(number)


def _pacer(speed: float) -> Callable[[int], float]:
    """Seconds to wait until a simulated second is due, counted from the first one asked for."""
    origin: list[tuple[int, float]] = []

    def wait(send_at_s: int) -> float:
        now = time.monotonic()
        if not origin:
            origin.append((send_at_s, now))
        first_s, started = origin[0]
        return max(0.0, started + (send_at_s - first_s) / speed - now)

    return wait
