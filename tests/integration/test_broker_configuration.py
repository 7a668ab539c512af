"""The configuration that is shipped, on the real broker: what it keeps, what it limits, and what it says where it refuses."""

import asyncio
import signal
import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from ingest.stack import Mosquitto, Stack
from tests.absent import LAST, all_delivered, delivered, service
from tests.answers import V5, V311, expiring, publisher
from tests.databases import ROOT
from tests.published import client, institution_code, topic
from tests.running import eventually, own_broker

SHIPPED = ROOT / "deploy" / "mosquitto"
SCHOOL, HOSPITAL = institution_code(), institution_code()
SUCCESS, NO_SUBSCRIBERS = 0x00, 0x10
ACCEPTED = {SUCCESS, NO_SUBSCRIBERS}
MAX_PACKET_BYTES = 1_048_576


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[Mosquitto]:
    """A broker on the shipped files with two institutions, as they stand but for paths and ports."""
    with own_broker(stack.programs, users={SCHOOL: "chalk", HOSPITAL: "gauze"}) as running:
        running.start()
        yield running


@pytest.fixture
def fresh(stack: Stack) -> Iterator[Mosquitto]:
    """A broker of the test's own on the shipped files."""
    with own_broker(stack.programs) as running:
        running.start()
        yield running


async def published(broker: Mosquitto, institution: str, payloads: list[bytes]) -> None:
    """Each has its PUBACK."""
    async with client(broker) as simulator:
        for payload in payloads:
            await simulator.publish(topic(institution), payload, qos=1)


def payloads(first: int, beyond: int) -> list[bytes]:
    return [str(number).encode() for number in range(first, beyond)]


# What it keeps


async def test_a_queue_outlives_a_restart(fresh: Mosquitto) -> None:
    """What was acknowledged to meters while the service was away is there after the broker was stopped in order."""
    async with service(fresh, SCHOOL):
        pass
    await published(fresh, SCHOOL, payloads(0, 50))
    await asyncio.to_thread(fresh.restart)
    async with service(fresh, SCHOOL) as back:
        assert payloads(0, 50) == await all_delivered(fresh, back, SCHOOL)


async def test_a_killed_broker_forgets_what_it_acknowledged_since_its_last_save(stack: Stack) -> None:
    """The guarantees page says so. SIGUSR1 makes it save at once, as it does by itself every `autosave_interval`; not here."""
    with own_broker(stack.programs, extra="autosave_interval 0") as broker:
        broker.start()
        async with service(broker, SCHOOL):
            pass
        await published(broker, SCHOOL, payloads(0, 10))
        assert broker.process is not None
        broker.process.send(signal.SIGUSR1)
        await eventually((broker.directory / "mosquitto.db").exists, "saved")
        await published(broker, SCHOOL, payloads(10, 20))
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        async with service(broker, SCHOOL) as back:
            assert payloads(0, 10) == await all_delivered(broker, back, SCHOOL)


def test_a_message_that_nobody_subscribes_to_is_gone_and_version_5_says_so(broker: Mosquitto) -> None:
    """A misspelt topic, or a broker that the service never subscribed at: 0x10 means that the reading was not kept."""
    for version, answer in ((V5, NO_SUBSCRIBERS), (V311, SUCCESS)):
        with publisher(broker, SCHOOL, version=version) as meter:
            assert ("CONNACK", SUCCESS) == meter.answer()
            assert ("PUBACK", answer) == meter.publish(f"metering/{SCHOOL}/electricity/E1/raeding")


async def test_after_a_restart_a_shared_subscription_waits_for_its_client_and_version_5_says_so(fresh: Mosquitto) -> None:
    """mosquitto 2.0 saves the queue of a shared subscription, but not the subscription: what comes before the service is lost."""
    async with service(fresh, SCHOOL):
        pass
    await published(fresh, SCHOOL, payloads(0, 5))
    await asyncio.to_thread(fresh.restart)
    with publisher(fresh, "simulator") as meter:
        assert ("CONNACK", SUCCESS) == meter.answer()
        assert ("PUBACK", NO_SUBSCRIBERS) == await asyncio.to_thread(meter.publish, topic(SCHOOL), b"lost")
    async with service(fresh, SCHOOL) as back:
        assert payloads(0, 5) == await all_delivered(fresh, back, SCHOOL)


