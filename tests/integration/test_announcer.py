"""Quota states at the broker are those of the newest standings, whatever the broker forgets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ingest import retry
from ingest.announcer import Announcer, KeepNotice
from ingest.metrics import Metrics
from ingest.settings import BrokerSettings
from ingest.stack import Mosquitto, Stack
from schemas.quota import Level, QuotaAlert
from schemas.topics import QUOTA_STATES, quota
from tests.published import client, retained
from tests.running import EVENTUALLY_SECONDS, eventually, own_broker

ALERT = QuotaAlert(
    institution="hospital-1", indicator="electricity", period_kind="month", period_start="2026-10-01", closed=False,
    as_of="2026-10-20", level=Level.EXCEEDED, used=120.0, allowance=100.0, used_ratio=1.2, projected_ratio=None, unit="kWh",
    denominator=None, standard=None, edition=None, sample=True, measured_share=1.0, estimated_share=0.0, missing_share=0.0,
    missing=[],
)  # fmt: skip
TOPIC = quota("hospital-1", "electricity")


async def test_a_broker_that_comes_back_empty_is_told_every_state_again(stack: Stack, tmp_path: Path) -> None:
    """Though no standing changed meanwhile, and so nothing was sent that could have failed."""
    kept, keep = _keeper()
    with own_broker(stack.programs, extra="autosave_interval 0") as broker:
        broker.start()
        announcer = _announcer(broker, tmp_path, keep)
        announcer.show({ALERT.institution: [ALERT]})
        async with _running(announcer):
            for turn in (1, 2):
                async with client(broker, "simulator") as reader, asyncio.timeout(90):
                    await reader.subscribe(TOPIC, qos=1)
                    message = await anext(reader.messages)
                    assert QuotaAlert.model_validate_json(message.payload) == ALERT
                await eventually(lambda turn=turn: len(kept) >= turn, "what was sent is kept")
                await asyncio.to_thread(broker.kill)
                assert not list(broker.directory.rglob("*.db")), "the broker saved what it should forget"
                await asyncio.to_thread(broker.start)
    assert {TOPIC} == set(kept)


async def test_what_is_shown_of_some_institutions_is_sent_where_it_differs_and_the_others_stay_as_sent(
    stack: Stack, tmp_path: Path
) -> None:
    """Shown while connected, with and without a difference."""
    kept, keep = _keeper()
    other = ALERT.model_copy(update={"institution": "school-1"})
    last = ALERT.model_copy(update={"institution": "school-2"})
    announcer = _announcer(stack.mosquitto, tmp_path, keep)
    announcer.show({"hospital-1": [ALERT], "school-1": [other]})
    async with _running(announcer):
        await eventually(lambda: len(kept) == 2, "both are sent")
        announcer.show({"school-1": [other.model_copy(update={"used": 121.0})], "hospital-1": [ALERT]})
        await eventually(lambda: len(kept) == 3, "the one that differs is sent")
        announcer.show({"school-2": [last]})
        await eventually(lambda: len(kept) == 4, "the new one is sent")
    assert [quota(code, "electricity") for code in ("hospital-1", "school-1", "school-1", "school-2")] == kept


async def test_what_was_forgotten_is_not_sent_again(stack: Stack, tmp_path: Path) -> None:
    """Another process settled meanwhile: what stood then would go out before what stands now."""
    kept, keep = _keeper()
    announcer = _announcer(stack.mosquitto, tmp_path, keep)
    announcer.show({"hospital-1": [ALERT]})
    announcer.forget()
    async with _running(announcer):
        announcer.show({"school-1": [ALERT.model_copy(update={"institution": "school-1"})]})
        await eventually(lambda: kept, "the new one is sent")
    assert [quota("school-1", "electricity")] == kept


async def test_what_stands_no_more_is_taken_back_whoever_sent_it_and_when(stack: Stack, tmp_path: Path) -> None:
    """By another process, to a broker that was connected to before; only once everything that stands has been shown."""
    other = ALERT.model_copy(update={"institution": "school-1"})
    with own_broker(stack.programs) as broker:
        broker.start()
        _, keep = _keeper()
        before = _announcer(broker, tmp_path, keep)
        before.show({"hospital-1": [ALERT], "school-1": [other]})
        async with _running(before):
            await eventually(lambda: _retained(broker, 2), "both are sent")
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)

        kept, keep = _keeper()
        announcer = _announcer(broker, tmp_path, keep)
        announcer.show({"school-1": [other]})
        async with _running(announcer):
            await eventually(lambda: {TOPIC} == announcer.leftovers, "what the other has sent is seen")
            announcer.show({"school-1": [other.model_copy(update={"used": 121.0})]})
            await eventually(lambda: len(kept) == 2, "what changed is sent, and nothing taken back unasked")
            announcer.take_back({TOPIC}, foreign=())
            await eventually(lambda: _retained(broker, 1), "the other is taken back")
            announcer.show({"school-1": []})
            announcer.take_back(announcer.leftovers, foreign=())
            await eventually(lambda: _retained(broker, 0), "its own too, within one connection")
        school = quota("school-1", "electricity")
        assert [school, school, TOPIC, school] == kept
        assert not announcer.leftovers


async def _retained(broker: Mosquitto, number: int) -> bool:
    return len(await retained(broker, QUOTA_STATES)) == number


async def test_it_ends_when_told_to_while_the_broker_answers(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` of Python 3.11 loses a cancellation that comes together with the answer: here, every first one."""
    monkeypatch.setattr(retry, "CANCEL_AGAIN_SECONDS", 0.01)
    wait_for, subscribed = asyncio.wait_for, asyncio.Event()

    async def losing(answer: Awaitable[Any], timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncio's own
        found = await wait_for(answer, timeout)
        if isinstance(found, list | tuple):  # the reason codes of a subscription
            subscribed.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        return found

    monkeypatch.setattr(asyncio, "wait_for", losing)
    _, keep = _keeper()
    task = asyncio.create_task(_announcer(stack.mosquitto, tmp_path, keep).run())
    async with asyncio.timeout(EVENTUALLY_SECONDS):
        await subscribed.wait()
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


def _keeper() -> tuple[list[str], KeepNotice]:
    """The topics of what was sent, and who notes them."""
    kept: list[str] = []

    async def keep(topic: str, _: str) -> None:
        kept.append(topic)

    return kept, keep


def _announcer(broker: Mosquitto, directory: Path, keep: KeepNotice) -> Announcer:
    password_file = directory / "password"
    password_file.write_text(broker.password("ingest"), encoding="utf-8")
    settings = BrokerSettings(port=broker.port, username="ingest", password_file=password_file, client_identifier="a")
    return Announcer(settings, Metrics(CollectorRegistry()), keep)


@asynccontextmanager
async def _running(announcer: Announcer) -> AsyncIterator[None]:
    task = asyncio.create_task(announcer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
