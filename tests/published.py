"""What is published to the service, what is stored of it, and clients nobody here wrote that publish it."""

import asyncio
import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ingest.stack import Mosquitto
from tests.databases import Database

ANSWER_SECONDS: Final = 60.0
"""Ends a request to a server that runs: one that is busy, or stopped for a while, is not taken for one that is away."""
RECENT: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
"""A full hour well inside the accept window."""


def institution_code() -> str:
    """An institution of the test's own."""
    return f"T{secrets.token_hex(4)}"


def at(seconds: int) -> datetime:
    """An instant so many seconds after `RECENT`."""
    return RECENT + timedelta(seconds=seconds)


def reading(seconds: int, energy_kwh: float | str = 1.0, **more: Any) -> bytes:
    """An electricity reading taken so many seconds after `RECENT`."""
    return json.dumps({"read_at": at(seconds).isoformat(), "energy_import_kwh": energy_kwh, **more}).encode()


def readings(seconds: Iterable[int]) -> list[bytes]:
    """Distinct readings: each second with a value of its own, in thousandths of a kWh."""
    return [reading(second, second / 1000) for second in seconds]


def topic(institution: str, meter: str = "E1", medium: str = "electricity") -> str:
    """Where a meter publishes."""
    return f"metering/{institution}/{medium}/{meter}/reading"


async def stored(database: Database) -> dict[datetime, int]:
    """Every stored value by its instant, AssertionError where a key is there twice (several meters: by `stored_rows`)."""
    rows = await database.rows("SELECT read_at, value FROM metering.reading")
    assert len({row[0] for row in rows}) == len(rows), "a reading is stored twice"
    return dict(rows)


def expected(seconds: Iterable[int]) -> dict[datetime, int]:
    """What `stored` says once `readings(seconds)` are."""
    return {at(second): second for second in seconds}


# Who publishes it


def client(broker: Mosquitto, user: str = "simulator", *, port: int | None = None, **options: Any) -> aiomqtt.Client:
    """An aiomqtt client of MQTT 5."""
    options = {"protocol": aiomqtt.ProtocolVersion.V5, "timeout": ANSWER_SECONDS, **options}
    return aiomqtt.Client("127.0.0.1", port or broker.port, username=user, password=broker.password(user), **options)


async def forget_session(broker: Mosquitto, client_identifier: str) -> None:
    """Take over a client's session and end it, so that nothing is queued for it any more."""
    async with client(broker, "ingest", identifier=client_identifier, clean_start=True):
        pass


async def retained(broker: Mosquitto, filter_: str) -> set[str]:
    """The topics with a retained message; the last one is followed by one of the reader's own."""
    found = set[str]()
    async with client(broker) as reader, asyncio.timeout(30):
        await reader.subscribe(filter_, qos=1)
        await reader.subscribe("metering/end", qos=1)
        await reader.publish("metering/end", "", qos=1)
        async for message in reader.messages:
            if str(message.topic) == "metering/end":
                break
            found.add(str(message.topic))
    return found


async def publish(broker: Mosquitto, to: str, payloads: Iterable[bytes], **options: Any) -> None:
    """Publish with QoS 1, one after the other, by aiomqtt; every one has its PUBACK then."""
    async with client(broker, **options) as publisher:
        for payload in payloads:
            await publisher.publish(to, payload, qos=1)


async def publish_with_mosquitto_pub(broker: Mosquitto, to: str, payload: bytes, user: str = "simulator") -> None:
    """Publish one message with QoS 1 by mosquitto's own program."""
    process = await asyncio.create_subprocess_exec(
        broker.programs.mosquitto_pub, "-h", "127.0.0.1", "-p", str(broker.port), "-u", user, "-P", broker.password(user),
        "-q", "1", "-t", to, "-s", stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(ANSWER_SECONDS):
        await process.communicate(payload)
    assert process.returncode == 0


async def publish_with_paho(broker: Mosquitto, to: str, payloads: Iterable[bytes]) -> None:
    """Publish with QoS 1 as a client of MQTT 3.1.1, many in flight; every one has its PUBACK then."""
    await asyncio.to_thread(_publish_with_paho, broker, to, list(payloads))


def _publish_with_paho(broker: Mosquitto, to: str, payloads: list[bytes]) -> None:
    publisher = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    publisher.username_pw_set("simulator", broker.password("simulator"))
    publisher.max_inflight_messages_set(1000)
    publisher.connect("127.0.0.1", broker.port)
    publisher.loop_start()
    try:
        for sent in [publisher.publish(to, payload, qos=1) for payload in payloads]:
            sent.wait_for_publish(ANSWER_SECONDS)
            assert sent.is_published(), "no PUBACK"
    finally:
        publisher.disconnect()
        publisher.loop_stop()
