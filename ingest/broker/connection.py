"""One connection to the broker, on the sans-I/O codec `mqtt5`: bytes in, lists of messages out; answers; keepalive.

No task, future, lock or log per message.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Final, TypeVar

import mqtt5

from ingest.messages import Message, new_message

log = logging.getLogger(__name__)

LEAVE_SECONDS: Final = 5.0
"""So long a broker may take to read what we have sent and to close after our goodbye; one that is busy takes more than one."""

Answer = TypeVar("Answer", mqtt5.ConnAckPacket, mqtt5.SubAckPacket, mqtt5.UnsubAckPacket)


class Disconnected(Exception):  # noqa: N818 - the name is the state of the world
    """The connection is gone, or was refused; the words say why."""


class Connection(asyncio.Protocol):
    """One connection: bytes in, packets out; answers to what was asked; keepalive."""

    def __init__(self, generation: int, keepalive_seconds: int, received: Callable[[list[Message]], None]) -> None:
        self.generation = generation
        self.reason: mqtt5.DisconnectReasonCode | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = received
        self._keepalive_seconds = keepalive_seconds
        self._transport: asyncio.Transport | None = None
        self._rest = bytearray()
        self._needed = 0
        self._asked: tuple[type, asyncio.Future[mqtt5.Packet]] | None = None
        self._paused = False
        self._last_heard = time.monotonic()
        self._pinger: asyncio.TimerHandle | None = None
        self._pings = self._pongs = 0
        self._awaited: list[tuple[int, asyncio.Future[bool]]] = []

    @property
    def is_open(self) -> bool:
        """Whether anything can still be written."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tune the socket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a peer that vanished is found even while reading is paused
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._keepalive_seconds * 1500)

    def data_received(self, data: bytes) -> None:
        """Read every whole packet of what arrived; publishes go on as one list."""
        self._last_heard = time.monotonic()
        received_at = time.time_ns() // 1000
        self._rest += data
        if len(self._rest) < self._needed:
            return  # a long packet is copied once, not again with each of its pieces
        whole = bytes(self._rest)
        view = memoryview(whole)
        offset, size, messages = 0, len(whole), []
        generation, read, publish = self.generation, mqtt5.read, mqtt5.PublishPacket
        try:
            while offset < size:
                packet, length = read(view[offset:])
                offset += length
                if type(packet) is publish:
                    messages.append(
                        new_message(
                            (
                                packet.topic,
                                packet.payload,
                                int(packet.qos),
                                packet.retain,
                                packet.packet_id or 0,
                                generation,
                                received_at,
                            )
                        )
                    )
                else:
                    self._handle(packet)
        except IndexError:
            pass  # the last packet is not complete yet
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # ValueError, and the codec's panic where a text is no UTF-8, which is no Exception
            log.error("the broker broke the protocol", extra={"reason": f"{type(error).__name__}: {error}"})
            self.close()
        self._rest = bytearray(whole[offset:])
        self._needed = _length(self._rest)
        if messages:
            self._received(messages)

    def connection_lost(self, error: Exception | None) -> None:
        """Wake whoever waits."""
        if self._pinger is not None:
            self._pinger.cancel()
        why = Disconnected(self.reason.name.lower() if self.reason else str(error or "closed by the broker"))
        if self._asked is not None and not self._asked[1].done():
            self._asked[1].set_exception(why)
        self._answer_round_trips(len(self._awaited), arrived=False)
        if not self.closed.done():
            self.closed.set_exception(why)
            self.closed.exception()  # read here, so that a connection nobody waits for any more does not complain

    async def ask(self, request: mqtt5.Packet, answer: type[Answer]) -> Answer:
        """Send a packet and wait for the one that answers it; one question at a time."""
        future: asyncio.Future[mqtt5.Packet] = asyncio.get_running_loop().create_future()
        self._asked = (answer, future)
        self.write(request.write())
        packet = await future
        assert isinstance(packet, answer)
        return packet

    async def round_trip(self) -> bool:
        """Ping, and wait for that very ping's answer; False where the connection ends first."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._send_ping()
        self._awaited.append((self._pings, future))
        return await future

    def keep_alive(self, server_seconds: int | None) -> None:
        """Begin to ping; the broker may ask for another keepalive than ours."""
        self._keepalive_seconds = server_seconds or self._keepalive_seconds
        self._ping()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def write(self, frames: bytes) -> None:
        """Send bytes."""
        if frames and self._transport is not None:
            self._transport.write(frames)

    def pause(self) -> None:
        """Stop reading; PINGREQs are still sent, and no answer is expected meanwhile."""
        if not self._paused and self.is_open and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self.is_open and self._transport is not None:
            self._paused = False
            self._last_heard = time.monotonic()
            self._transport.resume_reading()

    def leave(self, goodbye: mqtt5.DisconnectPacket) -> None:
        """Say goodbye, and take in what still comes, for nobody, until the broker closes.

        Whoever closes with something unread resets the connection, and the broker may not read the last acknowledgements.
        """
        self._received = lambda _: None
        self.write(goodbye.write())
        self.resume()
        asyncio.get_running_loop().call_later(LEAVE_SECONDS, self.abort)

    def close(self) -> None:
        """Close after what is written has gone out."""
        if self._transport is not None:
            self._transport.close()

    def _handle(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PingRespPacket():
                self._pongs += 1
                self._answer_round_trips(sum(number <= self._pongs for number, _ in self._awaited), arrived=True)
            case mqtt5.DisconnectPacket():
                self.reason = packet.reason_code
            case _ if self._asked is not None and isinstance(packet, self._asked[0]) and not self._asked[1].done():
                self._asked[1].set_result(packet)
            case _:
                log.warning("unexpected packet", extra={"packet": type(packet).__name__})

    def _ping(self) -> None:
        """Every third of the keepalive; a broker that stays silent for one and a half is gone."""
        if not self.is_open:
            return
        if not self._paused and time.monotonic() - self._last_heard > 1.5 * self._keepalive_seconds:
            log.warning("the broker is silent", extra={"seconds": 1.5 * self._keepalive_seconds})
            self.abort()
            return
        self._send_ping()
        self._pinger = asyncio.get_running_loop().call_later(self._keepalive_seconds / 3, self._ping)

    def _send_ping(self) -> None:
        self._pings += 1
        self.write(mqtt5.PingReqPacket().write())

    def _answer_round_trips(self, number: int, *, arrived: bool) -> None:
        """Wake those who wait for the oldest `number` of pings."""
        for _, future in self._awaited[:number]:
            if not future.done():
                future.set_result(arrived)
        del self._awaited[:number]


def _length(begun: bytearray) -> int:
    """The bytes of a packet with its fixed header (MQTT 5, 2.1.4), which may not all be there; 0 while the header is not."""
    remaining = 0
    for place, byte in enumerate(begun[1:5]):
        remaining |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return 2 + place + remaining
    return 0
