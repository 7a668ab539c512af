"""A null consumer's process, `own`, `paho` or `aiomqtt`: receive, acknowledge, discard. What is left is what the client costs.

One JSON argument; `ready` on stdout once subscribed; a line of JSON once all messages have come, and then it ends.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from prometheus_client import CollectorRegistry

from ingest.batching import Inbox, size_bytes
from ingest.broker.session import Session
from ingest.broker.subscriptions import Subscriptions
from ingest.metrics import Metrics
from ingest.settings import BatchSettings, BrokerSettings

USER = "ingest"
POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to connect to, and for how many messages."""

    client: str
    port: int
    password_file: Path
    identifier: str
    messages: int

    @property
    def settings(self) -> BrokerSettings:
        """As the service has them; the filters are its own."""
        return BrokerSettings(port=self.port, username=USER, password_file=self.password_file, client_identifier=self.identifier)

    @property
    def password(self) -> str:
        """In the clear."""
        return self.password_file.read_text(encoding="utf-8").strip()


class Watch:
    """CPU time of this process from the moment it is ready."""

    def __init__(self) -> None:
        """Ready now."""
        print("ready", flush=True)
        self._cpu = time.process_time()

    def tell(self, messages: int, **more: float) -> None:
        """All have come."""
        print(json.dumps({"cpu_us": (time.process_time() - self._cpu) / messages * 1e6, **more}), flush=True)


async def own(asked: Asked) -> None:
    """The project's own session: batches as intake makes them, each acknowledged in one write and thrown away.

    With no messages to wait for it only leaves a session behind, for which the broker queues. Otherwise it ends its session.
    """
    metrics, limits = Metrics(CollectorRegistry()), BatchSettings()
    inbox = Inbox(limits)

    async def keep(_filters: Sequence[str]) -> None:
        """There is no database."""

    subscriptions = Subscriptions(asked.settings, (), keep)
    session = Session(asked.settings, inbox, metrics, subscriptions, uncommitted_limit_bytes=limits.uncommitted_bytes)
    running = asyncio.create_task(session.run(), name="session")
    while not metrics.connected:
        await asyncio.sleep(POLL_SECONDS)
    watch, left, first = Watch(), asked.messages, 0
    if not asked.messages:
        session.close()
        return
    async for batch in inbox.batches():
        session.ack(batch)
        session.release(sum(map(size_bytes, batch)))
        left -= len(batch)
        if not first:
            first, begun = len(batch), time.monotonic()
        if left <= 0:
            break
    watch.tell(asked.messages, drained_per_s=(asked.messages - first) / max(time.monotonic() - begun, 1e-9))
    session.stop()
    session.close(end=True)
    await running


async def with_aiomqtt(asked: Asked) -> None:
    """aiomqtt, which acknowledges each message as it arrives."""
    client = aiomqtt.Client(
        "127.0.0.1", asked.port, username=USER, password=asked.password, identifier=asked.identifier,
        protocol=aiomqtt.ProtocolVersion.V5, properties=_receive_maximum(asked), max_queued_incoming_messages=0,
    )  # fmt: skip
    async with client:
        await client.subscribe([(topic_filter, 1) for topic_filter in asked.settings.filters])
        watch, left = Watch(), asked.messages
        async for _ in client.messages:
            left -= 1
            if not left:
                break
        watch.tell(asked.messages)


def with_paho(asked: Asked) -> None:
    """paho with acknowledgement by hand, each message in its callback: the most it offers."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=asked.identifier, protocol=paho.MQTTv5, manual_ack=True)
    client.username_pw_set(USER, asked.password)
    left = asked.messages
    watch: Watch

    def subscribed(*_: Any) -> None:
        nonlocal watch
        watch = Watch()

    def received(client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        nonlocal left
        client.ack(message.mid, message.qos)
        left -= 1
        if not left:
            watch.tell(asked.messages)
            client.disconnect()

    client.on_subscribe, client.on_message = subscribed, received
    client.connect("127.0.0.1", asked.port, properties=_receive_maximum(asked))
    client.subscribe([(topic_filter, 1) for topic_filter in asked.settings.filters])
    client.loop_forever()


def _receive_maximum(asked: Asked) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = asked.settings.receive_maximum
    return properties


def main() -> None:
    """Be the client that was asked for."""
    given = json.loads(sys.argv[1])
    asked = Asked(**{**given, "password_file": Path(given["password_file"])})
    match asked.client:
        case "own":
            asyncio.run(own(asked))
        case "aiomqtt":
            asyncio.run(with_aiomqtt(asked))
        case "paho":
            with_paho(asked)
    sys.stdin.readline()  # stays until its CPU time is read


if __name__ == "__main__":
    main()
