"""Keeps what chargers and gateways say of their state: a plain subscription to retained topics, held by whoever settles.

A state is level-triggered: the broker keeps the newest one of each topic and sends it at every subscription. What is kept is
acknowledged, so that no more comes at once than we hold; no session outlives its connection. When the database fails, the
connection is given up, and the next one begins with every present state; changes that came and went meanwhile are lost to the
history. A state read again adds nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import aiomqtt

from ingest.broker.client import acknowledge, client
from ingest.errors import Reason, Rejection, Unavailable
from ingest.formats.status_v1 import ConnectorState, GatewayState, decode_charger, decode_gateway
from ingest.metrics import Metrics
from ingest.retry import Well, apart, persist_in
from ingest.settings import Settings
from ingest.storage.registry import registry_version
from ingest.storage.statuses import keep
from schemas.topics import STATUS_FILTERS

log = logging.getLogger(__name__)

MOST_WAITING: Final = 10_000
"""Messages held in memory; the broker keeps the others, those of QoS 0 apart. A subscription brings one or more of each device."""
BATCH: Final = 1_000
MOST_NAMED: Final = 1_000
"""Devices whose first bad message is logged."""


class Statuses:
    """The states of one batch of messages after the other, until cancelled."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._named: set[str] = set()
        self._unregistered_at: int | None = None

    async def run(self) -> None:
        """Keep states until cancelled, reconnecting for ever."""
        faults = (aiomqtt.MqttError, OSError, Unavailable)
        await persist_in(self._keep_while_connected, faults, log, "states are not kept, connecting again")

    async def _keep_while_connected(self, well: Well) -> None:
        async with client(self._settings.broker, "status", MOST_WAITING) as broker, asyncio.TaskGroup() as tasks:
            await self._subscribe(broker)
            well()
            tasks.create_task(apart(self._keep_all(broker)), name="meterwarden.statuses.keep")
            tasks.create_task(apart(self._ask_again(broker)), name="meterwarden.statuses.ask")

    async def _subscribe(self, broker: aiomqtt.Client) -> None:
        """The broker answers with every retained state, whether it sent them before or not."""
        self._unregistered_at = None
        await broker.subscribe([(name, 1) for name in STATUS_FILTERS])

    async def _ask_again(self, broker: aiomqtt.Client) -> None:
        """Once the registry has moved since a device was not found in it, every retained state may be wanted."""
        while True:
            await asyncio.sleep(self._settings.intake.registry_seconds)
            if self._unregistered_at is not None and self._unregistered_at != await registry_version(self._settings.database):
                await self._subscribe(broker)

    async def _keep_all(self, broker: aiomqtt.Client) -> None:
        """Whatever is waiting is kept together."""
        messages = broker.messages
        while True:
            batch = [await anext(messages)]
            while len(messages) and len(batch) < BATCH:
                batch.append(await anext(messages))
            await self._keep(batch)
            acknowledge(broker, batch)

    async def _keep(self, batch: list[aiomqtt.Message]) -> None:
        chargers: list[tuple[str, ConnectorState]] = []
        gateways: list[tuple[str, GatewayState]] = []
        for message in batch:
            topic, payload = str(message.topic), message.payload
            try:
                self._sort(topic, payload if isinstance(payload, bytes) else b"", chargers, gateways)
            except Rejection as fault:
                self._refuse(topic, fault.reason)
            except Exception:  # no message can stop the line, least of all one that the broker retains
                log.exception("state not understood", extra={"topic": repr(topic)})
                self._refuse(topic, Reason.DECODER_ERROR)
        if not chargers and not gateways:
            return
        kept = await keep(self._settings.database, chargers, gateways, self._clock())
        self._metrics.states.labels("stored").inc(kept.stored)
        self._metrics.states.labels("repeated").inc(kept.repeated)
        if kept.unregistered:
            self._unregistered_at = kept.registry_version
        for path in sorted(kept.unregistered):
            self._metrics.states.labels("unregistered").inc()
            self._name(path, Reason.UNKNOWN_METER)

    def _sort(
        self, topic: str, payload: bytes, chargers: list[tuple[str, ConnectorState]], gateways: list[tuple[str, GatewayState]]
    ) -> None:
        """Add a message's states; an empty payload only clears what the broker retains. Raises Rejection."""
        _, institution, kind, device, _ = topic.split("/")
        path = f"{institution}/{device}"
        if not payload:
            return
        if kind == "gateway":
            gateway = decode_gateway(payload)
            self._not_ahead(gateway.connected_at)
            gateways.append((path, gateway))
            return
        states = decode_charger(payload)
        for state in states:
            self._not_ahead(state.at)
        chargers += [(path, state) for state in states]

    def _not_ahead(self, at: datetime) -> None:
        """The newest state counts: one from the future would count until then. Raises Rejection."""
        if at > self._clock() + timedelta(microseconds=self._settings.intake.ahead_us):
            raise Rejection(Reason.TIME_IN_FUTURE, at.isoformat())

    def _refuse(self, topic: str, reason: Reason) -> None:
        self._metrics.states.labels("rejected").inc()
        self._name(topic, reason)

    def _name(self, device: str, reason: str) -> None:
        """Once a device."""
        if device not in self._named and len(self._named) < MOST_NAMED:
            self._named.add(device)
            log.warning("state not kept", extra={"device": repr(device), "reason": reason})
