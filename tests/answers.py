"""What a broker answers a publisher, by paho: reason codes of CONNACK, PUBACK and DISCONNECT."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.stack import Mosquitto

ANSWER_SECONDS: Final = 60.0
V5: Final = MQTTProtocolVersion.MQTTv5
V311: Final = MQTTProtocolVersion.MQTTv311
Answer = tuple[str, int]
"""The packet's name and its reason code. Version 3.1.1 has one in CONNACK only, and its DISCONNECT is a closed socket."""


@dataclass
class Publisher:
    """A client that hears every answer, in order."""

    client: paho.Client
    answers: "queue.Queue[Answer]" = field(default_factory=queue.Queue)

    def publish(self, to: str, payload: bytes = b"1", **options: Any) -> Answer:
        """Publish with QoS 1 and wait for the answer."""
        self.client.publish(to, payload, qos=1, **options)
        return self.answer()

    def answer(self) -> Answer:
        """The next answer; queue.Empty where none comes in time."""
        return self.answers.get(timeout=ANSWER_SECONDS)


@contextmanager
def publisher(
    broker: Mosquitto, user: str | None, password: str | None = None, version: MQTTProtocolVersion = V5
) -> Iterator[Publisher]:
    """A publisher whose CONNACK is its first answer."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version, reconnect_on_failure=False)
    one = Publisher(client)
    client.on_connect = lambda _client, _userdata, _flags, reason, _properties: one.answers.put(("CONNACK", reason.value))
    client.on_publish = lambda _client, _userdata, _mid, reason, _properties: one.answers.put(("PUBACK", reason.value))
    client.on_disconnect = lambda _client, _userdata, _flags, reason, _properties: one.answers.put(("DISCONNECT", reason.value))
    if user is not None:
        client.username_pw_set(user, password if password is not None else broker.password(user))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield one
    finally:
        client.disconnect()
        client.loop_stop()


def expiring(seconds: int) -> Properties:
    """PUBLISH properties of a message that is worth something for so long only."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = seconds
    return properties


def session(expiry_seconds: int = 3600) -> Properties:
    """CONNECT properties of a session that outlives its connection."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = expiry_seconds
    return properties
