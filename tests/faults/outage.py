"""What every fault of the database looks like from outside: commits stop, the process lives, and all is there afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest.stack import Mosquitto
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import publishing
from tests.faults.stream import Stream
from tests.running import Service, eventually

SMALL_BATCHES = {"batch__messages": 50, "batch__age_seconds": 0.02}
"""Many commits a second, so that a random instant falls before, into and after one."""
IMPATIENT = {**SMALL_BATCHES, "database__statement_timeout_seconds": 2}
"""For faults that only a timeout ends."""
PER_SECOND = 1000
RECOVERY_SECONDS = 180
"""The longest pause between two tries, and what came meanwhile."""


@asynccontextmanager
async def survived(
    service: Service,
    broker: Mosquitto,
    stream: Stream,
    database: Database,
    judge: Judge,
    *,
    rebuilt: bool = True,
    per_second: float = PER_SECOND,
) -> AsyncIterator[None]:
    """The stream is published during the block. Afterwards the same process is ready again, and every message has its one outcome.

    `rebuilt` as for `judged`; without it whoever settles has to be stopped before the derived rows are judged.
    """
    process = service.pid
    async with publishing(broker, stream, per_second=per_second):
        await eventually(lambda: has_stored(service, 200), "some are stored before the fault")
        yield
        await eventually(service.is_ready, "ready again under load", RECOVERY_SECONDS)
    await judge(database, stream, rebuilt=rebuilt)
    await eventually(lambda: is_settled(service), "all acknowledged")
    assert [] == await database.rows("SELECT topic FROM metering.quarantine WHERE stage = 'store'")
    for reason in ("unstorable", "breaks_connection"):
        assert 0 == await service.metric(f'messages_rejected_total{{reason="{reason}"}}')
    await service.ready()
    assert service.pid == process


async def stands_still(service: Service, times: int = 2) -> None:
    """Commits fail, so many times, and readiness says so; the process stays live."""
    failures = await failed(service) + times
    await eventually(lambda: has_failed(service, failures), f"tried in vain, times {times}")
    await eventually(lambda: is_unready(service), "unready")


async def is_unready(service: Service) -> bool:
    """Whether /readyz says 503, for want of the database. Always /livez says 200, and nothing undecided is acknowledged."""
    live, _ = await service.http("/livez")
    assert live == 200, f"/livez {live}"
    metrics = await service.metrics()
    decided = metrics["messages_received_total"] - metrics["messages_in_flight"]
    assert metrics["messages_acknowledged_total"] <= decided, "acknowledged before it was committed"
    status, body = await service.http("/readyz")
    return status == 503 and '"database": false' in body


async def failed(service: Service) -> float:
    """How many times a batch was not committed, for the world's fault."""
    return await service.metric('write_failures_total{kind="unavailable"}')


async def has_failed(service: Service, times: float) -> bool:
    """Whether it was at least so often."""
    return await failed(service) >= times


async def has_received(service: Service, number: float) -> bool:
    """Whether so many deliveries have come."""
    return await service.metric("messages_received_total") >= number


async def receives_more(service: Service, more: int) -> None:
    """Wait until so many more deliveries have come."""
    least = await service.metric("messages_received_total") + more
    await eventually(lambda: has_received(service, least), f"{more} more received")


async def has_stored(service: Service, number: float) -> bool:
    """Whether so many messages were stored by this process."""
    return await service.metric('messages_total{outcome="stored"}') >= number


async def is_settled(service: Service) -> bool:
    """Nothing in flight, and all that was received has been acknowledged: with the queue empty nothing is delivered again."""
    metrics = await service.metrics()
    return metrics.get("messages_in_flight") == 0 and metrics["messages_received_total"] == metrics["messages_acknowledged_total"]
