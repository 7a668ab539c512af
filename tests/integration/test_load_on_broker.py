"""The load against a real broker: all of it acknowledged, at the rate asked for, and a broker's end is told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from ingest.stack import Mosquitto, Stack
from simulators.load import Load, generate
from simulators.session import Broker, PublishError

START = datetime(2026, 10, 1, tzinfo=UTC)


def broker_of(mosquitto: Mosquitto, user: str = "simulator") -> Broker:
    return Broker("127.0.0.1", mosquitto.port, user, mosquitto.password(user))


@pytest.fixture
async def mosquitto(stack: Stack) -> AsyncIterator[Mosquitto]:
    """The stack's broker, running again afterwards."""
    yield stack.mosquitto
    stack.mosquitto.start()


@pytest.mark.parametrize(("each", "connections", "window"), [(1, 7, 50), (20, 2, 70_000)])
async def test_every_message_is_acknowledged(stack: Stack, each: int, connections: int, window: int) -> None:
    """Over many connections, and in windows wider than the broker's own limit."""
    said: list[int] = []
    measured = await generate(
        Load(5_000, each, 100, START),
        broker_of(stack.mosquitto),
        connections=connections,
        window=min(window, 65_535),
        say=said.append,
    )
    assert measured.messages == 5_000 == said[-1]
    assert 0 < measured.puback_p50_ms <= measured.puback_p99_ms
    assert measured.ceiling_per_second > measured.messages_per_second / 2


async def test_a_rate_is_kept(stack: Stack) -> None:
    """Never faster than asked."""
    measured = await generate(Load(300, 1, 100, START), broker_of(stack.mosquitto), connections=3, rate=500)
    assert measured.messages_per_second < 520


async def test_a_broker_that_ends_is_told(mosquitto: Mosquitto) -> None:
    """Killed while publishing: an error with what to do, at once."""
    killed = asyncio.Event()

    def kill(acknowledged: int) -> None:
        if acknowledged and not killed.is_set():
            killed.set()
            mosquitto.kill()

    with pytest.raises(PublishError, match="closed the connection while publishing"):
        await generate(Load(1_000_000, 1, 100, START), broker_of(mosquitto), say=kill)


async def test_a_user_who_may_not_publish_is_told(stack: Stack) -> None:
    """The service's own user may read readings, not write them."""
    with pytest.raises(PublishError, match=r"refused a publish: not_authorized \(0x87\)"):
        await generate(Load(100, 1, 10, START), broker_of(stack.mosquitto, "ingest"))
