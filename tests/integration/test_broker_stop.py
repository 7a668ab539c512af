"""How a session with the broker ends: what it has is acknowledged, nothing new is taken, whatever it was about to do."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from ingest.batching import size_bytes
from ingest.broker import connection
from ingest.settings import BrokerSettings, Settings
from ingest.stack import Stack, free_port
from tests.integration.listening import numbers, payloads, running, settings_of, topic_of
from tests.proxy import Proxy
from tests.published import institution_code, publish, publish_with_paho, topic
from tests.running import eventually


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> BrokerSettings:
    """A client of the test's own."""
    return settings_of(stack.mosquitto, tmp_path)


async def test_a_stopped_session_takes_nothing_new_acknowledges_what_it_has_and_leaves_in_order(
    settings: BrokerSettings, stack: Stack
) -> None:
    """After `stop` the inbox is closed and reading ends; acknowledgements still go out, and the broker keeps the session."""
    async with running(settings) as one:
        await one.connected()
        await publish(stack.mosquitto, topic_of(settings), payloads(5))
        messages = list(await one.received(5))
        one.session.stop()
        assert one.inbox.closed
        await publish(stack.mosquitto, topic_of(settings), payloads(5, 5))
        one.session.ack(messages)
        one.session.close()
        await eventually(lambda: not one.metrics.connected)
        assert 5 == len(one.inbox.messages)
    async with running(settings) as two:
        await two.connected()
        assert [5, 6, 7, 8, 9] == numbers(await two.received(5))


async def test_a_session_that_leaves_waits_until_a_busy_broker_has_read_its_acknowledgements(
    settings: BrokerSettings, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next one, under the same name, would be heard before them, and be sent all of it again."""
    monkeypatch.setattr(connection, "LEAVE_SECONDS", 600.0)
    broker = stack.mosquitto.process
    assert broker is not None
    async with running(settings) as one:
        await one.connected()
        await publish(stack.mosquitto, topic_of(settings), payloads(300))
        messages = await one.received(300)
        broker.send(signal.SIGSTOP)
        try:
            one.session.ack(messages)
            one.session.stop()
            one.session.close()
            for _ in range(100):
                await asyncio.sleep(0)
            assert one.metrics.connected
        finally:
            broker.send(signal.SIGCONT)
    async with running(settings) as two:
        await two.connected()
        await publish(stack.mosquitto, topic_of(settings), payloads(1, 999))
        assert [999] == numbers(await two.received(1))


def test_a_goodbye_takes_no_longer_than_a_stop_may() -> None:
    """A broker that is silent is left, with exit status 0, before the grace period is over."""
    assert connection.LEAVE_SECONDS < Settings().shutdown_grace_seconds / 2


async def test_a_stopped_session_reads_no_more_of_a_backlog_while_what_it_has_is_decided(
    settings: BrokerSettings, stack: Stack
) -> None:
    """Else a stop would last as long as the backlog, and end by the grace period."""
    async with running(settings) as one:
        await one.connected()
        [known] = one.remembered
    await publish_with_paho(stack.mosquitto, topic_of(settings), payloads(300))
    async with running(settings.model_copy(update={"receive_maximum": 100}), known=known) as two:
        had = list(await two.received(100))
        two.session.stop()
        two.session.ack(had)
        two.session.release(sum(map(size_bytes, had)))
        await publish(
            stack.mosquitto, topic(institution_code()), payloads(20)
        )  # by then the broker has read the PUBACKs, and sent on
        assert list(range(100)) == numbers(two.inbox.messages)
    async with running(settings, known=known) as three:
        assert list(range(100, 300)) == numbers(await three.received(200))


async def test_a_session_stopped_while_it_connects_takes_no_connection(
    settings: BrokerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stop` and `close` come before there is a connection to stop and close: the one that is made then is given up."""
    connecting, stopped = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    create_connection = loop.create_connection

    async def slow(*given: Any, **options: Any) -> Any:
        connecting.set()
        await stopped.wait()
        return await create_connection(*given, **options)

    monkeypatch.setattr(loop, "create_connection", slow)
    async with running(settings) as one:
        await connecting.wait()
        one.session.stop()
        one.session.close()
        stopped.set()
    assert [] == one.remembered
    assert 0 == one.sample("broker_connected")


async def test_a_session_that_waits_for_room_connects_no_more_once_stopped(settings: BrokerSettings, stack: Stack) -> None:
    """Above its limit it waits before it connects again; a stop is no room."""
    async with (
        Proxy(stack.mosquitto.port, free_port()) as proxy,
        running(settings.model_copy(update={"port": proxy.port, "keepalive_seconds": 5}), limit=1000) as one,
    ):
        await one.connected()
        await publish(stack.mosquitto, topic_of(settings), payloads(10))
        await eventually(lambda: one.sample("broker_reading_paused") == 1, "no room")
        await proxy.cut()
        await eventually(lambda: not one.metrics.connected, "a ping that cannot be sent: nothing is read")
        accepted = proxy.accepted
    assert accepted == proxy.accepted
