"""Publishes quota states, retained, level-triggered: all of them at connect, then every change.

One topic an institution and indicator: the most serious of its periods. What is sent is kept in an append-only log. Publishing goes
through aiomqtt, a client nobody here wrote; receiving (broker/session.py) cannot, because it acknowledges before our commit.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import aiomqtt

from ingest.broker.client import client
from ingest.metrics import Metrics
from ingest.retry import Well, persist_in
from ingest.settings import BrokerSettings
from schemas import topics
from schemas.quota import Level, QuotaAlert

log = logging.getLogger(__name__)

_RANK: Final = {level: rank for rank, level in enumerate(Level)}

KeepNotice = Callable[[str, str], Awaitable[None]]
"""Remembers a topic and the statement sent to it."""


class Announcer:
    """Keeps the broker's retained quota states equal to the newest standings."""

    def __init__(self, settings: BrokerSettings, metrics: Metrics, keep_notice: KeepNotice) -> None:
        """Nothing is known yet."""
        self._settings = settings
        self._metrics = metrics
        self._keep_notice = keep_notice
        self._wanted: dict[str, dict[str, str]] = {}
        self._changed: set[str] = set()
        self._news = asyncio.Event()

    def show(self, standings: Mapping[str, Sequence[QuotaAlert]]) -> None:
        """Take the newest standings of some institutions; what differs from the broker's is published soon."""
        for institution, of_it in standings.items():
            serious = most_serious(of_it)
            self._wanted[institution] = {topics.quota(institution, one.indicator): one.model_dump_json() for one in serious}
        self._changed |= standings.keys()
        self._news.set()

    def forget(self) -> None:
        """Publish nothing until standings are shown again: another process may know newer ones."""
        self._wanted.clear()

    async def run(self) -> None:
        """Publish until cancelled, reconnecting for ever."""
        await persist_in(self._publish_changes, (aiomqtt.MqttError, OSError), log, "quota states wait for the broker")

    async def _publish_changes(self, well: Well) -> None:
        published: dict[str, str] = {}
        async with client(self._settings, "quota") as broker, asyncio.TaskGroup() as tasks:
            well()
            tasks.create_task(_until_cut_off(broker), name="meterwarden.announcer.connection")
            self._changed = set(self._wanted)
            while True:
                self._news.clear()
                changed, self._changed = sorted(self._changed), set()
                for topic, statement in (item for one in changed for item in self._wanted.get(one, {}).items()):
                    if published.get(topic) != statement:
                        await broker.publish(topic, statement, qos=1, retain=True)
                        published[topic] = statement
                        self._metrics.quota_published.inc()
                        await self._keep_notice(topic, statement)
                await self._news.wait()


async def _until_cut_off(broker: aiomqtt.Client) -> None:
    """Raise MqttError once the connection is gone: nothing is subscribed, and while nothing changes, no sending fails."""
    await anext(broker.messages)


def most_serious(standings: Iterable[QuotaAlert]) -> list[QuotaAlert]:
    """Of each institution and indicator the most serious standing; of equal ones a running period, then a month."""
    found: dict[tuple[str, str], QuotaAlert] = {}
    for alert in standings:
        key = (alert.institution, alert.indicator)
        if key not in found or _order(alert) > _order(found[key]):
            found[key] = alert
    return [found[key] for key in sorted(found)]


def _order(alert: QuotaAlert) -> tuple[int, bool, bool]:
    return _RANK[alert.level], not alert.closed, alert.period_kind == "month"
