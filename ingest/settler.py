"""The one settler: rounds for ever, in whichever process holds the lock; any other may take over."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Final

from ingest.announcer import Announcer
from ingest.aside import Aside
from ingest.devices import watch_devices
from ingest.errors import Unavailable
from ingest.findings import find_round
from ingest.marks import Marks
from ingest.metering.levels import Thresholds
from ingest.metrics import Metrics
from ingest.overdue import watch_storage
from ingest.retry import apart, delay_seconds, first_of
from ingest.settings import Settings
from ingest.settlement import settle_round
from ingest.shown import Shown
from ingest.statuses import Statuses
from ingest.storage import structure
from ingest.storage.channels import Channels
from ingest.storage.connection import Connection, as_unavailable, connected
from ingest.storage.queries import QUERIES
from ingest.storage.settlement import open_round
from ingest.storage.vee import findings_open, open_judging
from ingest.tls import explained

log = logging.getLogger(__name__)

LOCK: Final = 5_170_002
"""Advisory lock number of settlement."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Setbacks:
    """Faults not yet made good: each halves the next round and lengthens the wait, each round done takes one back."""

    count: int = 0

    def limit(self, channel_hours: int) -> int:
        """How many channel-hours the next round may take, so that one too large for the database shrinks until it fits."""
        return max(channel_hours >> self.count, 1)


async def settle(settings: Settings, metrics: Metrics, announcer: Announcer, clock: Clock = utc_now) -> None:
    """Settle until cancelled; a fault ends the round, never the settler."""
    setbacks = Setbacks()
    statuses = Statuses(settings, metrics, clock)  # one for all attempts: it knows which devices it has named in the log
    while True:
        try:
            await apart(_settle_while_connected(settings, setbacks, metrics, announcer, statuses, clock))
        except* Unavailable as errors:
            setbacks.count += 1
            metrics.rounds.labels("failed").inc()
            reason = explained(first_of(errors)).splitlines()[0]
            log.warning("settlement interrupted", extra={"reason": reason, "setbacks": setbacks.count})
        finally:
            _let_go(metrics, announcer)
        await asyncio.sleep(delay_seconds(setbacks.count))


async def _settle_while_connected(
    settings: Settings, setbacks: Setbacks, metrics: Metrics, announcer: Announcer, statuses: Statuses, clock: Clock
) -> None:
    """Wait for the lock, then settle, say what is settled and keep states, until one of them raises Unavailable."""
    async with connected(settings.database) as connection:
        await structure.require(connection)
        await _let_others_take_over(connection, settings)
        await _wait_for_lock(connection, settings.settlement.round_seconds)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(announcer.run(), name="meterwarden.announcer")
            tasks.create_task(statuses.run(), name="meterwarden.statuses")
            tasks.create_task(watch_devices(settings, metrics, clock), name="meterwarden.devices")
            tasks.create_task(watch_storage(settings, metrics, clock), name="meterwarden.overdue")
            rounds = _rounds(connection, settings, setbacks, metrics, announcer, clock)
            tasks.create_task(rounds, name="meterwarden.rounds")


def _let_go(metrics: Metrics, announcer: Announcer) -> None:
    """Whoever settles next shows the standings; ours would stand still."""
    metrics.settling.set(0)
    metrics.marks.set(0)
    metrics.channels_aside.set(0)
    metrics.oldest_mark.set(0)
    metrics.sessions_due.set(0)
    metrics.standings.clear()
    announcer.forget()
    metrics.show_findings({})
    metrics.show_devices(())
    metrics.storage_overdue.clear()


async def _let_others_take_over(connection: Connection, settings: Settings) -> None:
    """Where we vanish and the server does not hear of it, it ends the session, and with it our lock, after a while of silence."""
    seconds = 10 * settings.settlement.round_seconds + 2 * settings.database.statement_timeout_seconds
    await connection.execute("SELECT set_config('idle_session_timeout', %s, false)", [f"{seconds * 1000:.0f}ms"])
    await connection.commit()


async def _wait_for_lock(connection: Connection, seconds: float) -> None:
    """Hold the settler's lock for the rest of the connection; tried, not waited for, so that no statement hangs."""
    while True:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        held = (await cursor.fetchall())[0][0]
        await connection.commit()
        if held:
            return
        await asyncio.sleep(seconds)


async def _rounds(
    connection: Connection, settings: Settings, setbacks: Setbacks, metrics: Metrics, announcer: Announcer, clock: Clock
) -> None:
    """Rounds without end; raises Unavailable."""
    thresholds = Thresholds(
        warning_ratio=Decimal(str(settings.quota.warning_ratio)),
        completeness=Decimal(str(settings.quota.completeness)),
        projection_days=settings.quota.projection_days,
    )
    metrics.settling.set(1)
    marks, channels, shown, aside = Marks(), Channels(), Shown(metrics, announcer), Aside(metrics)
    with _contained(), as_unavailable():
        await open_round(connection)
        await open_judging(connection)
        await shown.everything(connection, clock())
        metrics.show_findings(await findings_open(connection))
        while True:
            started = time.monotonic()
            limit = setbacks.limit(settings.settlement.channel_hours)
            now = clock()
            await aside.try_again(connection, now)
            done = await aside.round(connection, partial(settle_round, connection, channels, now, limit, thresholds), limit, now)
            setbacks.count = max(setbacks.count - 1, 0)
            if done:
                metrics.rounds.labels("done").inc()
                metrics.round_seconds.observe(time.monotonic() - started)
            if done.too_late:
                metrics.too_late.inc(done.too_late)
                log.warning("marks before the readings that are kept were not settled", extra={"channels": done.too_late})
            await shown.refresh(connection, done, clock())
            waiting = await _count_waiting(connection, metrics, marks)
            judged = waiting < limit and await _judge(
                connection, metrics, setbacks.limit(settings.settlement.finding_days), clock()
            )
            metrics.last_round.set_to_current_time()
            if not done and not judged:
                await asyncio.sleep(settings.settlement.round_seconds)


@contextmanager
def _contained() -> Iterator[None]:
    """An error that nobody expected is a setback like any other: intake, in the same process, goes on."""
    try:
        yield
    except Unavailable:
        raise
    except Exception as error:
        log.exception("settlement failed by an error of its own")
        raise Unavailable(f"settlement: {type(error).__name__}: {error}") from error


async def _judge(connection: Connection, metrics: Metrics, channel_days: int, now: datetime) -> bool:
    """Closed days that are due; only where settlement has caught up, for what a rebuild has emptied is not to be judged."""
    judged = await find_round(connection, now, channel_days)
    if judged:
        metrics.show_findings(await findings_open(connection))
    return bool(judged)


async def _count_waiting(connection: Connection, metrics: Metrics, marks: Marks) -> int:
    cursor = await connection.execute(QUERIES["marks_waiting"])
    waiting, oldest, newest = (await cursor.fetchall())[0]
    metrics.marks.set(waiting)
    metrics.oldest_mark.set(marks.age_seconds(oldest, newest, time.monotonic()))
    cursor = await connection.execute(QUERIES["charging_due_waiting"])
    metrics.sessions_due.set((await cursor.fetchall())[0][0])
    await connection.commit()
    return int(waiting)
