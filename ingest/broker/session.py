"""A persistent session with the broker, made again for ever.

It hands over lists of messages as they arrive and acknowledges whole batches in one write. A batch belongs to the connection that
delivered it (its generation): after a reconnect the broker delivers again, and packet identifiers may mean other messages, so an
older batch is never acknowledged.
"""

import asyncio
import logging
import struct
import time
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import mqtt5

from ingest.batching import Inbox, total_bytes
from ingest.broker.connection import Connection, Disconnected
from ingest.broker.subscriptions import Subscriptions
from ingest.messages import Message
from ingest.metrics import Metrics
from ingest.retry import Row, delay_seconds, pause
from ingest.settings import BrokerSettings
from ingest.tls import explained, tls_context

log = logging.getLogger(__name__)

RESUME_SHARE: Final = 0.5
"""Reading goes on when the uncommitted bytes have fallen to this share of the limit."""
TAKEN_OVER_LIMIT: Final = 3
TAKEN_OVER_WINDOW_SECONDS: Final = 300.0
LOST_REMEDY: Final = (
    "let the meters send again what they sent since the connection was lost; switch the broker's persistence on, "
    "and see MeterwardenBrokerSessionLost in docs/runbook.md"
)
_PUBACK: Final = struct.Struct(">BBH")
"""A version 5 PUBACK with reason success: type, remaining length, packet identifier."""


class TakenOver(Exception):  # noqa: N818 - the name is the state of the world
    """Another client keeps using our client identifier."""


