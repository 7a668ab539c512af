"""A broker that turns hostile at any point of a session: no acknowledgement unearned, no end of the line, a new connection."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import mqtt5
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingest.batching import Inbox, size_bytes
from ingest.broker.session import Session
from ingest.broker.subscriptions import Subscriptions
from ingest.messages import Message
from ingest.metrics import Metrics
from ingest.settings import BatchSettings, BrokerSettings
from tests.fuzz.packets import publishes, streams

FILTERS: Final = ("metering/#",)
END_SECONDS: Final = 60.0
"""After so long something waits for ever."""
CONNACK: Final = mqtt5.ConnAckPacket(session_present=True).write()
SUBACK: Final = mqtt5.SubAckPacket(2, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write()
TWO_ANSWERS: Final = mqtt5.SubAckPacket(2, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * 2).write()


@dataclass(frozen=True, slots=True)
class Script:
    """What the broker says on the first connection: after CONNECT, after SUBSCRIBE, and then. `commits`: whether the line does."""

    connack: bytes
    suback: bytes
    published: list[mqtt5.PublishPacket]
    garbage: bytes
    commits: bool

    @property
    def is_acknowledged(self) -> bool:
        """Whether what is published must be acknowledged: the session was made, and the line commits."""
        return self.commits and (self.connack, self.suback) == (CONNACK, SUBACK)

    def has_acknowledgements(self, heard: list[mqtt5.Packet]) -> bool:
        """Whether all of them are among what was heard."""
        acknowledged = {packet.packet_id for packet in heard if isinstance(packet, mqtt5.PubAckPacket)}
        return acknowledged >= {packet.packet_id for packet in self.published}


scripts = st.builds(
    Script,
    st.one_of(st.just(CONNACK), st.just(CONNACK), st.just(CONNACK), streams),
    st.one_of(st.just(SUBACK), st.just(SUBACK), st.just(SUBACK), st.just(TWO_ANSWERS), streams),
    st.lists(publishes, min_size=1, max_size=5, unique_by=lambda packet: packet.packet_id),
    streams,
    st.booleans(),
)
reached: Counter[str] = Counter()
"""How many sessions got as far as an acknowledgement, in this process."""


@dataclass(slots=True)
class Hostile:
    """A listener that plays the script once, and is a proper broker to whoever comes after that."""

    script: Script
    heard: list[bytearray] = field(default_factory=list)
    well: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        heard = bytearray()
        self.heard.append(heard)
        first = len(self.heard) == 1
        try:
            await self._until(reader, heard, partial(_has, mqtt5.ConnectPacket))
            writer.write(self.script.connack if first else CONNACK)
            if not first or self.script.connack == CONNACK:
                await self._until(reader, heard, partial(_has, mqtt5.SubscribePacket))
                writer.write(self.script.suback if first else SUBACK)
            if first:
                writer.write(b"".join(packet.write() for packet in self.script.published))
                if self.script.is_acknowledged:
                    await self._until(reader, heard, self.script.has_acknowledgements)
                writer.write(self.script.garbage)
                writer.write_eof()
            else:
                self.well.set()
            while more := await reader.read(4096):
                heard += more
        except (ConnectionError, EOFError):
            pass
        finally:
            writer.transport.abort()

    async def _until(self, reader: asyncio.StreamReader, heard: bytearray, holds: Callable[[list[mqtt5.Packet]], bool]) -> None:
        while not holds(packets(heard)):
            more = await reader.read(4096)
            if not more:
                raise EOFError
            heard += more


def _has(wanted: type, heard: list[mqtt5.Packet]) -> bool:
    return any(isinstance(packet, wanted) for packet in heard)


def packets(stream: bytes | bytearray) -> list[mqtt5.Packet]:
    """The whole packets of what a client sent."""
    found, offset, view = [], 0, memoryview(bytes(stream))
    with contextlib.suppress(IndexError):
        while offset < len(view):
            packet, length = mqtt5.read(view[offset:])
            found.append(packet)
            offset += length
    return found


def survives(script: Script) -> None:
    """Connected anew afterwards; acknowledged on a connection is what was delivered on it and committed, once each."""
    asyncio.run(_survives(script))


async def _survives(script: Script) -> None:
    hostile = Hostile(script)
    server = await asyncio.start_server(hostile.serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(END_SECONDS):
        port = server.sockets[0].getsockname()[1]
        async with _session(port, commits=script.commits) as line:
            well = asyncio.create_task(hostile.well.wait())
            await asyncio.wait({line.running, well}, return_when=asyncio.FIRST_COMPLETED)
            assert not line.running.done(), "the line has ended"
            before = line.acknowledged
            line.session.ack(line.held)  # committed too late: the connection that delivered them is gone
            assert before == line.acknowledged, "acknowledged on another connection"
    first = packets(hostile.heard[0])
    acknowledged = [packet.packet_id for packet in first if isinstance(packet, mqtt5.PubAckPacket)]
    assert Counter(acknowledged) <= Counter(message.packet_id for message in line.committed if message.generation == 1)
    assert script.has_acknowledgements(first) or not script.is_acknowledged
    allowed = (mqtt5.ConnectPacket, mqtt5.SubscribePacket, mqtt5.UnsubscribePacket, mqtt5.PubAckPacket, mqtt5.PingReqPacket)
    assert all(isinstance(packet, allowed) for packet in first)
    reached["some acknowledged" if acknowledged else "none acknowledged"] += 1


@dataclass(slots=True)
class Line:
    """A session and what is behind it: what was committed so far, or is held since nothing can be."""

    session: Session
    metrics: Metrics
    committed: list[Message] = field(default_factory=list)
    held: list[Message] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def running(self) -> asyncio.Task[None]:
        """The session's task."""
        return self.tasks[0]

    @property
    def acknowledged(self) -> float | None:
        """How many acknowledgements were sent."""
        return self.metrics.registry.get_sample_value("meterwarden_messages_acknowledged_total")


@asynccontextmanager
async def _session(port: int, *, commits: bool) -> AsyncIterator[Line]:
    """A session and the line behind it, for the length of a block."""
    settings = BrokerSettings(port=port, filters=FILTERS, client_identifier="fuzzed")
    inbox, metrics = Inbox(BatchSettings(age_seconds=0.001)), Metrics(CollectorRegistry())
    session = Session(settings, inbox, metrics, Subscriptions(settings, FILTERS, _remembered), uncommitted_limit_bytes=2**24)
    line = Line(session, metrics)
    line.tasks = [asyncio.create_task(session.run()), asyncio.create_task(_take(inbox, line, commits=commits))]
    try:
        yield line
    finally:
        for task in line.tasks:
            task.cancel()
        await asyncio.gather(*line.tasks, return_exceptions=True)


async def _take(inbox: Inbox, line: Line, *, commits: bool) -> None:
    """Commits every batch, or none: it holds them then, as for a database that is away."""
    async for batch in inbox.batches():
        if commits:
            line.committed += batch
            line.session.ack(batch)
            line.session.release(sum(map(size_bytes, batch)))
        else:
            line.held += batch


async def _remembered(_filters: object) -> None:
    return None
