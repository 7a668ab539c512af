"""The session against a real broker, without a database: order, acknowledgement, refusals, filters, pauses, silence."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ingest.batching import Inbox, size_bytes
from ingest.broker.session import Session
from ingest.broker.subscriptions import Subscriptions
from ingest.messages import Message
from ingest.metrics import Metrics
from ingest.settings import BatchSettings, BrokerSettings
from ingest.stack import Mosquitto, Stack, free_port
from tests.proxy import Link, Proxy, Verdict, Way
from tests.running import client, eventually, forget_session, institution_code, own_broker, publish, publish_with_paho, topic

UNLIMITED = 2**40


@dataclass
class Kept:
    """An inbox that keeps the lists as they come."""

    lists: list[list[Message]] = field(default_factory=list)
    closed: bool = False

    def put(self, messages: list[Message], size: int) -> None:
        """As the session calls it: never with an empty list, and with the right size."""
        assert messages
        assert size == sum(map(size_bytes, messages))
        self.lists.append(messages)

    def close(self) -> None:
        """No more will come."""
        self.closed = True

    @property
    def messages(self) -> list[Message]:
        """Everything received, in order."""
        return [one for each in self.lists for one in each]


@dataclass
class Running:
    """A session with what it was given and what it remembered."""

    session: Session
    inbox: Kept
    metrics: Metrics
    remembered: list[list[str]]

    def sample(self, name: str) -> float:
        """One metric."""
        return self.metrics.registry.get_sample_value(f"meterwarden_{name}") or 0.0

    async def connected(self) -> None:
        """Wait until it is."""
        await eventually(lambda: bool(self.metrics.connected), "connected")

    async def received(self, number: int) -> list[Message]:
        """Wait for so many messages."""
        await eventually(lambda: len(self.inbox.messages) >= number, f"{number} received")
        return self.inbox.messages


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> BrokerSettings:
    """A client of the test's own."""
    return settings_of(stack.mosquitto, tmp_path)


def settings_of(broker: Mosquitto, directory: Path, **more: object) -> BrokerSettings:
    """Settings for a broker, with names nobody else uses and topics of one institution."""
    name, file = f"test-{secrets.token_hex(6)}", directory / "password"
    file.write_text(broker.password("ingest"), encoding="utf-8")
    given = {
        "port": broker.port, "username": "ingest", "password_file": file, "client_identifier": name,
        "filters": (f"metering/{institution_code()}/#",), "connect_timeout_seconds": 3, "keepalive_seconds": 5,
    }  # fmt: skip
    return BrokerSettings.model_validate({**given, **more})


def topic_of(settings: BrokerSettings) -> str:
    """A topic under the session's filter."""
    return topic(settings.filters[0].split("/")[1])


@asynccontextmanager
async def running(settings: BrokerSettings, *, known: Sequence[str] = (), limit: int = UNLIMITED) -> AsyncIterator[Running]:
    """A session, stopped in order at the end of the block."""
    inbox, metrics, remembered = Kept(), Metrics(CollectorRegistry()), list[list[str]]()

    async def keep(filters: Sequence[str]) -> None:
        remembered.append(list(filters))

    session = Session(settings, inbox, metrics, Subscriptions(settings, known, keep), uncommitted_limit_bytes=limit)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(session.run())
        try:
            yield Running(session, inbox, metrics, remembered)
        finally:
            session.stop()
            session.close()
            async with asyncio.timeout(5):
                await asyncio.wait({task})


def numbers(messages: Sequence[Message]) -> list[int]:
    """The payloads, as numbers."""
    return [int(one.payload) for one in messages]


def payloads(count: int, begin: int = 0) -> list[bytes]:
    """Distinct payloads, in order."""
    return [str(n).encode() for n in range(begin, begin + count)]


async def test_messages_come_in_lists_in_the_order_published(settings: BrokerSettings, stack: Stack) -> None:
    """What the socket brought at once is one list; topic, payload, quality of service and packet identifier are as sent."""
    async with running(settings) as one:
        await one.connected()
        await publish_with_paho(stack.mosquitto, topic_of(settings), payloads(2000))
        messages = await one.received(2000)
        assert list(range(2000)) == numbers(messages)
        assert {(topic_of(settings), 1, False, 1)} == {(m.topic, m.qos, m.retain, m.generation) for m in messages}
        assert list(range(1, 2001)) == [m.packet_id for m in messages]
        assert len(one.inbox.lists) < 1000, "lists, not messages one by one"
        assert (2000, 2000) == (one.sample("messages_received_total"), one.sample("messages_in_flight"))
        assert [list(settings.filters)] == one.remembered


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


async def test_reading_pauses_above_the_limit_and_goes_on_after_release_on_the_same_connection(
    settings: BrokerSettings, stack: Stack
) -> None:
    """Uncommitted bytes stay bounded whatever the backlog; the pause outlives several keepalives without losing the connection."""
    size, count, limit = 10_000, 600, 300_000
    backlog = [str(n).encode().ljust(size) for n in range(count)]
    async with running(settings, limit=limit) as one:
        await one.connected()
        await publish_with_paho(stack.mosquitto, topic_of(settings), backlog)
        await eventually(lambda: one.sample("broker_reading_paused") == 1, "paused")
        pause = asyncio.get_running_loop().time() + 1.5 * settings.keepalive_seconds + 1
        await eventually(lambda: asyncio.get_running_loop().time() > pause, "longer than the keepalive", 15)
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


async def test_a_broker_that_goes_silent_is_found_by_keepalive(settings: BrokerSettings, stack: Stack) -> None:
    """A half-open connection carries nothing and says nothing: given up within two keepalives, and made again."""
    async with (
        Proxy(stack.mosquitto.port, free_port()) as proxy,
        running(settings.model_copy(update={"port": proxy.port})) as one,
    ):
        await one.connected()
        proxy.forget_links()
        await publish(stack.mosquitto, topic_of(settings), payloads(3))
        await eventually(lambda: one.sample("broker_reconnects_total") == 1, "reconnected", 15)
        assert [0, 1, 2] == numbers(await one.received(3))
        assert 2 == proxy.accepted


async def test_a_broker_that_accepts_and_never_answers_is_given_up_in_time(
    settings: BrokerSettings, caplog: pytest.LogCaptureFixture, stack: Stack
) -> None:
    """The wait for CONNACK has an end, and the next try may succeed."""
    async with Proxy(stack.mosquitto.port, free_port()) as proxy:
        proxy.go_deaf()
        brief = settings.model_copy(update={"port": proxy.port, "connect_timeout_seconds": 0.3})
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


async def test_an_inbox_of_the_service_takes_the_same_lists(settings: BrokerSettings, stack: Stack) -> None:
    """The real inbox between session and line: batches in order, each message once."""
    inbox = Inbox(BatchSettings(messages=100, age_seconds=0.05))
    metrics = Metrics(CollectorRegistry())

    async def keep(_filters: Sequence[str]) -> None: ...

    session = Session(settings, inbox, metrics, Subscriptions(settings, (), keep), uncommitted_limit_bytes=UNLIMITED)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
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
