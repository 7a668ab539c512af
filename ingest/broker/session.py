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
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import mqtt5

from ingest.batching import Inbox, size_bytes
from ingest.broker.connection import Connection, Disconnected
from ingest.errors import Unavailable
from ingest.messages import Message
from ingest.metrics import Metrics
from ingest.retry import delay_seconds, pause
from ingest.settings import BrokerSettings
from ingest.tls import tls_context

log = logging.getLogger(__name__)

RESUME_SHARE: Final = 0.5
"""Reading goes on when the uncommitted bytes have fallen to this share of the limit."""
FAILURE: Final = 0x80
"""Reason codes from here on are refusals."""
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
        *,
        uncommitted_limit_bytes: int,
        known_filters: Sequence[str],
        keep_filters: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        """`known_filters` are those the broker's session holds from earlier; `keep_filters` remembers the present ones."""
        self._settings = settings
        self._inbox = inbox
        self._metrics = metrics
        self._limit_bytes = uncommitted_limit_bytes
        self._known_filters = list(known_filters)
        self._keep_filters = keep_filters
        self._connection: Connection | None = None
        self._generation = 0
        self._uncommitted_bytes = 0
        self._taken_over: deque[float] = deque(maxlen=TAKEN_OVER_LIMIT)
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()  # cleared while too much is uncommitted: a new connection would bring still more
        self._room.set()

    @property
    def filters(self) -> list[str]:
        """The shared subscriptions of this worker."""
        return [f"$share/{self._settings.share_group}/{topic_filter}" for topic_filter in self._settings.filters]

    async def run(self) -> None:
        """Connect, receive, reconnect, until `stop`. Raises TakenOver where another client keeps our identifier."""
        attempt = 0
        while not self._stopping.is_set():
            await self._room.wait()
            try:
                async with asyncio.timeout(self._settings.connect_timeout_seconds):
                    connection = await self._connect()
                attempt = 0
                await connection.closed
            except (Disconnected, OSError, TimeoutError) as error:
                if not self._stopping.is_set():
                    log.warning("no connection to the broker", extra={"reason": _words(error), "host": self._settings.host})
            finally:
                self._metrics.connected.set(False)
                if self._connection is not None:
                    self._connection.abort()
            if not self._stopping.is_set():
                attempt += 1
                await self._pause(attempt)

    def ack(self, batch: Iterable[Message]) -> None:
        """Acknowledge a committed batch, in the order received, in one write; only what this connection delivered."""
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
        if self._connection is not None and self._uncommitted_bytes <= RESUME_SHARE * self._limit_bytes:
            self._connection.resume()
        if self._uncommitted_bytes <= RESUME_SHARE * self._limit_bytes:
            self._room.set()
            self._metrics.reading_paused.set(0)

    def stop(self) -> None:
        """Take nothing new. What was received can still be acknowledged, until `close`."""
        self._stopping.set()
        self._room.set()
        if self._connection is not None:
            self._connection.pause()
        self._inbox.close()

    def close(self) -> None:
        """Leave in order; the broker keeps the session and its queue."""
        if self._connection is not None and self._connection.is_open:
            self._connection.write(mqtt5.DisconnectPacket().write())
            self._connection.close()

    def _received(self, messages: list[Message]) -> None:
        size = sum(map(size_bytes, messages))
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
        connack = await connection.ask(self._connect_packet(), mqtt5.ConnAckPacket)
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            connection.close()
            raise Disconnected(f"refused: {connack.reason_code.name.lower()} {connack.reason_str or ''}".strip())
        connection.keep_alive(connack.server_keep_alive)
        self._note_session(connack.session_present, generation)
        await self._subscribe(connection)
        self._metrics.connected.set(True)
        log.info("subscribed", extra={"filters": self.filters, "session_present": connack.session_present})
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
        if not present and self._known_filters:
            self._metrics.sessions_lost.inc()
            log.error(
                "the broker kept no session: what it queued is lost",
                extra={"client": self._settings.client_identifier, "remedy": LOST_REMEDY},
            )

    async def _subscribe(self, connection: Connection) -> None:
        """Drop the filters of earlier settings first, else their messages would keep coming."""
        former = [topic_filter for topic_filter in self._known_filters if topic_filter not in self.filters]
        await self._remember([*former, *self.filters])
        if former:
            await connection.ask(mqtt5.UnsubscribePacket(1, former), mqtt5.UnsubAckPacket)
        wanted = [mqtt5.TopicFilter(topic_filter, max_qos=mqtt5.QoS.AT_LEAST_ONCE) for topic_filter in self.filters]
        suback = await connection.ask(mqtt5.SubscribePacket(2, wanted), mqtt5.SubAckPacket)
        refused = [
            f"{name} ({code.name.lower()})"
            for name, code in zip(self.filters, suback.reason_codes, strict=True)
            if int(code) >= FAILURE
        ]
        if refused:
            connection.close()
            raise Disconnected(f"subscription refused: {', '.join(refused)}")
        await self._remember(self.filters)

    async def _remember(self, filters: list[str]) -> None:
        """Keep what the broker's session may hold from now on, before it does; nothing to do where it is known already."""
        if set(filters) != set(self._known_filters):
            try:
                await self._keep_filters(filters)
            except Unavailable as error:
                raise Disconnected(f"filters not remembered: {error}") from error
            self._known_filters = filters

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


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
