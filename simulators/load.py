"""Load for benchmarks: one process that saturates a broker with distinct readings, over raw MQTT 5 connections at QoS 1.

Frames are bytes from the start; a connection keeps a window of unacknowledged publishes and counts PUBACKs. No client library: the
generator must not be what is measured. The meters are `L000001`, `L000002` ... of institution `LOAD`, under gateway `G1`.
"""

import asyncio
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import mqtt5

from schemas import topics
from simulators.session import Broker, PublishError

INSTITUTION: Final = "LOAD"
GATEWAY: Final = "G1"
WRITE_MESSAGES: Final = 200
"""Publishes joined into one write."""


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

    def _singles(self) -> Iterator[tuple[str, bytes]]:
        names = [topics.meter_reading(INSTITUTION, "electricity", meter_code(n)) for n in range(1, self.meters + 1)]
        for turn, read_at in self._instants():
            payload = b'{"read_at":"%s","energy_import_kwh":%d.25}' % (read_at, turn)
            for name in names:
                yield name, payload

    def _batches(self) -> Iterator[tuple[str, bytes]]:
        topic = topics.gateway_readings(INSTITUTION, GATEWAY)
        groups = [
            [meter_code(n).encode() for n in range(first, first + self.readings_each)]
            for first in range(1, self.meters - self.readings_each + 2, self.readings_each)
        ]
        for turn, read_at in self._instants():
            reading = b'{"medium":"electricity","meter":"%%s","read_at":"%s","energy_import_kwh":%d.25}' % (read_at, turn)
            for group in groups:
                yield topic, b'{"readings":[' + b",".join(reading % code for code in group) + b"]}"

    def _instants(self) -> Iterator[tuple[int, bytes]]:
        at, turn = self.start.astimezone(UTC), 0
        while True:
            yield turn, at.isoformat().replace("+00:00", "Z").encode()
            at, turn = at + self.interval, turn + 1


class _Connection(asyncio.Protocol):
    """One raw connection: frames out within a window, PUBACKs counted."""

    def __init__(self, identifier: str, broker: Broker) -> None:
        self.acknowledged = 0
        self.refused = 0
        self.opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.progress = asyncio.Event()
        self._broker = broker
        self._identifier = identifier
        self._rest = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        password = None if self._broker.password is None else self._broker.password.encode()
        packet = mqtt5.ConnectPacket(self._identifier, username=self._broker.username, password=password, clean_start=True)
        transport.write(packet.write())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        offset = 0
        while offset + 2 <= len(data) and offset + 2 + data[offset + 1] <= len(data):  # every answer here is shorter than 128 bytes
            length = 2 + data[offset + 1]
            self._answer(data[offset : offset + length])
            offset += length
        self._rest = data[offset:]
        self.progress.set()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(PublishError(f"{self._broker} closed the connection; check user name and password"))
        self.transport = None
        self.progress.set()

    def _answer(self, packet: bytes) -> None:
        if packet[0] == 0x40:
            self.acknowledged += 1
            self.refused += len(packet) > 4 and packet[4] >= 0x80
        elif packet[0] == 0x20:
            connack, _ = mqtt5.read(memoryview(packet))
            assert isinstance(connack, mqtt5.ConnAckPacket)
            if int(connack.reason_code):
                self.opened.set_exception(PublishError(f"{self._broker} refused: {connack.reason_code.name.lower()}"))
            else:
                self.opened.set_result(connack.receive_max)


async def generate(load: Load, broker: Broker, *, connections: int = 2, window: int = 2_000) -> float:
    """Publish a load and return the seconds until the last PUBACK; never more unacknowledged than the broker allows.

    Raises PublishError where the broker refuses the connection or a message, or goes away.
    """
    loop = asyncio.get_running_loop()
    lines = []
    for number in range(connections):
        _, line = await loop.create_connection(
            lambda number=number: _Connection(f"load-{number}-{time.time_ns()}", broker),  # type: ignore[misc]
            broker.host,
            broker.port,
        )
        window = min(window, await line.opened)
        lines.append(line)
    shared = load.published()
    started = time.monotonic()
    await asyncio.gather(*(_publish(line, shared, window) for line in lines))
    seconds = time.monotonic() - started
    refused = sum(line.refused for line in lines)
    for line in lines:
        if line.transport is not None:
            line.transport.close()
    if refused:
        raise PublishError(f"{broker} refused {refused:,} messages; may this user publish to metering/{INSTITUTION}/#?")
    return seconds


async def _publish(line: _Connection, messages: Iterator[tuple[str, bytes]], window: int) -> None:
    sent = 0
    while True:
        room = window - (sent - line.acknowledged)
        some = list(islice(messages, min(room, WRITE_MESSAGES))) if room >= min(WRITE_MESSAGES, window) else []
        if some:
            if line.transport is None:
                raise PublishError("the broker closed the connection while publishing; look at its log")
            line.transport.write(
                b"".join(_frame(topic, payload, (sent + n) % 65535 + 1) for n, (topic, payload) in enumerate(some))
            )
            sent += len(some)
            await asyncio.sleep(0)
        elif room >= min(WRITE_MESSAGES, window):
            break  # nothing left to send
        else:
            await _progress(line)
    while line.acknowledged < sent:
        await _progress(line)


async def _progress(line: _Connection) -> None:
    line.progress.clear()
    async with asyncio.timeout(30):
        await line.progress.wait()
    if line.transport is None:
        raise PublishError("the broker closed the connection while publishing; look at its log")


def _frame(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A PUBLISH at QoS 1 without properties."""
    name = topic.encode()
    remaining = 2 + len(name) + 2 + 1 + len(payload)
    return b"".join((b"\x32", _length(remaining), struct.pack(">H", len(name)), name, struct.pack(">HB", packet_id, 0), payload))


def _length(number: int) -> bytes:
    """MQTT's variable byte integer."""
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)
