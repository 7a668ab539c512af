"""Which devices keep silent, by institution: counted by whoever settles, beside settlement and never in its way."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ingest.errors import Unavailable
from ingest.metrics import Metrics
from ingest.settings import Settings
from ingest.storage.devices import silent_places

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 60.0
SHARE: Final = 0.02
"""Once a minute, or as seldom as keeps asking below this share of the time."""


async def watch_devices(settings: Settings, metrics: Metrics, clock: Callable[[], datetime]) -> None:
    """Show silent meters and gateways offline until cancelled; of most institutions as many as quotas may show."""
    while True:
        begun = time.monotonic()
        try:
            metrics.show_devices(await silent_places(settings.database, clock(), settings.quota.exported_institutions))
        except Unavailable as error:
            log.warning("silent meters not counted, trying again", extra={"reason": str(error)})
        await asyncio.sleep(max(EVERY_SECONDS, (time.monotonic() - begun) / SHARE))
