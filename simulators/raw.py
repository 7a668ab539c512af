"""One raw MQTT 5 connection of the load: frames out within a window, every answer read, every refusal by its name.

No client library: the generator must not be what is measured.
"""

import asyncio
import socket
import time
from contextlib import AsyncExitStack
from typing import Final, Self

import mqtt5

from simulators import frames
from simulators.session import FAILURE, WAIT_SECONDS, Broker, PublishError
from simulators.window import Window

NOBODY_THERE: Final = "check that it runs, and --host and --port"


class Connection(asyncio.Protocol):
    """An open connection; `window` says what may be written, `moved` is set whenever that may have changed."""

    def __init__(self, identifier: str, broker: Broker, most_waiting: int) -> None:
        self.window = Window(0)
        self.moved = asyncio.Event()
        self._identifier, self._broker, self._most_waiting = identifier, broker, most_waiting
        self._open = False
        self._failure: str | None = None
        self._rest = b""
        self._writable = True
        self._transport: asyncio.Transport | None = None
        self._pinger: asyncio.TimerHandle | None = None

    @classmethod
    async def to(cls, broker: Broker, identifier: str, most_waiting: int, stack: AsyncExitStack) -> Self:
        """Connect, to be closed by `stack`, and wait for the broker's consent. Raises PublishError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                make = loop.create_connection(lambda: cls(identifier, broker, most_waiting), broker.host, broker.port)
                _, connection = await make
        except OSError as error:  # TimeoutError is one
            reason = error.strerror or str(error) or "no answer"
            raise PublishError(f"cannot connect to the broker at {broker}: {reason}; {NOBODY_THERE}") from error
        stack.callback(connection.close)
        while not connection._open:
            await connection.movement()
        return connection

    @property
    def room(self) -> int:
        """How many publishes may be written now. Raises PublishError once anything failed."""
        self._check()
        return self.window.room if self._writable else 0

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        """Write publishes, no more than there is room for, in one piece."""
        assert self._transport is not None
        identifiers = self.window.take(len(messages), time.perf_counter())
        pairs = zip(messages, identifiers, strict=True)
        self._transport.write(b"".join([frames.publish(topic, payload, number) for (topic, payload), number in pairs]))

    async def movement(self) -> None:
        """Wait until the broker answers. Raises PublishError where it does not, or the connection failed."""
        self.moved.clear()
        self._check()
        try:
            await asyncio.wait_for(self.moved.wait(), WAIT_SECONDS)
        except TimeoutError as error:
            text = f"no answer from {self._broker} for {WAIT_SECONDS:.0f} s; is the broker overloaded or out of disk space?"
            raise PublishError(text) from error
        self._check()

    def close(self) -> None:
        """Say goodbye."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(mqtt5.DisconnectPacket().write())
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        password = None if self._broker.password is None else self._broker.password.encode()
        connect = mqtt5.ConnectPacket(self._identifier, username=self._broker.username, password=password, clean_start=True)
        transport.write(connect.write())

    def data_received(self, data: bytes) -> None:
        """Read every whole packet."""
        now = time.perf_counter()
        try:
            packets, self._rest = frames.packets(self._rest + data)
            for packet in packets:
                self._answer(packet, now)
        except ValueError as error:
            self._fail(f"{self._broker} broke the protocol: {error}; is it an MQTT 5 broker?")
        self.moved.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more can be written or will be acknowledged."""
        if self._pinger is not None:
            self._pinger.cancel()
        doing = "while publishing" if self._open else "before it answered; is it an MQTT 5 broker?"
        self._fail(f"{self._broker} closed the connection {doing} ({error or 'without a reason'}); see the broker's log")

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._writable = False

    def resume_writing(self) -> None:
        """It does again."""
        self._writable = True
        self.moved.set()

    def _check(self) -> None:
        if self._failure is not None:
            raise PublishError(self._failure)

    def _answer(self, packet: mqtt5.Packet, now: float) -> None:
        match packet:
            case mqtt5.PubAckPacket():
                self.window.release(packet.packet_id, now)
                if int(packet.reason_code) >= FAILURE:
                    self._fail(f"{self._broker} refused a publish: {_name(packet)}; check its access list for this user")
            case mqtt5.ConnAckPacket():
                self._consent(packet)
            case mqtt5.DisconnectPacket():
                self._fail(f"{self._broker} ended the connection: {_name(packet)}; see the broker's log and limits")
            case mqtt5.PingRespPacket():
                pass
            case _:
                raise ValueError(f"an unexpected {type(packet).__name__}")

    def _consent(self, connack: mqtt5.ConnAckPacket) -> None:
        if int(connack.reason_code):  # not an int to itself, whatever its stub says: always true
            self._fail(f"{self._broker} refused the connection: {_name(connack)}; check --username and --password-file")
        elif not int(connack.max_qos):
            self._fail(f"{self._broker} takes no QoS 1; allow it at the broker, else nothing is acknowledged")
        else:
            self.window = Window(min(self._most_waiting, connack.receive_max))
            self._open = True
            if connack.server_keep_alive:
                self._ping(connack.server_keep_alive / 2)

    def _ping(self, seconds: float) -> None:
        """We ask for no keepalive, but a broker may."""
        if self._transport is not None:
            self._transport.write(mqtt5.PingReqPacket().write())
        self._pinger = asyncio.get_running_loop().call_later(seconds, self._ping, seconds)

    def _fail(self, text: str) -> None:
        """The first failure is the reason; what follows is its consequence."""
        self._failure = self._failure or text
        if self._transport is not None:
            self._transport.close()
        self.moved.set()


def _name(packet: mqtt5.PubAckPacket | mqtt5.ConnAckPacket | mqtt5.DisconnectPacket) -> str:
    reason = f" ({packet.reason_str!r})" if packet.reason_str else ""
    return f"{packet.reason_code.name.lower()} (0x{int(packet.reason_code):02x}){reason}"
