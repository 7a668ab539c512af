"""Quota states at the broker are those of the newest standings, whatever the broker forgets."""

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from ingest.announcer import Announcer
from ingest.metrics import Metrics
from ingest.settings import BrokerSettings
from ingest.stack import Stack
from schemas.quota import Level, QuotaAlert
from schemas.topics import quota
from tests.running import client, own_broker

ALERT = QuotaAlert(
    institution="hospital-1", indicator="electricity", period_kind="month", period_start="2026-10-01", closed=False,
    as_of="2026-10-20", level=Level.EXCEEDED, used=120.0, allowance=100.0, used_ratio=1.2, projected_ratio=None, unit="kWh",
    denominator=None, standard=None, edition=None, sample=True, measured_share=1.0, estimated_share=0.0, missing_share=0.0,
    missing=[],
)  # fmt: skip
TOPIC = quota("hospital-1", "electricity")


async def test_a_broker_that_comes_back_empty_is_told_every_state_again(stack: Stack, tmp_path: Path) -> None:
    """Though no standing changed meanwhile, and so nothing was sent that could have failed."""
    kept: list[str] = []

    async def keep(topic: str, _: str) -> None:
        kept.append(topic)

    with own_broker(stack.programs, extra="autosave_interval 0") as broker:
        broker.start()
        password_file = tmp_path / "password"
        password_file.write_text(broker.password("ingest"), encoding="utf-8")
        settings = BrokerSettings(port=broker.port, username="ingest", password_file=password_file, client_identifier="a")
        announcer = Announcer(settings, Metrics(CollectorRegistry()), keep)
        announcer.show([ALERT])
        task = asyncio.create_task(announcer.run())
        try:
            for _ in range(2):
                async with client(broker, "simulator") as reader, asyncio.timeout(30):
                    await reader.subscribe(TOPIC, qos=1)
                    message = await anext(reader.messages)
                    assert QuotaAlert.model_validate_json(message.payload) == ALERT
                await asyncio.to_thread(broker.kill)
                assert not list(broker.directory.rglob("*.db")), "the broker saved what it should forget"
                await asyncio.to_thread(broker.start)
        finally:
            task.cancel()
            await asyncio.wait({task})
    assert kept[:2] == [TOPIC, TOPIC]
