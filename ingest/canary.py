"""A meter of our own: published through the broker, read back from the database.

A SUBACK proves less than one thinks: a broker whose access list denies us every message still grants the subscription (mosquitto
does). So the service is ready only while a reading of its own has made the whole way in time. The canary is on channel 0, which
belongs to no meter: no consumption, no statistics, no view.

Behind a backlog it comes home when that is drained, which takes as long as it takes. It is late then, and not missing: what was
queued before it comes through. So a flight is waited for as long as messages are decided, for an hour at most. It is missing once
the broker has been seen with nothing more for us to come, and all that it had sent by then is decided.
"""

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import aiomqtt

from ingest.broker.client import client
from ingest.broker.leaving import QUIET_ROUNDS
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
LATE_SECONDS: Final = 3600.0
"""For so long none may come home before one is missing, whatever else comes through."""
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


class Line(Protocol):
    """What is known of the queue that a flight waits in."""

    received: int
    decided: int
    """Messages since the start."""

    async def in_hand(self) -> int | None:
        """How many are received and not decided; while the broker has more for us, this varies by no more than the half."""


@dataclass(slots=True)
class Queue:
    """What looks at the line have told since a flight left."""

    line: Line
    most: int = 0
    lulls: int = 0
    before_us: int | None = None
    """So many were received when the broker had nothing more to send: the flight is among them, or missing."""

    async def look(self) -> None:
        """See whether the broker has more for us."""
        in_hand = await self.line.in_hand()
        if in_hand is None or self.before_us is not None:
            return
        self.most = max(self.most, in_hand)
        self.lulls += in_hand == 0 or 2 * in_hand < self.most
        if self.lulls >= QUIET_ROUNDS:
            self.before_us = self.line.received

    @property
    def is_through(self) -> bool:
        """Whether all that may have come before the flight is decided."""
        return self.before_us is not None and self.line.decided >= self.before_us


class Canary:
    """Flies again and again; `is_fresh` while the last flight that came home is young enough, or one is late and not missing."""

    def __init__(self, settings: Settings, metrics: Metrics, line: Line) -> None:
        """Not flown yet."""
        self._settings = settings
        self._metrics = metrics
        self._line = line
        self._patience_seconds = settings.canary.within_seconds / 2
        self._seen = self._behind_at = -math.inf
        self._out_since: float | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether a reading of its own came through in time, or is known to wait behind others that do."""
        return time.monotonic() - max(self._seen, self._behind_at) < self._settings.canary.within_seconds

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
        """One flight; raises TimeoutError where it is missing."""
        async with asyncio.timeout(self._patience_seconds):
            while not self._metrics.connected:  # before we are subscribed there is nobody to hear it
                await asyncio.sleep(FIRST_LOOK_SECONDS)
            left, read_at = time.monotonic(), datetime.now(UTC)
            self._out_since = self._out_since or left
            await publisher.publish(_TOPIC, _reading(read_at), qos=1)
        try:
            await self._see_home(connection, read_at)
        finally:
            self._behind_at = -math.inf
            self._metrics.canary_behind.set(0)
        self._seen, self._out_since = time.monotonic(), None
        self._metrics.canary_latency.observe(self._seen - left)
        self._metrics.canary_seen.set_to_current_time()

    async def _see_home(self, connection: Connection, read_at: datetime) -> None:
        """Look for it until it is stored; raises TimeoutError where it is missing."""
        queue, wait = Queue(self._line), FIRST_LOOK_SECONDS
        asked_at, decided = time.monotonic(), self._line.decided
        while not await _is_stored(connection, read_at):
            if wait == LAST_LOOK_SECONDS:  # else it is not even late
                await queue.look()
            if time.monotonic() - asked_at > self._patience_seconds:
                if queue.is_through or self._line.decided == decided or self._is_overdue:
                    raise TimeoutError
                asked_at, decided = time.monotonic(), self._line.decided
                self._behind_at = asked_at
                self._metrics.canary_behind.set(1)
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, LAST_LOOK_SECONDS)

    @property
    def _is_overdue(self) -> bool:
        return self._out_since is not None and time.monotonic() - self._out_since > LATE_SECONDS


_TOPIC: Final = topics.meter_reading(*CANARY)


def _reading(read_at: datetime) -> str:
    """The value follows from the time, so that two workers' canaries never disagree."""
    value = (read_at - EPOCH) / timedelta(seconds=1000)
    return ElectricityReading(read_at=read_at.isoformat(), energy_import_kwh=round(value, 3)).model_dump_json(exclude_none=True)


async def _is_stored(connection: Connection, read_at: datetime) -> bool:
    cursor = await connection.execute(QUERIES["canary_stored"], [CANARY_CHANNEL, read_at])
    return bool(await cursor.fetchall())
