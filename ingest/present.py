"""The registry in use: read at start and again whenever its version moves; and intake's decision with whichever that is."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.errors import Unavailable
from ingest.garbage import give_back
from ingest.intake import assess
from ingest.messages import Assessed, Message
from ingest.metrics import Metrics
from ingest.registry import Registry
from ingest.retry import delay_seconds
from ingest.settings import Settings
from ingest.storage.connection import connected
from ingest.storage.registry import load_registry, registry_version
from ingest.usual import AcceptWindow

log = logging.getLogger(__name__)

REGISTRY_CHANNEL: Final = "meterwarden_registry"


@dataclass(slots=True)
class Present:
    """The registry in use; workers replace it when its version moves."""

    registry: Registry

    async def load(self, settings: Settings, metrics: Metrics) -> None:
        """Take the newest one. Raises Unavailable."""
        self.registry = await load_registry(settings.database, self.registry)
        give_back()
        metrics.registry_meters.set(len(self.registry))
        metrics.registry_version.set(self.registry.version)
        log.info("registry loaded", extra={"meters": len(self.registry), "version": self.registry.version})


async def watch_registry(settings: Settings, present: Present, metrics: Metrics) -> None:
    """Hold the newest registry: at every announcement, and every while, its version is compared."""
    while True:
        try:
            async with connected(settings.database, autocommit=True) as connection:
                metrics.database_up.set(True)
                await connection.execute(f"LISTEN {REGISTRY_CHANNEL}")
                while True:
                    if await registry_version(settings.database) != present.registry.version:
                        await present.load(settings, metrics)
                    wait = min(settings.intake.registry_seconds, settings.database.statement_timeout_seconds)  # below any silence
                    async for _ in connection.notifies(timeout=wait, stop_after=1):
                        pass
        except Unavailable as error:
            metrics.database_up.set(False)
            log.warning("registry not watched, trying again", extra={"reason": str(error)})
            await asyncio.sleep(delay_seconds(5))


def assessor(present: Present, settings: Settings) -> Callable[[Sequence[Message]], list[Assessed]]:
    """`assess` with the registry in use and what the settings accept."""
    window = AcceptWindow(settings.intake.back_us, settings.intake.ahead_us)
    return lambda batch: assess(batch, present.registry, window, settings.intake.max_payload_bytes)
