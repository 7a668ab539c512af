"""Another client connects under the service's identifier: told by name, waited out, and not fought over for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import mqtt5

from ingest.stack import Mosquitto, Stack, free_port
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import publishing
from tests.faults.health import more_received, reasons, unready
from tests.faults.stream import Stream
from tests.faults.wire import hold_connects
from tests.proxy import Proxy
from tests.published import ANSWER_SECONDS
from tests.running import Service, eventually, running_service

TAKEN_OVER = "session_taken_over"
WEEK_SECONDS = 604_800
PER_SECOND = 500


@asynccontextmanager
async def intruder(broker: Mosquitto, service: Service) -> AsyncIterator[None]:
    """A client that takes the service's session, acknowledges nothing it is delivered, and leaves the session behind.

    No client library: they acknowledge by themselves.
    """
    identifier = service.environment["METERWARDEN_BROKER__CLIENT_IDENTIFIER"]
    connect = mqtt5.ConnectPacket(
        identifier, username="ingest", password=broker.password("ingest").encode(), clean_start=False, keep_alive=60,
        session_expiry_interval=WEEK_SECONDS, receive_max=10,
    )  # fmt: skip
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    try:
        writer.write(connect.write())
        async with asyncio.timeout(ANSWER_SECONDS):
            await reader.readexactly(1)
        yield
    finally:
        writer.transport.abort()


async def test_a_session_taken_over_is_waited_out_and_the_third_time_ends_the_process(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """Once or twice it comes back by itself; three times in five minutes it ends, and says what to do. Started again it goes on."""
    async with Proxy(stack.mosquitto.port, free_port()) as link:
        settings = {"broker_port": link.port, "broker__taken_over_seconds": 0.2}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            async with publishing(stack.mosquitto, stream, per_second=PER_SECOND):
                for times in (1, 2):
                    await more_received(service, 200)
                    link.watch = hold_connects
                    async with intruder(stack.mosquitto, service):
                        await unready(service)
                    assert times == await service.metric("broker_sessions_taken_over_total")
                    link.release()
                    await service.ready()
                await more_received(service, 200)
                async with intruder(stack.mosquitto, service):
                    assert 0 != await service.status()
                assert [TAKEN_OVER] * 3 == [reason for reason in reasons(service) if reason == TAKEN_OVER]
                assert_says_what_to_do(service.log())
                await service.start()
                await service.ready()
            await judge(database, stream)
            assert 0 == await service.metric("broker_sessions_lost_total")


def assert_says_what_to_do(log: str) -> None:
    """One line, no traceback."""
    assert "give every worker a client identifier of its own (METERWARDEN_BROKER__CLIENT_IDENTIFIER)" in log
    assert "Traceback" not in log


async def test_two_workers_under_one_identifier_do_not_both_go_on(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """They take the session from each other until one of them ends; the other one stays, and nothing is lost or doubled."""
    async with running_service(database, stack.mosquitto, tmp_path, broker__taken_over_seconds=0.2) as one:
        another = Service({**one.environment, "METERWARDEN_HTTP__PORT": "0"}, 0, tmp_path / "another.log")
        async with publishing(stack.mosquitto, stream, per_second=PER_SECOND):
            await another.start()
            try:
                await eventually(lambda: not (one.is_running and another.is_running), "one has ended")
                ended, left = (one, another) if another.is_running else (another, one)
                assert 0 != await ended.status()
                assert_says_what_to_do(ended.log())
                assert left.is_running
            finally:
                if another.is_running:
                    await another.kill()
                if not one.is_running:
                    await one.start()
            await one.ready()
        await judge(database, stream)
