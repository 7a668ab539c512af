"""The session against a real broker, without a database: order, acknowledgement, filters, pauses, the end."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ingest.batching import Inbox, size_bytes
from ingest.broker.session import Session
from ingest.broker.subscriptions import Subscriptions
from ingest.messages import Message
from ingest.metrics import Metrics
from ingest.retry import GOOD_SECONDS
from ingest.settings import BatchSettings, BrokerSettings
from ingest.stack import Stack, free_port
from tests.integration.listening import UNLIMITED, numbers, payloads, running, settings_of, topic_of
from tests.proxy import Link, Proxy, Verdict, Way
from tests.published import institution_code, publish, publish_with_paho, topic
from tests.running import eventually


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> BrokerSettings:
    """A client of the test's own."""
    return settings_of(stack.mosquitto, tmp_path)


async def test_messages_come_in_lists_in_the_order_published(settings: BrokerSettings, stack: Stack) -> None:
    """What the socket brought at once is one list; topic, payload, quality of service and packet identifier are as sent."""
    async with (
        Proxy(stack.mosquitto.port, free_port()) as proxy,
        running(settings.model_copy(update={"port": proxy.port})) as one,
    ):
        await one.connected()
        proxy.watch = lambda _link, way, _chunk: Verdict.HOLD if way is Way.TO_CLIENT else Verdict.PASS
        await publish_with_paho(stack.mosquitto, topic_of(settings), payloads(2000))
        await eventually(lambda: held_by(proxy).count(topic_of(settings).encode()) == 2000, "all is on its way")
        proxy.release()
        messages = await one.received(2000)
        assert list(range(2000)) == numbers(messages)
        assert {(topic_of(settings), 1, False, 1)} == {(m.topic, m.qos, m.retain, m.generation) for m in messages}
        assert list(range(1, 2001)) == [m.packet_id for m in messages]
        assert len(one.inbox.lists) < 1000, "lists, not messages one by one"
        assert (2000, 2000) == (one.sample("messages_received_total"), one.sample("messages_in_flight"))
        assert [list(settings.filters)] == one.remembered


def held_by(proxy: Proxy) -> bytes:
    """What a proxy holds back from the client."""
    return b"".join(chunk for link in proxy.links for chunk in link.held.get(Way.TO_CLIENT, ()))


async def test_acknowledgements_go_out_in_the_order_received_in_one_write_a_batch(settings: BrokerSettings, stack: Stack) -> None:
    """MQTT 5 asks for that order (4.6.0-2); on the wire they stand one after the other, and the broker sends none again."""
    acknowledged = b""

    def listen(_link: Link, way: Way, chunk: bytes) -> Verdict:
        nonlocal acknowledged
        if way is Way.TO_SERVER and chunk[:1] == b"\x40":
            acknowledged += chunk
        return Verdict.PASS

    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        proxy.watch = listen
        through = settings.model_copy(update={"port": proxy.port})
        async with running(through) as one:
            await one.connected()
            await publish(stack.mosquitto, topic_of(settings), payloads(300))
            messages = await one.received(300)
            for begin in range(0, 300, 100):
                one.session.ack(messages[begin : begin + 100])
            await eventually(lambda: len(acknowledged) == 4 * 300)
            assert 300 == one.sample("messages_acknowledged_total")
        assert [m.packet_id for m in messages] == [int.from_bytes(acknowledged[n + 2 : n + 4]) for n in range(0, 1200, 4)]
    async with running(settings) as two:
        await two.connected()
        await publish(stack.mosquitto, topic_of(settings), payloads(1, 999))
        assert [999] == numbers(await two.received(1))


async def test_what_is_not_acknowledged_comes_again_and_an_old_delivery_is_never_acknowledged(
    settings: BrokerSettings, stack: Stack
) -> None:
    """After a reconnect the same messages come under a new generation; only that one's deliveries can be acknowledged."""
    async with (
        Proxy(stack.mosquitto.port, free_port()) as proxy,
        running(settings.model_copy(update={"port": proxy.port})) as one,
    ):
        await one.connected()
        await publish(stack.mosquitto, topic_of(settings), payloads(50))
        first = list(await one.received(50))
        await proxy.cut()
        again = (await one.received(100))[50:]
        assert numbers(first) == numbers(again)
        assert {(1,), (2,)} == {(m.generation,) for m in first + again}
        one.session.ack(first)
        assert 0 == one.sample("messages_acknowledged_total")
        one.session.ack([*first[:10], *again])
        assert 50 == one.sample("messages_acknowledged_total")
        assert (1, 0) == (one.sample("broker_reconnects_total"), one.sample("broker_sessions_lost_total"))


async def test_acknowledging_without_a_connection_says_nothing_and_breaks_nothing(settings: BrokerSettings, stack: Stack) -> None:
    """A batch that commits while the broker is away is simply delivered again."""
    async with (
        Proxy(stack.mosquitto.port, free_port()) as proxy,
        running(settings.model_copy(update={"port": proxy.port})) as one,
    ):
        await one.connected()
        await publish(stack.mosquitto, topic_of(settings), payloads(5))
        messages = list(await one.received(5))
        await proxy.refuse()
        await eventually(lambda: not one.metrics.connected)
        one.session.ack(messages)
        assert 0 == one.sample("messages_acknowledged_total")
        await proxy.resume()
        assert numbers(messages) == numbers((await one.received(10))[5:])


