"""A broker that forgets the session: what it had acknowledged to gateways and queued is its loss, and it is told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.stack import Mosquitto, Stack, free_port
from tests.databases import Database
from tests.faults.conftest import Judge, Note
from tests.faults.gateway import Gateway
from tests.faults.health import all_acknowledged, more_received, unready
from tests.faults.judge import account_of
from tests.faults.stream import Stream
from tests.faults.wire import PATIENT, Commits, Wire, hold_connects
from tests.proxy import Proxy
from tests.published import client, forget_session
from tests.running import Service, eventually, own_broker, running_service

BATCH = 20
WINDOW = 2 * BATCH
NOTHING_SAVED = "autosave_interval 0"
"""A broker that is killed knows nothing of what came since its start."""
SESSION_LOST = "the broker kept no session: what it queued is lost"


async def test_a_broker_killed_with_a_batch_uncommitted_frees_no_message_by_an_old_acknowledgement(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, note: Note
) -> None:
    """It numbers its packets from 1 again: the batches in hand commit, their numbers stand for other messages now, and no PUBACK
    goes out for them. Each message of the new connection gets its own after its own commit, in the order delivered."""
    first, second = stream.take(5 * BATCH), stream.take(WINDOW)
    with own_broker(stack.programs, extra=NOTHING_SAVED) as broker:
        broker.start()
        async with Proxy(broker.port, free_port()) as link, Proxy(stack.postgres.port, free_port()) as base:
            settings = {**PATIENT, "broker__receive_maximum": WINDOW, "batch__messages": BATCH, "batch__age_seconds": 300}
            ports = {"broker_port": link.port, "database_port": base.port}
            async with running_service(database, broker, tmp_path, **ports, **settings) as service:
                commits, wire = Commits(base), Wire(link)
                commits.hold(1)
                await Gateway(broker).publish(first)
                await eventually(lambda: in_hand(service, WINDOW), "a window full, none of it decided")

                await asyncio.to_thread(broker.kill)
                await unready(service)
                await asyncio.to_thread(broker.start)
                await service.ready()
                assert 1 == await service.metric("broker_sessions_lost_total")
                await Gateway(broker).publish(second)
                await eventually(lambda: in_hand(service, 2 * WINDOW), "another window full under the same numbers")
                assert list(range(1, WINDOW + 1)) == wire.delivered[0] == wire.delivered[1]

                commits.release_and_hold(WINDOW // BATCH)
                await eventually(lambda: in_hand(service, WINDOW), "the old batches are decided, the next one waits")
                await eventually(lambda: commits.is_holding, "its commit")
                assert ([], []) == (wire.acknowledged[0], wire.acknowledged[1])

                commits.release()
                await all_acknowledged(service)
                await eventually(lambda: wire.acknowledged[1] == wire.delivered[1], "each its own PUBACK, in order")
                forgotten = await account_of(database, stream.ledger)
                assert forgotten.lost > 0, "the broker had queued more than it delivered"
                note(f"the broker's loss: {len(first) - WINDOW} messages acknowledged and forgotten, {forgotten.lost} rows by them")
                await Gateway(broker).publish(first)  # as meters do that keep what they sent for a while; duplicates are welcome
                await judge(database, stream)
                assert tells_what_to_do(service)


async def in_hand(service: Service, number: int) -> bool:
    metrics = await service.metrics()
    return (number, 0) == (metrics["messages_in_flight"], metrics["messages_acknowledged_total"])


def tells_what_to_do(service: Service) -> bool:
    [line] = service.log_lines(SESSION_LOST)
    return "persistence" in line["remedy"]


async def ended(broker: Mosquitto, identifier: str) -> None:
    """Somebody connects under our identifier with clean start, and leaves."""
    await forget_session(broker, identifier)


async def expired(broker: Mosquitto, identifier: str) -> None:
    """The session's time runs out while nobody holds it."""
    brief = Properties(PacketTypes.CONNECT)
    brief.SessionExpiryInterval = 1
    brief.ReceiveMaximum = 1
    async with client(broker, "ingest", identifier=identifier, clean_start=False, properties=brief):
        pass
    await eventually(lambda: f"Expiring client {identifier}" in broker.log_path.read_text(), "expired")


@pytest.mark.parametrize("end", [ended, expired])
async def test_a_session_that_somebody_else_ended_or_that_expired_is_told_and_begun_anew(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, note: Note,
    end: Callable[[Mosquitto, str], Awaitable[None]],
) -> None:  # fmt: skip
    """The next connection finds no session: counted, told, subscribed again; what is published from then on arrives."""
    sent = stream.take(3000)
    async with Proxy(stack.mosquitto.port, free_port()) as link:
        settings = {"broker_port": link.port, "broker__taken_over_seconds": 0.2}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            load = asyncio.create_task(Gateway(stack.mosquitto).publish(sent))
            await more_received(service, 500)
            link.watch = hold_connects
            await end(stack.mosquitto, service.environment["METERWARDEN_BROKER__CLIENT_IDENTIFIER"])
            await unready(service)
            await load
            link.release()
            await service.ready()
            assert 1 == await service.metric("broker_sessions_lost_total")
            assert [False, False] == [line["session_present"] for line in service.log_lines("subscribed")]
            await all_acknowledged(service)
            forgotten = await account_of(database, stream.ledger)
            note(f"sent to nobody: {forgotten.lost} rows, while there was no session")
            await Gateway(stack.mosquitto).publish(sent)
            await judge(database, stream)
            assert tells_what_to_do(service)
