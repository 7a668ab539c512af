"""Nothing is written to a database of another structure: waited for at the start, watched afterwards.

Behind (migrations are missing): a process that starts waits, and goes on by itself once they are applied; one that runs stops
writing where it is led to such a database, by a restore for instance. Ahead (somebody migrated for a newer version): a process that
runs goes on, since an upgrade of several workers is made so, one after the other; one that starts waits, since nobody has asked it
to work on a structure that it does not know, and what it would write wrongly is worse than what the broker keeps meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ingest.errors import Unavailable
from ingest.metrics import Metrics
from ingest.retry import delay_seconds, pause
from ingest.settings import Settings
from ingest.storage import structure
from ingest.storage.structure import Difference

log = logging.getLogger(__name__)

CEILING_SECONDS = 5.0
"""Between two looks while a process waits."""


async def until_migrated(ask: Callable[[], Awaitable[str | None]], metrics: Metrics, stopping: asyncio.Event) -> None:
    """Wait until `ask` finds no fault with the database's structure, or the process is stopped; each fault is told once."""
    told, attempt = None, 0
    while not stopping.is_set():
        fault = await ask()
        if stopping.is_set():  # whoever was stopped has not found out
            return
        metrics.migrated.set(fault is None)
        if fault is None:
            if told is not None:
                log.info("the database is migrated, going on")
            return
        if fault != told:
            told = fault
            log.warning("waiting for another structure of the database, nothing is written to it", extra={"reason": fault})
        attempt += 1
        await pause(stopping, delay_seconds(attempt, ceiling_seconds=CEILING_SECONDS))


async def watch_migrations(settings: Settings, metrics: Metrics) -> None:
    """Look now and then whether the structure still fits, until cancelled; each change is told once."""
    before = Difference([], [])
    while True:
        await asyncio.sleep(settings.intake.registry_seconds)
        try:
            found = await structure.difference(settings.database)
        except Unavailable as error:
            log.debug("migrations not compared", extra={"reason": str(error)})
            continue
        metrics.migrated.set(not found.missing)
        if found != before:
            _tell(found)
        before = found


def _tell(found: Difference) -> None:
    if found.missing:
        log.error(
            "the database is of an older structure, nothing is written to it", extra={"reason": structure.lacking(found.missing)}
        )
    elif found.newer:
        remedy = "going on; start the version that it was migrated for"
        log.warning("the database is newer than this process", extra={"newest": found.newer[-1], "remedy": remedy})
    else:
        log.info("the database has the structure of this version")
