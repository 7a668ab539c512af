"""Both straight lines, and the only file that knows all parts.

intake      PUBLISH -> messages -> batch -> assessed -> one transaction -> outcomes -> PUBACK
settlement  marks -> readings -> steps -> consumption -> rollups -> standings -> metrics and quota topics

Promises, each kept by a test:
1. A message is acknowledged only after the transaction with its outcome has committed.
2. Every message has one outcome: stored, duplicate or rejected; the counts add up.
3. Order and repetition do not matter.
4. What is rejected is kept whole, once, and can be replayed.
5. A fault of the world is waited out; a fault of a message is that message's alone.
"""

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry

from ingest.announcer import Announcer
from ingest.batching import Inbox, size_bytes
from ingest.broker.session import Session
from ingest.broker.watch import watch
from ingest.errors import Reason, Refused, Unavailable
from ingest.intake import AcceptWindow, assess
from ingest.messages import Assessed, Message, Outcome
from ingest.metrics import READING_OUTCOMES, Metrics
from ingest.persist import persist
from ingest.registry import Registry
from ingest.retry import delay_seconds, pause
from ingest.settings import DatabaseSettings, Settings
from ingest.settler import Clock, settle, utc_now
from ingest.storage.connection import connected
from ingest.storage.quarantine import replay
from ingest.storage.queries import QUERIES
from ingest.storage.registry import load_registry, registry_version
from ingest.storage.writer import Writer
from ingest.web.health import serve

log = logging.getLogger(__name__)

T = TypeVar("T")
REGISTRY_CHANNEL: Final = "meterwarden_registry"


@dataclass(slots=True)
class Present:
    """The registry in use; workers replace it when its version moves."""

    registry: Registry


async def intake(inbox: Inbox, present: Present, session: Session, writer: Writer, settings: Settings, metrics: Metrics) -> None:
    """Receive, decide, commit, acknowledge: in that order, one batch at a time."""
    decide = assessor(present, settings)
    async for batch in inbox.batches():
        assessed = decide(batch)
        started = time.monotonic()
        outcomes = await persist(writer, assessed, metrics)
        metrics.write_seconds.observe(time.monotonic() - started)
        session.ack(batch)
        session.release(sum(map(size_bytes, batch)))
        count(metrics, assessed, outcomes)


def assessor(present: Present, settings: Settings) -> Callable[[Sequence[Message]], list[Assessed]]:
    """`assess` with the registry in use and what the settings accept."""
    window = AcceptWindow(settings.intake.back_us, settings.intake.ahead_us)
    return lambda batch: assess(batch, present.registry, window, settings.intake.max_payload_bytes)


def count(metrics: Metrics, assessed: Sequence[Assessed], outcomes: Sequence[Outcome]) -> None:
    """Count a committed batch, each message once by its outcome."""
    for name, number in Counter(outcome.message for outcome in outcomes).items():
        metrics.messages.labels(name).inc(number)
    for name in READING_OUTCOMES:
        metrics.readings.labels(name).inc(sum(getattr(outcome, name) for outcome in outcomes))
    for reason, number in Counter(one.rejected.reason for one in assessed if one.rejected).items():
        metrics.rejected.labels(reason).inc(number)
    metrics.in_flight.dec(len(outcomes))
    metrics.batch_messages.observe(len(outcomes))
    metrics.last_commit.set_to_current_time()


async def run(settings: Settings, *, clock: Clock = utc_now, started: Callable[[int], None] | None = None) -> bool:
    """Run both lines until SIGTERM or SIGINT, then drain: what was received is committed and acknowledged.

    False where that did not succeed within the grace period. `started` is told the port of /metrics. An absent database or broker
    is waited for; /readyz is 503 meanwhile.
    """
    metrics = Metrics(CollectorRegistry())
    metrics.standings.most = settings.quota.exported_institutions
    async with serve(settings.http.host, settings.http.port, metrics.registry, partial(_conditions, metrics)) as port:
        if started is not None:
            started(port)
        stopping = asyncio.Event()
        try:
            async with asyncio.timeout(None) as deadline:
                _stop_on_signals(stopping, deadline, settings.shutdown_grace_seconds)
                await _lines(settings, metrics, Present(Registry(0)), clock, stopping)
        except TimeoutError:
            log.error("not drained in time: what was not acknowledged will be delivered again")
            return False
    return True


