"""Watches what the broker publishes of itself under $SYS, and shows it in /metrics.

mosquitto does; a broker that does not, or not to us, shows nothing, and that is no error. This runs in every process and apart from
settlement, since a queue grows at the broker just when the database is away.
"""

import asyncio
import logging
from typing import Final

import aiomqtt
from prometheus_client import Gauge

from ingest.broker.client import client
from ingest.metrics import Metrics
from ingest.retry import delay_seconds, still_wanted
from ingest.settings import BrokerSettings
from ingest.tls import explained

log = logging.getLogger(__name__)

DROPPED: Final = "$SYS/broker/publish/messages/dropped"
STORED: Final = "$SYS/broker/store/messages/count"
CLIENTS: Final = "$SYS/broker/clients/connected"


async def watch(settings: BrokerSettings, metrics: Metrics) -> None:
    """Show the broker's own counts until cancelled; while it is away, none."""
    gauges = {DROPPED: metrics.broker_dropped, STORED: metrics.broker_stored, CLIENTS: metrics.broker_clients}
    attempt = 0
    while True:
        try:
            async with client(settings, "watch") as broker:
                attempt = 0
                await broker.subscribe([(topic, 0) for topic in gauges])
                async for message in broker.messages:
                    show(gauges[message.topic.value], f"{settings.host}:{settings.port}", message.payload)
        except (aiomqtt.MqttError, OSError) as error:
            still_wanted()
            attempt += 1
            log.info("the broker's own counts are not known", extra={"reason": explained(error), "attempt": attempt})
        for gauge in gauges.values():
            gauge.clear()
        await asyncio.sleep(delay_seconds(attempt))


def show(gauge: Gauge, broker: str, payload: object) -> None:
    """Set a gauge to the number in a payload; what is no number leaves it as it is."""
    if isinstance(payload, bytes) and payload.isdigit():
        gauge.labels(broker).set(int(payload))
