"""What the broker says of itself, in /metrics: from the real broker, from one that says nothing, and from none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ingest.broker.watch import show, watch
from ingest.metrics import Metrics
from ingest.settings import BrokerSettings
from ingest.stack import Mosquitto, Stack, free_port
from tests.answers import session
from tests.published import client, institution_code, publish, topic
from tests.running import eventually, own_broker

EVERY_SECOND = "sys_interval 1\n"
COUNTS = ("dropped_messages", "stored_messages", "clients")


@asynccontextmanager
async def watched(broker: Mosquitto, directory: Path) -> AsyncIterator[Metrics]:
    """Metrics that a watch of this broker fills."""
    metrics = Metrics(CollectorRegistry())
    password_file = directory / "password"
    password_file.write_text(broker.password("ingest"), encoding="utf-8")
    settings = BrokerSettings(port=broker.port, username="ingest", password_file=password_file, client_identifier="w")
    task = asyncio.create_task(watch(settings, metrics))
    try:
        yield metrics
        assert not task.done(), "the watch has ended"
    finally:
        task.cancel()
        await asyncio.wait({task})


def shown(metrics: Metrics, count: str, broker: Mosquitto) -> float | None:
    """One of the broker's counts; None while it is not known."""
    return metrics.registry.get_sample_value(f"meterwarden_broker_{count}", {"broker": f"127.0.0.1:{broker.port}"})


async def test_a_queue_that_overflows_shows_in_the_brokers_own_count(stack: Stack, tmp_path: Path) -> None:
    """Zero at first, then as many as were dropped; what is queued shows as stored, and we as a client."""
    institution = institution_code()
    with own_broker(stack.programs, extra=f"{EVERY_SECOND}max_queued_messages 10") as broker:
        broker.start()
        async with watched(broker, tmp_path) as metrics:
            await eventually(lambda: shown(metrics, "dropped_messages", broker) == 0, "nothing dropped yet")
            async with client(broker, "ingest", identifier="away", clean_start=False, properties=session()) as absent:
                await absent.subscribe(f"$share/g/metering/{institution}/#", qos=1)
            before = shown(metrics, "stored_messages", broker) or 0
            await publish(broker, topic(institution), [b"%d" % number for number in range(17)])
            await eventually(lambda: shown(metrics, "dropped_messages", broker) == 7, "seven dropped")
            await eventually(lambda: (shown(metrics, "stored_messages", broker) or 0) >= before + 10, "ten stored")
            assert (shown(metrics, "clients", broker) or 0) >= 1


async def test_counts_are_not_shown_while_the_broker_is_away_and_begin_anew_when_it_is_back(stack: Stack, tmp_path: Path) -> None:
    """Numbers of a while ago would be taken for those of now."""
    with own_broker(stack.programs, extra=EVERY_SECOND) as broker:
        broker.start()
        async with watched(broker, tmp_path) as metrics:
            await eventually(lambda: None not in [shown(metrics, count, broker) for count in COUNTS], "known")
            await asyncio.to_thread(broker.kill)
            await eventually(lambda: {None} == {shown(metrics, count, broker) for count in COUNTS}, "not known")
            await asyncio.to_thread(broker.start)
            await eventually(lambda: shown(metrics, "dropped_messages", broker) == 0, "known again")


async def test_a_broker_without_counts_shows_none_and_is_no_error(
    stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As other brokers, and mosquitto with `sys_interval 0`: no series, no alert, no line in the log."""
    with own_broker(stack.programs, extra="sys_interval 0") as broker:
        broker.start()
        async with watched(broker, tmp_path) as metrics:
            await eventually(lambda: "as w-watch" in broker.log_path.read_text(), "connected")
            await publish(broker, topic(institution_code()), [b"1"])
            assert {None} == {shown(metrics, count, broker) for count in COUNTS}
    assert [] == [record for record in caplog.records if record.name == "ingest.broker.watch" and record.levelname != "INFO"]


async def test_an_absent_broker_is_waited_for(stack: Stack, tmp_path: Path) -> None:
    """The watch says why, and goes on."""
    with own_broker(stack.programs, port=free_port(), extra=EVERY_SECOND) as broker:
        async with watched(broker, tmp_path) as metrics:
            broker.start()
            await eventually(lambda: shown(metrics, "clients", broker) is not None, "known")


@pytest.mark.parametrize("payload", [b"", b"12 seconds", b"-1", b"1.5", "12", None])
def test_what_is_no_count_changes_nothing(payload: object) -> None:
    """Another broker may publish anything under these names."""
    metrics = Metrics(CollectorRegistry())
    show(metrics.broker_dropped, "b", b"7")
    show(metrics.broker_dropped, "b", payload)
    assert 7 == metrics.registry.get_sample_value("meterwarden_broker_dropped_messages", {"broker": "b"})
