"""A gateway that publishes a stream whatever happens to its broker: what got no PUBACK it sends again, as gateways do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt

from ingest.retry import pause
from ingest.stack import Mosquitto
from tests.faults.stream import Sent, Stream
from tests.published import client
from tests.running import eventually

AT_ONCE = 50
"""Messages in flight."""
PATIENT_SECONDS = 120.0
"""As long as a busy broker may take: what has no PUBACK by then is sent again on another connection, and comes twice."""
IMPATIENT_SECONDS = 2.0
"""For a broker that goes away: the client does not say that it is gone."""


class Gateway:
    """Publishes what it is given, each until its PUBACK; the broker may vanish meanwhile."""

    def __init__(self, broker: Mosquitto, *, port: int | None = None, puback_seconds: float = PATIENT_SECONDS) -> None:
        self.acknowledged = 0
        self._puback_seconds = puback_seconds
        self._broker = broker
        self._port = port

    async def publish(self, messages: list[Sent]) -> None:
        """Publish messages, all of which have their PUBACK then."""
        waiting = list(messages)
        while waiting:
            try:
                async with client(self._broker, port=self._port, timeout=self._puback_seconds) as connection:
                    connection.pending_calls_threshold = AT_ONCE
                    while waiting:
                        await asyncio.gather(*(connection.publish(*one, qos=1) for one in waiting[:AT_ONCE]))
                        self.acknowledged += len(waiting[:AT_ONCE])
                        del waiting[:AT_ONCE]
            except (aiomqtt.MqttError, OSError):
                await asyncio.sleep(0.05)  # the broker is away

    async def run(self, stream: Stream, stopping: asyncio.Event, per_second: float | None = None) -> None:
        """Publish the stream until told to stop, as fast as the broker takes it or so many messages a second."""
        while not stopping.is_set():
            await self.publish(stream.take(AT_ONCE if per_second else 10 * AT_ONCE))
            if per_second:
                await pause(stopping, AT_ONCE / per_second)


@asynccontextmanager
async def publishing(
    broker: Mosquitto, stream: Stream, *, port: int | None = None, per_second: float | None = None
) -> AsyncIterator[Gateway]:
    """A gateway that publishes the stream during the block; all it has taken is acknowledged by the broker afterwards."""
    gateway, stopping = Gateway(broker, port=port, puback_seconds=IMPATIENT_SECONDS), asyncio.Event()
    task = asyncio.create_task(gateway.run(stream, stopping, per_second), name="gateway")
    try:
        await eventually(lambda: gateway.acknowledged or task.done(), "publishing")
        yield gateway
        stopping.set()
        async with asyncio.timeout(180):
            await task
    finally:
        task.cancel()
        await asyncio.wait({task})
