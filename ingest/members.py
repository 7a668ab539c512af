"""Seen while connected, missed when away: the workers that hold a session at the broker."""

import asyncio
import logging

from ingest.errors import Unavailable
from ingest.metrics import Metrics
from ingest.settings import Settings
from ingest.storage import members

log = logging.getLogger(__name__)


async def watch_members(settings: Settings, metrics: Metrics) -> None:
    """Say now and then that we are connected, and count who has not been seen for a quarter of its session's life."""
    while True:
        if metrics.connected:
            try:
                metrics.members_absent.set(await members.seen(settings))
            except Unavailable as error:
                log.debug("members not counted", extra={"reason": str(error)})
        await asyncio.sleep(settings.intake.registry_seconds)
