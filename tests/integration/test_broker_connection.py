"""Connections that are refused, silent, foreign or lost: the session says so, and makes the next one."""

import asyncio
import logging
from pathlib import Path

import pytest

from ingest.settings import BrokerSettings
from ingest.stack import Stack, free_port
from tests.integration.listening import numbers, payloads, running, settings_of, topic_of
from tests.proxy import Proxy
from tests.published import client, forget_session, publish
from tests.running import eventually, own_broker


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> BrokerSettings:
    """A client of the test's own."""
    return settings_of(stack.mosquitto, tmp_path)


async def test_refused_credentials_are_tried_again_with_the_brokers_reason_in_the_log(
    settings: BrokerSettings, caplog: pytest.LogCaptureFixture, stack: Stack
) -> None:
    """A wrong password does not end the process: it may be rotated, and the file is read anew at each try."""
    caplog.set_level(logging.INFO)
    assert settings.password_file is not None
    settings.password_file.write_text("wrong", encoding="utf-8")
    async with running(settings) as one:
        await eventually(lambda: len(refusals(caplog)) >= 2, "refused twice")
        assert all("refused: not_authorized" in reason or "bad_user_name_or_password" in reason for reason in refusals(caplog))
        assert not one.metrics.connected
        settings.password_file.write_text(stack.mosquitto.password("ingest"), encoding="utf-8")
        await one.connected()
    assert "wrong" not in caplog.text.replace("went wrong", "")


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why there was no connection, each time."""
    return [record.reason for record in caplog.records if record.message == "no connection to the broker"]  # type: ignore[attr-defined]


async def test_a_session_the_broker_has_lost_is_counted_and_told(
    settings: BrokerSettings, caplog: pytest.LogCaptureFixture, stack: Stack
) -> None:
    """Session present 0 where filters were known means a queue is gone; a first connection is no loss."""
    async with running(settings) as one:
        await one.connected()
        assert 0 == one.sample("broker_sessions_lost_total")
        [known] = one.remembered
    await forget_session(stack.mosquitto, settings.client_identifier)
    async with running(settings, known=known) as two:
        await two.connected()
        assert 1 == two.sample("broker_sessions_lost_total")
    assert "the broker kept no session: what it queued is lost" in caplog.messages


async def test_a_broker_that_goes_silent_is_found_by_keepalive(settings: BrokerSettings, stack: Stack) -> None:
    """A half-open connection carries nothing and says nothing: given up within two keepalives, and made again."""
    async with (
        Proxy(stack.mosquitto.port, free_port()) as proxy,
        running(settings.model_copy(update={"port": proxy.port, "keepalive_seconds": 5})) as one,
    ):
        await one.connected()
        proxy.forget_links()
        await publish(stack.mosquitto, topic_of(settings), payloads(3))
        await eventually(lambda: one.sample("broker_reconnects_total") >= 1, "reconnected")
        assert [0, 1, 2] == numbers(await one.received(3))[:3]
        assert proxy.accepted >= 2


async def test_a_broker_that_accepts_and_never_answers_is_given_up_in_time(
    settings: BrokerSettings, caplog: pytest.LogCaptureFixture, stack: Stack
) -> None:
    """The wait for CONNACK has an end, and the next try may succeed."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        proxy.go_deaf()
        brief = settings.model_copy(update={"port": proxy.port, "connect_timeout_seconds": 1})
        async with running(brief) as one:
            await eventually(lambda: len(refusals(caplog)) >= 2, "given up twice")
            await proxy.resume()
            await one.connected()
    assert {"TimeoutError"} == set(refusals(caplog)[:2])


async def test_garbage_instead_of_mqtt_ends_the_connection_and_not_the_process(
    settings: BrokerSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever listens on the port, the session says that there is no connection, and tries again."""

    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)))
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with running(settings.model_copy(update={"port": port})) as one:
            await eventually(lambda: len(refusals(caplog)) >= 2, "refused twice")
            assert not one.metrics.connected


async def test_a_broker_restarted_keeps_the_session_and_numbers_its_packets_anew(stack: Stack, tmp_path: Path) -> None:
    """What was not acknowledged comes again; an acknowledgement held over could free another message, so it is not sent."""
    with own_broker(stack.programs) as broker:
        broker.start()
        settings = settings_of(broker, tmp_path)
        async with running(settings) as one:
            await one.connected()
            await publish(broker, topic_of(settings), payloads(20))
            before = list(await one.received(20))
            one.session.ack(before[:10])
            async with client(broker) as probe:  # the broker has read the acknowledgements before it answers a later client
                await probe.publish(topic_of(settings), b"20", qos=1)
            before = list(await one.received(21))
            await asyncio.to_thread(broker.restart)
            after = (await one.received(32))[21:]
            assert list(range(10, 21)) == numbers(after)
            one.session.ack(before)
            assert 10 == one.sample("messages_acknowledged_total")
            assert 0 == one.sample("broker_sessions_lost_total")