async def test_a_message_that_has_expired_while_the_service_was_away_is_dropped_by_the_broker(broker: Mosquitto) -> None:
    """A meter that gives its reading an expiry gives the broker leave to lose it: nobody is told, and no count rises."""
    marker = topic(institution_code())
    async with service(broker, HOSPITAL):
        pass
    async with client(broker) as meter:
        await meter.publish(topic(HOSPITAL), b"expires", qos=1, properties=expiring(1))
        await meter.publish(topic(HOSPITAL), b"stays", qos=1)
        # a queued message goes when the second after its expiry begins, a retained one with it: this one cannot go before that one
        await meter.publish(marker, b"1", qos=1, retain=True, properties=expiring(2))
    await eventually(lambda: is_retained_no_more(broker, marker), "expired by the broker's own clock")
    async with service(broker, HOSPITAL) as back:
        assert [b"stays"] == await all_delivered(broker, back, HOSPITAL)


async def is_retained_no_more(broker: Mosquitto, to: str) -> bool:
    """Whether a subscriber is given nothing before what is published after its subscription."""
    async with client(broker) as probe:
        await probe.subscribe(to, qos=1)
        await probe.publish(to, LAST, qos=1)
        return await delivered(probe, 1) == [LAST]


# What it limits


@pytest.mark.parametrize("version", [V5, V311])
async def test_a_packet_above_the_limit_never_comes_in_and_the_broker_says_why(broker: Mosquitto, version: Any) -> None:
    """Disconnected; the reason 0x95 of version 5 may be overtaken by the reset; the log comes after. Just below it passes."""
    to = topic(SCHOOL)
    header_bytes = 1 + 3 + 2 + len(to) + 2 + (1 if version == V5 else 0)
    with publisher(broker, SCHOOL, version=version) as meter:
        assert ("CONNACK", SUCCESS) == meter.answer()
        packet, code = meter.publish(to, bytes(MAX_PACKET_BYTES - header_bytes))
        assert packet == "PUBACK"
        assert code in ACCEPTED
        packet, code = meter.publish(to, bytes(MAX_PACKET_BYTES))
        assert packet == "DISCONNECT"
    await eventually(lambda: "disconnected due to oversize packet" in broker.log_path.read_text(encoding="utf-8"), "said")


async def test_beyond_the_queue_limit_messages_are_dropped_and_their_publisher_is_told_nothing(stack: Stack) -> None:
    """Why `memory_limit` has to come first: the newest are lost, each with an ordinary PUBACK."""
    with own_broker(stack.programs, extra="max_queued_messages 10") as small:
        small.start()
        async with service(small, SCHOOL):
            pass
        with publisher(small, "simulator") as meter:
            assert ("CONNACK", SUCCESS) == meter.answer()
            assert {("PUBACK", SUCCESS)} == {meter.publish(topic(SCHOOL), payload) for payload in payloads(0, 15)}
        async with service(small, SCHOOL) as back:
            assert payloads(0, 10) == await delivered(back, 10)
            assert [] == await all_delivered(small, back, SCHOOL)


async def test_at_the_memory_limit_publishers_are_refused_and_nothing_acknowledged_is_lost(stack: Stack) -> None:
    """Disconnected without a PUBACK, a publisher knows that it still has its message; the service can empty the queue."""
    with own_broker(stack.programs, extra="memory_limit 3000000") as small:
        small.start()
        async with service(small, SCHOOL):
            pass
        acknowledged = await asyncio.to_thread(publish_until_refused, small)
        assert len(acknowledged) > 100
        async with service(small, SCHOOL) as back:
            found = await delivered(back, len(acknowledged))
            assert acknowledged == found


def publish_until_refused(broker: Mosquitto) -> list[bytes]:
    """The payloads that got a PUBACK."""
    with publisher(broker, "simulator") as meter:
        assert ("CONNACK", SUCCESS) == meter.answer()
        found = []
        for number in count():
            payload = b"%07d" % number + bytes(2000)
            if meter.publish(topic(SCHOOL), payload)[0] == "DISCONNECT":
                return found
            found.append(payload)
    raise AssertionError("never refused")


# What is shipped


def test_every_shipped_file_is_in_the_wheel() -> None:
    """The embedded stack runs on them, also where there is no checkout."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["ingest"]
    packed = {path.resolve() for pattern in patterns for path in (ROOT / "ingest").glob(pattern) if path.is_file()}
    shipped = {path for path in SHIPPED.rglob("*") if path.is_file()}
    assert shipped
    assert shipped <= packed


def test_what_runs_here_is_what_is_shipped(broker: Mosquitto) -> None:
    """Line by line, but for the paths, the port, and the simulator among the users."""
    running = (broker.directory / "mosquitto.conf").read_text()
    shipped = (SHIPPED / "mosquitto.conf").read_text()
    restored = running.replace(f"listener {broker.port} ", "listener 1883 ").rstrip()
    for place in ("config", "data"):
        shipped = shipped.replace(f"/mosquitto/{place}", str(broker.directory))
    assert shipped.rstrip() == restored
    assert (broker.directory / "access").read_text().startswith((SHIPPED / "access").read_text())