class Session:
    """A persistent session with the broker, made again for ever, each time with a new generation."""

    def __init__(
        self,
        settings: BrokerSettings,
        inbox: Inbox,
        metrics: Metrics,
        subscriptions: Subscriptions,
        *,
        uncommitted_limit_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened yet; `clock` gives seconds."""
        self.received = self.decided = 0
        self._settings = settings
        self._subscriptions = subscriptions
        self._inbox = inbox
        self._metrics = metrics
        self._limit_bytes = uncommitted_limit_bytes
        self._connection: Connection | None = None
        self._generation = 0
        self._uncommitted_bytes = 0
        self._taken_over: deque[float] = deque(maxlen=TAKEN_OVER_LIMIT)
        self._faults = Row(clock)
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()  # cleared while too much is uncommitted: a new connection would bring still more
        self._room.set()

    @property
    def is_idle(self) -> bool:
        """Whether all that was received is decided, on a connection that stands."""
        return self._uncommitted_bytes == 0 and bool(self._metrics.connected)

    async def run(self) -> None:
        """Connect, receive, reconnect, until `stop`. Raises TakenOver where another client keeps our identifier."""
        attempt = 0
        while await self._may_connect():
            try:
                async with asyncio.timeout(self._settings.connect_timeout_seconds):
                    connection = await self._connect()
                self._faults.well()
                await connection.closed
            except (Disconnected, OSError, TimeoutError) as error:
                attempt = self._faults.fault()
                if not self._stopping.is_set():
                    facts = {"reason": explained(error), "host": self._settings.host, "attempt": attempt}
                    log.warning("no connection to the broker", extra=facts)
            finally:
                self._metrics.connected.set(False)
                if self._connection is not None:
                    self._connection.abort()
            if not self._stopping.is_set():
                await self._pause(attempt)

    async def _may_connect(self) -> bool:
        """Wait until there is room for more; False once stopped."""
        await self._room.wait()
        return not self._stopping.is_set()

    def ack(self, batch: Collection[Message]) -> None:
        """Acknowledge a committed batch, in the order received, in one write; only what this connection delivered."""
        self.decided += len(batch)
        sent = 0
        connection = self._connection
        if connection is not None and connection.is_open:
            generation = self._generation
            pack = _PUBACK.pack
            acks = [pack(0x40, 2, message.packet_id) for message in batch if message.packet_id and message.generation == generation]
            connection.write(b"".join(acks))
            sent = len(acks)
        self._metrics.acknowledged.inc(sent)

    def release(self, size: int) -> None:
        """Say that so many bytes are decided; reading goes on where it was paused."""
        self._uncommitted_bytes -= size
        self._metrics.uncommitted_bytes.set(self._uncommitted_bytes)
        if self._uncommitted_bytes <= RESUME_SHARE * self._limit_bytes:
            self._room.set()
            self._metrics.reading_paused.set(0)
            if self._connection is not None and not self._stopping.is_set():  # else a backlog would be read on until it ends
                self._connection.resume()

    def stop(self) -> None:
        """Take nothing new. What was received can still be acknowledged, until `close`."""
        self._stopping.set()
        self._room.set()
        if self._connection is not None:
            self._connection.pause()
        self._inbox.close()

    async def in_hand(self) -> int | None:
        """How many messages are received and not decided where the broker has sent all that it may; None without a connection.

        It may send so many unacknowledged, and answers a ping after what it had to send. So while it has more for us, this is never
        less than what it may send, and never more than twice that: what was decided before the answer may have made room once more.
        """
        decided = self.decided
        return self.received - decided if await self._round_trip() else None

    async def is_emptied(self) -> bool:
        """Whether all that the broker had for us is decided: it has nothing more to send before it answers a ping."""
        before = self.received
        return self.is_idle and await self._round_trip() and self.is_idle and self.received == before

    async def _round_trip(self) -> bool:
        connection = self._connection
        return connection is not None and connection.is_open and await connection.round_trip()

    def close(self, *, end: bool = False) -> None:
        """Leave in order; the broker keeps the session and its queue, unless it is to `end`."""
        if self._connection is not None and self._connection.is_open:
            self._connection.leave(mqtt5.DisconnectPacket(session_expiry_interval=0 if end else None))

    def _received(self, messages: list[Message]) -> None:
        size = total_bytes(messages)
        self.received += len(messages)
        self._uncommitted_bytes += size
        self._metrics.received.inc(len(messages))
        self._metrics.in_flight.inc(len(messages))
        self._metrics.uncommitted_bytes.set(self._uncommitted_bytes)
        if self._uncommitted_bytes > self._limit_bytes and self._connection is not None:
            self._connection.pause()
            self._room.clear()
            self._metrics.reading_paused.set(1)
        self._inbox.put(messages, size)

    async def _connect(self) -> Connection:
        settings = self._settings
        self._connection = None  # with it goes the reason why the last one ended
        self._generation += 1
        generation = self._generation
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(generation, settings.keepalive_seconds, self._received),
            settings.host,
            settings.port,
            ssl=tls_context(settings),
        )
        self._connection = connection
        if self._stopping.is_set():  # while there was nothing yet for `stop` and `close` to end
            raise Disconnected("stopped")
        connack = await connection.ask(self._connect_packet(), mqtt5.ConnAckPacket)
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            connection.close()
            raise Disconnected(f"refused: {connack.reason_code.name.lower()} {connack.reason_str or ''}".strip())
        connection.keep_alive(connack.server_keep_alive)
        self._note_session(connack.session_present, generation)
        await self._subscriptions.establish(connection)
        self._metrics.connected.set(True)
        log.info("subscribed", extra={"filters": self._subscriptions.wanted, "session_present": connack.session_present})
        return connection

    def _connect_packet(self) -> mqtt5.ConnectPacket:
        settings = self._settings
        password = None
        if settings.password_file is not None:
            password = Path(settings.password_file).read_text(encoding="utf-8").strip().encode()
        return mqtt5.ConnectPacket(  # no maximum packet size: above it the broker would drop messages it has acknowledged
            settings.client_identifier,
            username=settings.username,
            password=password,
            clean_start=False,
            keep_alive=settings.keepalive_seconds,
            session_expiry_interval=settings.session_expiry_seconds,
            receive_max=settings.receive_maximum,
        )

    def _note_session(self, present: bool, generation: int) -> None:
        if generation > 1:
            self._metrics.reconnects.inc()
        if not present and self._subscriptions.known:
            self._metrics.sessions_lost.inc()
            log.error(
                "the broker kept no session: what it queued is lost",
                extra={"client": self._settings.client_identifier, "remedy": LOST_REMEDY},
            )

    async def _pause(self, attempt: int) -> None:
        """Wait before the next attempt; longer where another client took the session, and not for ever."""
        seconds = delay_seconds(attempt)
        if self._connection is not None and self._connection.reason == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
            self._metrics.taken_over.inc()
            self._taken_over.append(time.monotonic())
            seconds += self._settings.taken_over_seconds
            if len(self._taken_over) == TAKEN_OVER_LIMIT and self._taken_over[-1] - self._taken_over[0] < TAKEN_OVER_WINDOW_SECONDS:
                raise TakenOver(
                    f"another client keeps connecting as {self._settings.client_identifier!r}: "
                    "give every worker a client identifier of its own (METERWARDEN_BROKER__CLIENT_IDENTIFIER)"
                )
        await pause(self._stopping, seconds)
