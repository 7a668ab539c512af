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
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry

from ingest.announcer import Announcer
from ingest.batching import Inbox, parts, total_bytes
from ingest.broker.leaving import queue_emptied
from ingest.broker.session import Session
from ingest.broker.subscriptions import Subscriptions
from ingest.broker.watch import watch
from ingest.canary import Canary
from ingest.certificates import watch_certificates
from ingest.errors import Unavailable
from ingest.members import watch_members
from ingest.messages import Assessed, Message, Outcome
from ingest.metrics import READING_OUTCOMES, Metrics
from ingest.migrated import until_migrated, watch_migrations
from ingest.persist import persist
from ingest.present import Present, assessor, watch_registry
from ingest.registry import Registry
from ingest.retry import delay_seconds, pause
from ingest.settings import DatabaseSettings, Settings
from ingest.settler import Clock, settle, utc_now
from ingest.storage import members, structure
from ingest.storage.connection import connected
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer
from ingest.warden import Warden
from ingest.web.health import serve

log = logging.getLogger(__name__)

T = TypeVar("T")
LAST_SECONDS: Final = 2.0
"""After the grace period so long for saying goodbye; a silent peer would take longer."""


async def intake(inbox: Inbox, present: Present, session: Session, writer: Writer, settings: Settings, metrics: Metrics) -> None:
    """Receive, decide, commit, acknowledge: in that order. While a batch is written, the one after it is decided."""
    decide = assessor(present, settings)

    async def finish(batch: Sequence[Message], assessed: Sequence[Assessed]) -> None:
        started = time.monotonic()
        outcomes = await persist(writer, assessed, metrics)
        metrics.write_seconds.observe(time.monotonic() - started)
        session.ack(batch)
        session.release(total_bytes(batch))
        count(metrics, assessed, outcomes)

    async with asyncio.TaskGroup() as tasks:
        before: asyncio.Task[None] | None = None
        async for batch in inbox.batches():
            assessed = await _by_parts(decide, batch)
            if before is not None:
                await before
            before = tasks.create_task(finish(batch, assessed), name="meterwarden.intake.write")


async def _by_parts(decide: Callable[[Sequence[Message]], list[Assessed]], batch: Sequence[Message]) -> list[Assessed]:
    """Decide a batch; between its parts all that is ready has its turn, the writing of the batch before it above all."""
    assessed: list[Assessed] = []
    for part in parts(batch):
        await asyncio.sleep(0)
        assessed += decide(part)
    return assessed


def count(metrics: Metrics, assessed: Sequence[Assessed], outcomes: Sequence[Outcome]) -> None:
    """Count a committed batch, each message once by its outcome."""
    for outcome, number in Counter(outcomes).items():  # few differ
        metrics.messages.labels(outcome.message).inc(number)
        for name in READING_OUTCOMES:
            metrics.readings.labels(name).inc(number * getattr(outcome, name))
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
    return await _serving(settings, lambda metrics, stopping: _lines(settings, metrics, clock, stopping), started)


async def leave(settings: Settings, *, say: Callable[[int], None]) -> bool:
    """Intake alone, until the broker holds nothing more for this client identifier; its session is ended then, and forgotten.

    `say` is told now and then how many messages have come. False where it was stopped before: the session is kept as it is.
    """
    left = False

    async def lines(metrics: Metrics, stopping: asyncio.Event) -> None:
        nonlocal left
        left = await _leaving_line(settings, metrics, stopping, say)

    return await _serving(settings, lines) and left


Lines = Callable[[Metrics, asyncio.Event], Awaitable[None]]


async def _serving(settings: Settings, lines: Lines, started: Callable[[int], None] | None = None) -> bool:
    """Run lines beside /metrics until they end; False where a signal came and they did not end within the grace period."""
    metrics = Metrics(CollectorRegistry())
    metrics.standings.most = settings.quota.exported_institutions
    metrics.quarantine_warn_ratio.set(settings.quarantine.warn_ratio)
    metrics.uncommitted_limit.set(settings.batch.uncommitted_bytes)
    async with serve(settings.http.host, settings.http.port, metrics.registry, metrics.conditions) as port:
        if started is not None:
            started(port)
        stopping = asyncio.Event()
        try:
            async with asyncio.timeout(None) as deadline:
                _stop_on_signals(stopping, deadline, settings.shutdown_grace_seconds)
                await lines(metrics, stopping)
        except TimeoutError:
            log.error("not drained in time: what was not acknowledged will be delivered again")
            return False
    return True


