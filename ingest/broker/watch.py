"""Watches what the broker publishes of itself under $SYS, and shows it in /metrics.

mosquitto does; a broker that does not, or not to us, shows nothing, and that is no error. This runs in every process and apart from
settlement, since a queue grows at the broker just when the database is away.
"""

import logging
from typing import Final

import aiomqtt
from prometheus_client import Gauge

from ingest.broker.client import client
from ingest.metrics import Metrics
from ingest.retry import Well, persist_in
from ingest.settings import BrokerSettings

log = logging.getLogger(__name__)

DROPPED: Final = "$SYS/broker/publish/messages/dropped"
STORED: Final = "$SYS/broker/store/messages/count"
CLIENTS: Final = "$SYS/broker/clients/connected"


async def watch(settings: BrokerSettings, metrics: Metrics) -> None:
    """Show the broker's own counts until cancelled; while it is away, none."""
    gauges = {DROPPED: metrics.broker_dropped, STORED: metrics.broker_stored, CLIENTS: metrics.broker_clients}

    async def while_connected(well: Well) -> None:
        try:
            async with client(settings, "watch") as broker:
                well()
                await broker.subscribe([(topic, 0) for topic in gauges])
                async for message in broker.messages:
                    show(gauges[message.topic.value], f"{settings.host}:{settings.port}", message.payload)
        finally:
            for gauge in gauges.values():
                gauge.clear()

    faults = (aiomqtt.MqttError, OSError)
    await persist_in(while_connected, faults, log, "the broker's own counts are not known", logging.INFO)


def show(gauge: Gauge, broker: str, payload: object) -> None:
    """Set a gauge to the number in a payload; what is no number leaves it as it is."""
    if isinstance(payload, bytes) and payload.isdigit():
        gauge.labels(broker).set(int(payload))
