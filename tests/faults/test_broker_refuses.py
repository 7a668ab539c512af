"""The broker says no, or goodbye with a reason: the log has it by name, and the line goes on as soon as it may."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from ingest.stack import Mosquitto, Stack, free_port
from simulators.session import PublishError
from tests.databases import Database
from tests.faults.backlog import publish_fast
from tests.faults.conftest import Judge
from tests.faults.gateway import Gateway, publishing
from tests.faults.guarded import administer, allow_subscribing, guarded_broker
from tests.faults.health import more_received, reasons, unready
from tests.faults.stream import Sent, Stream
from tests.faults.wire import hold_connects
from tests.proxy import Proxy, Way
from tests.published import topic
from tests.running import eventually, running_service

Goodbye = Callable[[Mosquitto, Proxy], AbstractAsyncContextManager[None]]

PER_SECOND = 500
TWO_MAX_PACKETS = 2 * 1024 * 1024


async def test_a_refused_subscription_is_named_and_asked_for_again_until_it_is_allowed(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """SUBACK 0x87, by mosquitto's dynamic security: connected is not subscribed, so not ready; the log names filter and reason."""
    with guarded_broker(stack.programs) as broker:
        broker.start()
        async with (
            Proxy(broker.port, free_port()) as link,
            running_service(database, broker, tmp_path, broker_port=link.port) as service,
        ):
            async with publishing(broker, stream, per_second=PER_SECOND):
                await more_received(service, 200)
                await allow_subscribing(broker, False)
                await link.cut()
                await unready(service)
                await eventually(lambda: len(refused_filters(reasons(service))) >= 3, "asked again")
                await unready(service)
                await allow_subscribing(broker, True)
                await service.ready()
            await judge(database, stream)
            for reason in refused_filters(reasons(service)):
                assert "metering/" in reason
                assert "(not_authorized)" in reason


def refused_filters(words: list[str]) -> list[str]:
    return [one for one in words if one.startswith("subscription refused: ")]


@asynccontextmanager
async def disabled_by_an_administrator(broker: Mosquitto, _link: Proxy) -> AsyncIterator[None]:
    """Thrown out with 0x98, and refused until enabled again."""
    await administer(broker, "disableClient", username="ingest")
    yield
    await administer(broker, "enableClient", username="ingest")


def ended_with(reason_code: int) -> Goodbye:
    """The broker ends with a word. mosquitto 2.0.21 sends none at its end or after a keepalive, so the proxy says it."""

    @asynccontextmanager
    async def goodbye(broker: Mosquitto, link: Proxy) -> AsyncIterator[None]:
        link.watch = hold_connects
        for connection in link.links:
            connection.deaf = True
            connection.ends[Way.TO_CLIENT].write(bytes([0xE0, 1, reason_code]))
            connection.ends[Way.TO_CLIENT].write_eof()
        await asyncio.to_thread(broker.stop)
        yield
        await asyncio.to_thread(broker.start)
        link.release()
        await link.cut()

    return goodbye


@pytest.mark.parametrize(
    ("goodbye", "reason"),
    [
        (disabled_by_an_administrator, "administrative_action"),
        (ended_with(0x8B), "server_shutting_down"),
        (ended_with(0x8D), "keep_alive_timeout"),
    ],
    ids=["administrative action", "server shutting down", "keep alive timeout"],
)
async def test_a_connection_that_the_broker_ends_with_a_reason(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, goodbye: Goodbye, reason: str
) -> None:
    """Its DISCONNECT is quoted by name; the service is not ready meanwhile, and comes back by itself."""
    with guarded_broker(stack.programs) as broker:
        broker.start()
        async with Proxy(broker.port, free_port()) as link:
            async with running_service(database, broker, tmp_path, broker_port=link.port) as service:
                async with publishing(broker, stream, per_second=PER_SECOND):
                    await more_received(service, 200)
                    async with goodbye(broker, link):
                        await unready(service)
                    await service.ready()
                    await more_received(service, 200)
                await judge(database, stream)
            assert reasons(service)[0] == reason
            assert 0 == len(service.log_lines("the broker is silent"))


async def test_a_message_above_the_brokers_packet_size_costs_its_publisher_the_connection_and_nobody_anything_else(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """The broker ends that connection with 0x95; sent again without the giant, all else arrives; the service notices nothing."""
    giant = Sent(topic(stream.institution), b" " * TWO_MAX_PACKETS)
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        async with publishing(stack.mosquitto, stream, per_second=PER_SECOND):
            careless = stream.take(300)
            with pytest.raises(PublishError):  # its reason 0x95 may be overtaken by the reset
                await publish_fast(stack.mosquitto, [*careless[:100], giant, *careless[100:]])
            await eventually(lambda: "disconnected due to oversize packet" in stack.mosquitto.log_path.read_text(), "said")
            await Gateway(stack.mosquitto).publish(careless)
            assert (200, 200) == ((await service.http("/readyz"))[0], (await service.http("/livez"))[0])
        await judge(database, stream)
        assert (1, 0) == (await service.metric("broker_connected"), await service.metric("broker_reconnects_total"))
