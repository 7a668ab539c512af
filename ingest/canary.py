"""A meter of our own: published through the broker, read back from the database.

A SUBACK proves less than one thinks: a broker whose access list denies us every message still grants the subscription (mosquitto
does). So the service is ready only while a reading of its own has made the whole way in time. The canary is on channel 0, which
belongs to no meter: no consumption, no statistics, no view.
"""

import asyncio
import logging
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import aiomqtt

from ingest.broker.client import client
from ingest.errors import Unavailable
from ingest.metrics import Metrics
from ingest.registry import CANARY, CANARY_CHANNEL
from ingest.retry import Well, persist_in
from ingest.settings import Settings
from ingest.storage.connection import Connection, connected
from ingest.storage.queries import QUERIES
from schemas import topics
from schemas.reading import ElectricityReading

log = logging.getLogger(__name__)

FIRST_LOOK_SECONDS: Final = 0.02
LAST_LOOK_SECONDS: Final = 0.5
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


class Canary:
    """Flies again and again; `is_fresh` while the last flight that came home is young enough."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Not flown yet."""
        self._settings = settings
        self._metrics = metrics
        self._seen = -math.inf

    @property
    def is_fresh(self) -> bool:
        """Whether a reading of its own came through in time."""
        return time.monotonic() - self._seen < self._settings.canary.within_seconds

    async def run(self) -> None:
        """Fly until cancelled, whatever broker and database do meanwhile."""
        faults = (aiomqtt.MqttError, OSError, Unavailable, TimeoutError)
        await persist_in(self._fly_again_and_again, faults, log, "the canary did not come home, trying again")

    async def _fly_again_and_again(self, well: Well) -> None:
        async with (
            client(self._settings.broker, "canary") as publisher,
            connected(self._settings.database, autocommit=True) as connection,
        ):
            while True:
                await self._fly(publisher, connection)
                well()
                await asyncio.sleep(self._settings.canary.every_seconds)

    async def _fly(self, publisher: aiomqtt.Client, connection: Connection) -> None:
        """One flight; raises TimeoutError where it is not seen in time."""
        async with asyncio.timeout(self._settings.canary.within_seconds / 2):
            while not self._metrics.connected:  # before we are subscribed there is nobody to hear it
                await asyncio.sleep(FIRST_LOOK_SECONDS)
            left, read_at = time.monotonic(), datetime.now(UTC)
            await publisher.publish(_TOPIC, _reading(read_at), qos=1)
            wait = FIRST_LOOK_SECONDS
            while not await _is_stored(connection, read_at):
                await asyncio.sleep(wait)
                wait = min(wait * 1.5, LAST_LOOK_SECONDS)
        self._seen = time.monotonic()
        self._metrics.canary_latency.observe(self._seen - left)
        self._metrics.canary_seen.set_to_current_time()


_TOPIC: Final = topics.meter_reading(*CANARY)


def _reading(read_at: datetime) -> str:
    """The value follows from the time, so that two workers' canaries never disagree."""
    value = (read_at - EPOCH) / timedelta(seconds=1000)
    return ElectricityReading(read_at=read_at.isoformat(), energy_import_kwh=round(value, 3)).model_dump_json(exclude_none=True)


async def _is_stored(connection: Connection, read_at: datetime) -> bool:
    cursor = await connection.execute(QUERIES["canary_stored"], [CANARY_CHANNEL, read_at])
    return bool(await cursor.fetchall())