def _stop_on_signals(stopping: asyncio.Event, deadline: asyncio.Timeout, grace_seconds: float) -> None:
    """The first signal lets the process drain for a while, the second ends it at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        deadline.reschedule(loop.time() + (0 if stopping.is_set() else grace_seconds))
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


async def _lines(settings: Settings, metrics: Metrics, present: Present, clock: Clock, stopping: asyncio.Event) -> None:
    """Open what both lines need, run them, stop them in order."""
    await _reload(settings.database, present, metrics, stopping)
    known_filters = await _until_available(partial(_known_filters, settings), metrics, stopping)
    if stopping.is_set() or known_filters is None:
        return
    inbox = Inbox(settings.batch)
    session = Session(
        settings.broker,
        inbox,
        metrics,
        uncommitted_limit_bytes=settings.batch.uncommitted_bytes,
        known_filters=known_filters,
        keep_filters=partial(_keep_filters, settings),
    )
    writer = Writer(settings.database)
    announcer = Announcer(settings.broker, metrics, partial(_keep_notice, settings.database, clock))
    async with asyncio.TaskGroup() as tasks:
        helpers = [
            tasks.create_task(_watch_registry(settings, present, metrics), name="meterwarden.registry"),
            tasks.create_task(_watch_quarantine(settings, present, metrics), name="meterwarden.quarantine"),
            tasks.create_task(watch(settings.broker, metrics), name="meterwarden.broker"),
        ]
        if settings.settlement.enabled:
            helpers.append(tasks.create_task(settle(settings, metrics, announcer, clock), name="meterwarden.settler"))
        tasks.create_task(session.run(), name="meterwarden.session")
        line = tasks.create_task(intake(inbox, present, session, writer, settings, metrics), name="meterwarden.intake")
        tasks.create_task(_stop_in_order(stopping, session, line, helpers), name="meterwarden.stop")
    await writer.close()


async def _stop_in_order(
    stopping: asyncio.Event, session: Session, line: asyncio.Task[None], helpers: Sequence[asyncio.Task[None]]
) -> None:
    """Take nothing new, let intake empty its inbox, leave the broker, end the helpers."""
    await stopping.wait()
    log.info("stopping: the messages in hand are committed first")
    session.stop()
    await asyncio.wait({line})
    session.close()
    for helper in helpers:
        helper.cancel()


async def _watch_registry(settings: Settings, present: Present, metrics: Metrics) -> None:
    """Hold the newest registry: at every announcement, and every while, its version is compared."""
    while True:
        try:
            async with connected(settings.database, autocommit=True) as connection:
                metrics.database_up.set(True)
                await connection.execute(f"LISTEN {REGISTRY_CHANNEL}")
                while True:
                    if await registry_version(settings.database) != present.registry.version:
                        await _load(settings.database, present, metrics)
                    async for _ in connection.notifies(timeout=settings.intake.registry_seconds, stop_after=1):
                        pass
        except Unavailable as error:
            metrics.database_up.set(False)
            log.warning("registry not watched, trying again", extra={"reason": str(error)})
            await asyncio.sleep(delay_seconds(5))


async def _watch_quarantine(settings: Settings, present: Present, metrics: Metrics) -> None:
    """Replay what waited for its meter, whenever the registry has moved and every while; count what is open."""
    writer = Writer(settings.database)
    decide = assessor(present, settings)
    while True:
        try:
            metrics.replayed.inc(await replay(writer, decide))
            counts = await _quarantine_counts(settings.database)
            for reason in Reason:
                metrics.quarantined.labels(reason).set(counts.get(reason, 0))
        except (Unavailable, Refused) as error:
            log.warning("quarantine not replayed, trying again", extra={"reason": str(error)})
        await asyncio.sleep(settings.intake.replay_seconds)


async def _reload(settings: DatabaseSettings, present: Present, metrics: Metrics, stopping: asyncio.Event) -> None:
    await _until_available(partial(_load, settings, present, metrics), metrics, stopping)


async def _load(settings: DatabaseSettings, present: Present, metrics: Metrics) -> None:
    present.registry = await load_registry(settings)
    metrics.registry_meters.set(len(present.registry))
    metrics.registry_version.set(present.registry.version)
    log.info("registry loaded", extra={"meters": len(present.registry), "version": present.registry.version})


async def _until_available(work: Callable[[], Awaitable[T]], metrics: Metrics, stopping: asyncio.Event) -> T | None:
    """Try until the database answers; None where the process is stopped meanwhile."""
    attempt = 0
    while not stopping.is_set():
        try:
            result = await work()
        except Unavailable as error:
            attempt += 1
            metrics.database_up.set(False)
            log.warning("waiting for the database", extra={"reason": str(error).splitlines()[0], "attempt": attempt})
            await pause(stopping, delay_seconds(attempt, ceiling_seconds=5))
        else:
            metrics.database_up.set(True)
            return result
    return None


async def _known_filters(settings: Settings) -> list[str]:
    async with connected(settings.database, autocommit=True) as connection:
        cursor = await connection.execute(QUERIES["known_filters"], [settings.broker.client_identifier])
        rows = await cursor.fetchall()
    return rows[0][0] if rows else []


async def _keep_filters(settings: Settings, filters: Sequence[str]) -> None:
    """Remember the filters before they matter; while the database is away the broker is not subscribed anew."""
    async with connected(settings.database, autocommit=True) as connection:
        await connection.execute(QUERIES["keep_filters"], [settings.broker.client_identifier, list(filters)])


async def _keep_notice(settings: DatabaseSettings, clock: Clock, topic: str, statement: str) -> None:
    async with connected(settings, autocommit=True) as connection:
        await connection.execute(QUERIES["insert_notice"], [clock(), topic, statement])


async def _quarantine_counts(settings: DatabaseSettings) -> dict[str, int]:
    async with connected(settings, autocommit=True) as connection:
        return dict(await (await connection.execute(QUERIES["quarantine_counts"])).fetchall())


def _conditions(metrics: Metrics) -> dict[str, bool]:
    """What readiness needs: subscribed at the broker, the database answering."""
    return {"broker": bool(metrics.connected), "database": bool(metrics.database_up)}
