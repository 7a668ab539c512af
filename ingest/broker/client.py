"""A client for what is not intake: quota states go out; device states and the broker's own counts come in. aiomqtt, not ours."""

from collections.abc import Iterable
from pathlib import Path

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.settings import BrokerSettings
from ingest.tls import tls_context


def client(settings: BrokerSettings, purpose: str, receive_maximum: int | None = None) -> aiomqtt.Client:
    """A client not connected yet, with our identifier and its purpose as name. Its sessions end with their connections.

    `receive_maximum`: the broker sends no more than so many messages (of QoS 1) before they are acknowledged, by `acknowledge`.
    OSError where a file that the settings name cannot be used.
    """
    password = None
    if settings.password_file is not None:
        password = Path(settings.password_file).read_text(encoding="utf-8").strip()
    found = aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=f"{settings.client_identifier}-{purpose}",
        username=settings.username,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=tls_context(settings),
        properties=_connect_properties(receive_maximum),
    )
    found._client.manual_ack_set(receive_maximum is not None)  # aiomqtt has no name for it
    return found


def acknowledge(receiver: aiomqtt.Client, messages: Iterable[aiomqtt.Message]) -> None:
    """Say that messages are dealt with: the broker sends as many more."""
    for message in messages:
        receiver._client.ack(message.mid, message.qos)  # aiomqtt has no name for it


def _connect_properties(receive_maximum: int | None) -> Properties | None:
    if receive_maximum is None:
        return None
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = receive_maximum
    return properties