async def test_filters_of_earlier_settings_are_dropped_once_the_new_ones_hold(settings: BrokerSettings, stack: Stack) -> None:
    """The broker keeps a session's subscriptions for ever: what is no longer wanted must be named to be rid of."""
    old = settings.model_copy(update={"filters": (*settings.filters, f"metering/{institution_code()}/#")})
    dropped = topic(old.filters[1].split("/")[1])
    async with running(old) as one:
        await one.connected()
        [known] = one.remembered
    await publish(stack.mosquitto, dropped, payloads(1))
    async with running(settings, known=known) as two:
        await two.connected()
        assert [0] == numbers(await two.received(1)), "what was queued before the change still comes"
        two.session.ack(two.inbox.messages)
        await publish(stack.mosquitto, dropped, payloads(1, 7))
        await publish(stack.mosquitto, topic_of(settings), payloads(1, 8))
        assert [0, 8] == numbers(await two.received(2))
        assert [list(settings.filters)] == two.remembered


async def test_reading_pauses_above_the_limit_and_goes_on_after_release_on_the_same_connection(
    settings: BrokerSettings, stack: Stack
) -> None:
    """Uncommitted bytes stay bounded whatever the backlog; the pause outlives several keepalives without losing the connection."""
    size, count, limit = 10_000, 600, 300_000
    settings = settings.model_copy(update={"keepalive_seconds": 5})
    backlog = [str(n).encode().ljust(size) for n in range(count)]
    async with running(settings, limit=limit) as one:
        await one.connected()
        await publish_with_paho(stack.mosquitto, topic_of(settings), backlog)
        await eventually(lambda: one.sample("broker_reading_paused") == 1, "paused")
        pause = asyncio.get_running_loop().time() + 1.5 * settings.keepalive_seconds + 1
        await eventually(lambda: asyncio.get_running_loop().time() > pause, "longer than the keepalive")
        held = len(one.inbox.messages)
        assert one.sample("uncommitted_bytes") <= limit + 256 * 1024, "one read beyond the limit at most"
        assert held < count

        decided = 0
        while decided < count:
            batch = (await one.received(decided + 1))[decided:]
            one.session.ack(batch)
            one.session.release(sum(map(size_bytes, batch)))
            decided += len(batch)
        assert list(range(count)) == numbers(one.inbox.messages)
        assert {1} == {m.generation for m in one.inbox.messages}
        assert (0, 0, count) == tuple(
            one.sample(name) for name in ("uncommitted_bytes", "broker_reading_paused", "messages_acknowledged_total")
        )


async def test_a_packet_cut_anywhere_is_read_whole(settings: BrokerSettings, stack: Stack, seed: int) -> None:
    """TCP keeps no packet together: fed through in crumbs, the same messages come."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        held: list[tuple[Link, bytes]] = []

        def crumble(link: Link, way: Way, chunk: bytes) -> Verdict:
            if way is Way.TO_CLIENT and len(chunk) > 3:
                held.append((link, chunk))
                return Verdict.DROP
            return Verdict.PASS

        async with running(settings.model_copy(update={"port": proxy.port})) as one:
            await one.connected()
            proxy.watch = crumble
            await publish(stack.mosquitto, topic_of(settings), payloads(30))
            await eventually(lambda: sum(chunk.count(topic_of(settings).encode()) for _, chunk in held) == 30)
            proxy.watch = lambda *_: Verdict.PASS
            stream, step = b"".join(chunk for _, chunk in held), 1 + seed % 7
            for begin in range(0, len(stream), step):
                held[0][0].ends[Way.TO_CLIENT].write(stream[begin : begin + step])
                await asyncio.sleep(0)
            assert list(range(30)) == numbers(await one.received(30))


async def test_an_inbox_of_the_service_takes_the_same_lists(settings: BrokerSettings, stack: Stack) -> None:
    """The real inbox between session and line: batches in order, each message once."""
    inbox = Inbox(BatchSettings(messages=100, age_seconds=0.05))
    metrics = Metrics(CollectorRegistry())

    async def keep(_filters: Sequence[str]) -> None: ...

    session = Session(settings, inbox, metrics, Subscriptions(settings, (), keep), uncommitted_limit_bytes=UNLIMITED)
    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run())
        await eventually(lambda: bool(metrics.connected))
        await publish_with_paho(stack.mosquitto, topic_of(settings), payloads(1050))
        found: list[Message] = []
        async for batch in inbox.batches():
            assert len(batch) <= 100
            found += batch
            session.ack(batch)
            if len(found) == 1050:
                session.stop()
        session.close()
    assert list(range(1050)) == numbers(found)


async def test_a_broker_that_lets_us_in_and_drops_us_is_asked_less_and_less_often(
    settings: BrokerSettings, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """Each time after the subscription was granted: the row of faults ends only with a connection that has stood for a while."""
    now = 0.0
    async with (
        Proxy(stack.mosquitto.port, free_port()) as proxy,
        running(settings.model_copy(update={"port": proxy.port}), clock=lambda: now) as one,
    ):
        for stood_seconds in (0.0, 0.1, GOOD_SECONDS - 0.1, GOOD_SECONDS, 0.0):
            await one.connected()
            now += stood_seconds
            await proxy.cut()
            await eventually(lambda: not one.metrics.connected, "dropped")
    lines = [record for record in caplog.records if record.message == "no connection to the broker"]
    assert [1, 2, 3, 1, 2] == [line.attempt for line in lines]