def _stop_on_signals(stopping: asyncio.Event, deadline: asyncio.Timeout, grace_seconds: float) -> None:
    """The first signal lets the process drain for a while, the second ends it at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        seconds = 0 if stopping.is_set() else grace_seconds
        deadline.reschedule(loop.time() + seconds)
        loop.call_later(seconds + LAST_SECONDS, _give_up)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _give_up() -> None:
    """End the process, whatever still waits for an answer that never comes: nothing undecided was acknowledged."""
    log.error("not ended in time, ending now: what was not acknowledged will be delivered again")
    os._exit(1)


async def _lines(settings: Settings, metrics: Metrics, clock: Clock, stopping: asyncio.Event) -> None:
    """Open what both lines need, run them, stop them in order."""
    opened = await _open(settings, metrics, stopping)
    if opened is None:
        return
    present, inbox, session = opened
    writer = Writer(settings.database)
    announcer = Announcer(settings.broker, metrics, partial(_keep_notice, settings.database, clock))
    canary = Canary(settings, metrics, session)
    async with asyncio.TaskGroup() as tasks:
        helpers = [
            tasks.create_task(watch_registry(settings, present, metrics), name="meterwarden.registry"),
            tasks.create_task(watch_members(settings, metrics), name="meterwarden.members"),
            tasks.create_task(watch_migrations(settings, metrics), name="meterwarden.migrations"),
            tasks.create_task(Warden(settings, present, metrics, clock).watch(), name="meterwarden.quarantine"),
            tasks.create_task(watch(settings.broker, metrics), name="meterwarden.broker"),
            tasks.create_task(watch_certificates(settings, metrics), name="meterwarden.certificates"),
        ]
        if settings.canary.enabled:
            metrics.canary_enabled.set(1)
            metrics.conditions.add("canary", lambda: canary.is_fresh)
            helpers.append(tasks.create_task(canary.run(), name="meterwarden.canary"))
        if settings.settlement.enabled:
            helpers.append(tasks.create_task(settle(settings, metrics, announcer, clock), name="meterwarden.settler"))
        tasks.create_task(session.run(), name="meterwarden.session")
        line = tasks.create_task(intake(inbox, present, session, writer, settings, metrics), name="meterwarden.intake")
        tasks.create_task(_stop_in_order(stopping, session, line, helpers), name="meterwarden.stop")
    await writer.close()


async def _leaving_line(settings: Settings, metrics: Metrics, stopping: asyncio.Event, say: Callable[[int], None]) -> bool:
    """Intake until the broker's queue for us is empty; True where it was, and our session is ended."""
    opened = await _open(settings, metrics, stopping, leaving=True)
    if opened is None:
        return False
    present, inbox, session = opened
    writer = Writer(settings.database)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run(), name="meterwarden.session")
        line = tasks.create_task(intake(inbox, present, session, writer, settings, metrics), name="meterwarden.intake")
        left = await queue_emptied(session, stopping, say)
        session.stop()
        await asyncio.wait({line})
        session.close(end=left)
    await writer.close()
    if left:
        await _until_available(partial(members.forget, settings), metrics, stopping)
    return left


async def _open(
    settings: Settings, metrics: Metrics, stopping: asyncio.Event, *, leaving: bool = False
) -> tuple[Present, Inbox, Session] | None:
    """What intake needs before it begins; None where the process was stopped meanwhile."""
    ask = partial(structure.fault, settings.database)
    await until_migrated(lambda: _until_available(ask, metrics, stopping), metrics, stopping)
    present = Present(Registry(0))
    await _until_available(partial(present.load, settings, metrics), metrics, stopping)
    known = await _until_available(partial(members.known_filters, settings), metrics, stopping)
    if stopping.is_set() or known is None:
        return None
    inbox = Inbox(settings.batch)
    subscriptions = Subscriptions(settings.broker, known, partial(members.keep_filters, settings), leaving=leaving)
    session = Session(settings.broker, inbox, metrics, subscriptions, uncommitted_limit_bytes=settings.batch.uncommitted_bytes)
    return present, inbox, session


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


async def _keep_notice(settings: DatabaseSettings, clock: Clock, topic: str, statement: str) -> None:
    async with connected(settings, autocommit=True) as connection:
        await connection.execute(QUERIES["insert_notice"], [clock(), topic, statement])
