"""What watches over the quarantine: replays what waited for its meter, counts what is open, keeps all of it within its caps."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ingest.errors import Reason, Refused, Unavailable
from ingest.metrics import Metrics
from ingest.present import Present, assessor
from ingest.settings import Settings
from ingest.settler import Clock
from ingest.storage.connection import connected
from ingest.storage.quarantine.caps import Caps, Held, held, keep_within
from ingest.storage.quarantine.replay import EVERYTHING, replay, waiting
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer

log = logging.getLogger(__name__)

FULL_SCAN_SECONDS: Final = 600.0
"""So often every waiting message is held against the registry, whatever has changed."""
CAPS_SECONDS: Final = 60.0
CAPS_SHARE: Final = 0.02
"""The size is asked for once a minute, or as seldom as keeps asking below this share of the time."""


@dataclass(slots=True)
class Scan:
    """Which waiting messages have been held against which registry, so that only the others are.

    A message is left behind by neither order of events. Registered after it was committed: the version moves, and everything is
    scanned. Registered before, by a worker that did not know it yet: the message is recorded at or above the horizon, whatever its
    number, and the next scan finds it.
    """

    version: int | None = None
    horizon: str = EVERYTHING
    complete_at: float = 0.0

    def begin(self, version: int, now: float) -> str:
        """From which horizon on to scan, with the registry of that version."""
        due = version != self.version or now - self.complete_at >= FULL_SCAN_SECONDS
        return EVERYTHING if due else self.horizon

    def end(self, version: int, begun: str, horizon: str, now: float) -> None:
        """A scan from `begun` on has dealt with all it found."""
        self.version, self.horizon = version, horizon
        if begun == EVERYTHING:
            self.complete_at = now


@dataclass(slots=True)
class Warden:
    """The state of one process that watches."""

    settings: Settings
    present: Present
    metrics: Metrics
    clock: Clock
    scan: Scan = field(default_factory=Scan)
    caps_due_at: float = 0.0
    is_near_cap: bool = False

    async def watch(self) -> None:
        """Until cancelled; a fault of one step keeps no other from being taken."""
        writer = Writer(self.settings.database)
        while True:
            for step in (partial(self.replay_waiting, writer), self.count, partial(self.keep_within_caps, writer)):
                await _tried(step)
            await asyncio.sleep(self.settings.intake.replay_seconds)

    async def replay_waiting(self, writer: Writer) -> None:
        """Replay messages whose unknown meters are registered now."""
        version, now = self.present.registry.version, time.monotonic()
        begun = self.scan.begin(version, now)
        found, horizon = await writer.in_transaction(partial(waiting, begun))
        tally = await replay(writer, assessor(self.present, self.settings), found)
        self.metrics.replayed.inc(tally.resolved)
        if not tally.skipped:  # a row that another worker holds may come back
            self.scan.end(version, begun, horizon, now)

    async def count(self) -> None:
        """Show how many are open."""
        async with connected(self.settings.database, autocommit=True) as connection:
            counts = dict(await (await connection.execute(QUERIES["quarantine_counts"])).fetchall())
        for reason in Reason:
            self.metrics.quarantined.labels(reason).set(counts.get(reason, 0))

    async def keep_within_caps(self, writer: Writer) -> None:
        """Show how full it is; above a cap, delete and say so."""
        begun = time.monotonic()
        if begun < self.caps_due_at:
            return
        quarantine = self.settings.quarantine
        caps = Caps(quarantine.max_bytes, quarantine.max_age)
        self._show(await writer.in_transaction(held), caps)
        purged = await keep_within(writer, caps, self.clock())
        if purged:
            self.metrics.purged.labels("open").inc(purged.open)
            self.metrics.purged.labels("resolved").inc(purged.resolved)
            facts = {"open": purged.open, "resolved": purged.resolved, "bytes": purged.bytes}
            log.log(logging.ERROR if purged.open else logging.INFO, "quarantine purged at its cap", extra=facts)
            self._show(await writer.in_transaction(held), caps)
        now = time.monotonic()
        self.caps_due_at = now + max(CAPS_SECONDS, (now - begun) / CAPS_SHARE)

    def _show(self, holds: Held, caps: Caps) -> None:
        ratio, warn_ratio = holds.fill_ratio(caps, self.clock()), self.settings.quarantine.warn_ratio
        self.metrics.quarantine_bytes.set(holds.bytes)
        self.metrics.quarantine_fill_ratio.set(ratio)
        if ratio >= warn_ratio and not self.is_near_cap:
            log.warning("quarantine near its cap", extra={"fill_ratio": round(ratio, 3), "bytes": holds.bytes})
        self.is_near_cap = ratio >= warn_ratio


async def _tried(step: Callable[[], Awaitable[None]]) -> None:
    try:
        await step()
    except (Unavailable, Refused) as error:
        log.warning("quarantine not watched, trying again", extra={"reason": str(error)})
