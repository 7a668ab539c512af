"""One MQTT 5 connection that publishes at QoS 1 and counts by PUBACK.

aiomqtt connects, keeps alive and drives the socket. Its own `publish` makes an event and a timer a message and drops the reason
code of the PUBACK, so messages go straight to the paho client underneath, and this class watches what comes back.
"""

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.messages import Message

FAILURE: Final = 0x80
"""Reason codes from here on say that the broker did not take the message."""
SILENT: Final = logging.getLogger(__name__)
"""Where paho's own complaints go; what they mean to the user is in PublishError."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

WAIT_SECONDS: Final = 30.0
"""A broker that acknowledges nothing for so long is taken for dead."""


class PublishError(Exception):
    """Publishing cannot go on; the text says why and what to do next."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and as whom to connect."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Session(aiomqtt.Client):
    """An open connection with at most `window` unacknowledged publishes."""

    def __init__(self, broker: Broker, identifier: str, window: int) -> None:
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=identifier,
            logger=SILENT,
            protocol=aiomqtt.ProtocolVersion.V5,
            max_inflight_messages=0,  # no limit of paho's own: it walks over all unacknowledged ones at every PUBACK
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # else a small window waits for delayed ACKs
        )
        self.acknowledged = 0
        self._window = window
        self._topics: dict[int, str] = {}
        self._failure: str | None = None
        self._moved = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Publish, waiting first while the window is full; raises PublishError once anything failed."""
        if len(self._topics) >= self._window:
            await self._until(self._window // 2)
        self._raise_failure()
        published = self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        if published.rc != paho.MQTT_ERR_SUCCESS:
            raise PublishError(f"the connection broke: {paho.error_string(published.rc)}; see the broker's log")
        self._topics[published.mid] = message.topic

    async def flush(self) -> None:
        """Wait until every publish is acknowledged."""
        await self._until(0)
        self._raise_failure()

    async def _until(self, unacknowledged: int) -> None:
        while len(self._topics) > unacknowledged and self._failure is None:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), WAIT_SECONDS)
            except TimeoutError as error:
                text = f"no acknowledgement for {WAIT_SECONDS:.0f} s; is the broker overloaded or out of disk space?"
                raise PublishError(text) from error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise PublishError(self._failure)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        """Keep to the broker's receive maximum: more unacknowledged publishes than it states end the connection."""
        self._window = min(self._window, getattr(properties, "ReceiveMaximum", self._window))
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self,
        client: paho.Client,  # noqa: ARG002 the signature is aiomqtt's
        userdata: Any,  # noqa: ARG002
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002
    ) -> None:
        topic = self._topics.pop(mid, "")
        self._moved.set()
        if reason_code.value < FAILURE:
            self.acknowledged += 1
        elif self._failure is None:
            code = f"{reason_code} (0x{reason_code.value:02x})"
            self._failure = f"the broker refused a publish to {topic!r}: {code}; check its access list for this user"

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if self._disconnected.done():
            self._disconnected.exception()  # asked for, so that asyncio does not complain that nobody did
        if self._topics and self._failure is None:
            self._failure = f"the broker closed the connection: {reason_code}; see the broker's log"
        self._moved.set()
