"""Work of `meterwarden storage` that nobody did: shown by whoever settles, beside settlement and never in its way."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ingest.errors import Unavailable
from ingest.metrics import Metrics
from ingest.settings import Settings
from ingest.storage.overdue import overdue_seconds

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 600.0


async def watch_storage(settings: Settings, metrics: Metrics, clock: Callable[[], datetime]) -> None:
    """Show for how long chunks have waited for the columnstore or for their end, until cancelled."""
    while True:
        try:
            for work, seconds in (await overdue_seconds(settings.database, settings.storage, clock())).items():
                metrics.storage_overdue.labels(work).set(seconds)
        except Unavailable as error:
            log.warning("work on the storage not seen, trying again", extra={"reason": str(error)})
        await asyncio.sleep(EVERY_SECONDS)
