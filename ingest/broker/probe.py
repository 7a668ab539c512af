"""What can be known of the broker without disturbing anybody: a short connection under a name of its own, with no session."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import mqtt5

from ingest.broker.connection import Connection, Disconnected
from ingest.settings import BrokerSettings
from ingest.tls import explained, tls_context

PURPOSE: Final = "check"
FAILURE: Final = 0x80


@dataclass(frozen=True, slots=True)
class Seen:
    """What the broker said; `failure` instead, where it could not be asked, and `refusal`, where it refused us by name."""

    failure: str = ""
    refusal: str = ""
    is_reached: bool = False
    """Whether anything listens there at all."""
    refused_filters: dict[str, str] = field(default_factory=dict)
    """Topic filters that may not be subscribed to, and the broker's reason."""
    session_expiry_seconds: int | None = None
    """Where the broker keeps sessions for another time than asked."""
    receive_maximum: int = 65535
    max_packet_bytes: int | None = None
    max_qos: int = 2
    shared_subscriptions: bool = True
    certificate_ends: datetime | None = None
    """When the broker's certificate expires; None without TLS."""


async def probe(settings: BrokerSettings) -> Seen:
    """Connect with MQTT 5 under another client identifier, subscribe plainly and leave again. Never raises what the world does.

    The subscription is at QoS 0, of no group, without retained messages: no message is taken from, or kept for, anybody.
    """
    connections: list[Connection] = []
    try:
        async with asyncio.timeout(settings.connect_timeout_seconds):
            return await _asked(settings, connections)
    except TimeoutError:
        return Seen(f"no answer within {settings.connect_timeout_seconds:g} s", is_reached=bool(connections))
    except (Disconnected, OSError) as error:
        return Seen(explained(error), is_reached=bool(connections))
    finally:
        for connection in connections:
            connection.abort()


async def _asked(settings: BrokerSettings, connections: list[Connection]) -> Seen:
    transport, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(1, settings.keepalive_seconds, lambda _: None), settings.host, settings.port, ssl=tls_context(settings)
    )
    connections.append(connection)
    connack = await connection.ask(_connect_packet(settings), mqtt5.ConnAckPacket)
    if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
        said = f"{connack.reason_code.name.lower()} {connack.reason_str or ''}".strip()
        return Seen(refusal=said, is_reached=True)
    filters = [
        mqtt5.TopicFilter(name, max_qos=mqtt5.QoS.AT_MOST_ONCE, retain_handling=mqtt5.RetainHandling.SEND_NEVER)
        for name in settings.filters
    ]
    suback = await connection.ask(mqtt5.SubscribePacket(1, filters), mqtt5.SubAckPacket)
    codes = zip(settings.filters, suback.reason_codes, strict=True)
    refused = {name: code.name.lower() for name, code in codes if int(code) >= FAILURE}
    connection.write(mqtt5.DisconnectPacket(session_expiry_interval=0).write())
    connection.close()
    return Seen(
        is_reached=True,
        refused_filters=refused,
        session_expiry_seconds=connack.session_expiry_interval,
        receive_maximum=connack.receive_max,
        max_packet_bytes=connack.max_packet_size,
        max_qos=int(connack.max_qos),
        shared_subscriptions=connack.shared_subscription_available,
        certificate_ends=_ends(transport.get_extra_info("ssl_object")),
    )


def _connect_packet(settings: BrokerSettings) -> mqtt5.ConnectPacket:
    """Asks for a session as long as the service's, so that the answer says how long it would be kept; it is ended at once."""
    password = None
    if settings.password_file is not None:
        password = Path(settings.password_file).read_text(encoding="utf-8").strip().encode()
    return mqtt5.ConnectPacket(
        f"{settings.client_identifier}-{PURPOSE}",
        username=settings.username,
        password=password,
        clean_start=True,
        keep_alive=settings.keepalive_seconds,
        session_expiry_interval=settings.session_expiry_seconds,
        receive_max=settings.receive_maximum,
    )


def _ends(tls: ssl.SSLObject | None) -> datetime | None:
    with suppress(KeyError, TypeError, ValueError):
        certificate = tls.getpeercert() if tls is not None else None
        if certificate:
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    return None
