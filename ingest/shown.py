"""Which standings are shown, in /metrics and at the broker: the database's as of the last round, read as far as they changed.

Measured with 1,800 institutions: all are read and shown in 0.4 s of CPU, one in 0.9 ms; that nothing else moved is seen in 0.2 ms.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ingest.announcer import Announcer
from ingest.metrics import Metrics
from ingest.settlement import Round
from ingest.storage.connection import Connection
from ingest.storage.standings import all_judged, current_standings, ever_told, regions, standings_of, version_of_registry
from schemas.quota import QuotaAlert


class Grounds(NamedTuple):
    """What all that is shown was read for; where it is not what it was, all is read again."""

    registry: int
    """Its version: institutions, their regions, quotas."""
    hour: datetime
    """Of the clock, in UTC: at the first of a day another month or year may be shown; and what else may have been written, by hand,
    is shown within the hour."""


class Shown:
    """The standings that are shown.

    They can differ from the database's by what the round just done has written, which it names; and once the registry or the clock
    has moved on. `meterwarden rebuild`, which deletes some, raises the registry's version. What the broker retains of standings
    that are gone is taken back after a round that leaves no verdict due: those that a rebuild deleted are there again then. Only
    what this database has on record as told: another city's service may publish through the same broker.
    """

    def __init__(self, metrics: Metrics, announcer: Announcer) -> None:
        """Nothing is shown yet."""
        self._metrics = metrics
        self._announcer = announcer
        self._grounds: Grounds | None = None
        self._institutions: set[str] = set()

    async def refresh(self, connection: Connection, done: Round, now: datetime) -> None:
        """Show what stands after a round that has committed; `connection` is idle, before and after."""
        if done.day_ended or self._grounds != await _grounds(connection, now):
            await self.everything(connection, now)
        elif done.changed:
            self._show(await standings_of(connection, done.changed, now))
        leftovers = self._announcer.leftovers
        if leftovers and await all_judged(connection):
            ours = await ever_told(connection, leftovers)
            self._announcer.take_back(ours, foreign=leftovers - ours)

    async def everything(self, connection: Connection, now: datetime) -> None:
        """Read and show the standings of all institutions; `connection` is idle, before and after."""
        self._grounds = await _grounds(connection, now)  # first: what changes meanwhile is noticed by the next round
        self._metrics.standings.regions = await regions(connection)
        found: dict[str, list[QuotaAlert]] = {institution: [] for institution in self._institutions}
        for alert in await current_standings(connection, now):
            found.setdefault(alert.institution, []).append(alert)
        self._show(found)

    def _show(self, standings: Mapping[str, Sequence[QuotaAlert]]) -> None:
        self._institutions |= standings.keys()
        self._metrics.standings.show(standings)
        self._announcer.show(standings)


async def _grounds(connection: Connection, now: datetime) -> Grounds:
    return Grounds(await version_of_registry(connection), now.replace(minute=0, second=0, microsecond=0))
