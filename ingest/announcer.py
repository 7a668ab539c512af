"""Publishes quota states, retained, level-triggered: all of them at connect, then every change.

One topic an institution and indicator: the most serious of its periods. Where none stands any more (a quota withdrawn, a code
renamed), an empty message takes back what the broker retains of it, whichever process sent it and when: the broker is asked at
every connection. What is sent is kept in an append-only log, `null` for what was taken back. Publishing goes through aiomqtt, a
client that nobody here wrote; receiving (broker/session.py) cannot, because it acknowledges before our commit.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from ingest.broker.client import client
from ingest.metrics import Metrics
from ingest.retry import Well, apart, persist_in
from ingest.settings import BrokerSettings
from schemas import topics
from schemas.quota import Level, QuotaAlert
from schemas.topics import QUOTA_STATES

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
        self._retained: dict[str, str | None] = {}
        self._gone: set[str] = set()
        self._news = asyncio.Event()

    def show(self, standings: Mapping[str, Sequence[QuotaAlert]]) -> None:
        """Take the newest standings of some institutions; what differs from the broker's is published soon."""
        for institution, of_it in standings.items():
            serious = most_serious(of_it)
            self._wanted[institution] = {topics.quota(institution, one.indicator): one.model_dump_json() for one in serious}
        self._changed |= standings.keys()
        self._news.set()

    @property
    def leftovers(self) -> set[str]:
        """Topics of which the broker retains a state that, as far as was shown, stands no more; or never stood here."""
        return self._retained.keys() - {topic for of_it in self._wanted.values() for topic in of_it}

    def take_back(self, gone: Collection[str], foreign: Collection[str]) -> None:
        """Have the broker forget soon what is gone, and look no more at what others publish: a broker may serve several of us."""
        self._gone = set(gone)
        for topic in foreign:
            self._retained.pop(topic, None)
        self._news.set()

    def forget(self) -> None:
        """Publish nothing until standings are shown again: another process may know newer ones."""
        self._wanted.clear()
        self._gone.clear()

    async def run(self) -> None:
        """Publish until cancelled, reconnecting for ever."""
        await persist_in(self._publish_changes, (aiomqtt.MqttError, OSError), log, "quota states wait for the broker")

    async def _publish_changes(self, well: Well) -> None:
        self._retained = {}
        async with client(self._settings, "quota") as broker, asyncio.TaskGroup() as tasks:
            well()
            tasks.create_task(apart(self._heed(broker)), name="meterwarden.announcer.retained")
            self._changed = set(self._wanted)
            while True:
                self._news.clear()
                changed, self._changed = sorted(self._changed), set()
                for topic, statement in (item for one in changed for item in self._wanted.get(one, {}).items()):
                    if self._retained.get(topic) != statement:
                        await self._send(broker, topic, statement)
                gone, self._gone = self._gone & self.leftovers, set()
                for topic in sorted(gone):
                    await self._send(broker, topic, None)
                await self._news.wait()

    async def _send(self, broker: aiomqtt.Client, topic: str, statement: str | None) -> None:
        await broker.publish(topic, statement, qos=1, retain=True)
        if statement is None:
            self._retained.pop(topic, None)
        else:
            self._retained[topic] = statement
        self._metrics.quota_published.inc()
        await self._keep_notice(topic, statement or "null")

    async def _heed(self, broker: aiomqtt.Client) -> None:
        """Know what the broker retains. Raises MqttError once the connection is gone: while nothing changes, no sending fails."""
        (answer,) = await broker.subscribe(QUOTA_STATES, qos=1)
        if isinstance(answer, ReasonCode) and answer.is_failure:
            log.warning(
                "quota states that stand no more stay at the broker: it does not let us read them", extra={"reason": str(answer)}
            )
        async for message in broker.messages:
            if message.retain:  # and so not one that was sent just now
                self._retained.setdefault(str(message.topic), None)


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
