"""The settler is cut off or killed in the middle of a round: the next one finds every mark, and the quota states come out right."""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from ingest.announcer import most_serious
from ingest.stack import Stack, free_port
from ingest.storage.connection import connected
from ingest.storage.standings import current_standings
from schemas import topics
from schemas.quota import QuotaAlert
from tests.databases import Database
from tests.faults.conftest import Judge, register_fleet
from tests.faults.gateway import Gateway
from tests.faults.stream import ELECTRICITY, Stream
from tests.faults.wire import COMMITTED
from tests.faults.workers import SETTLING, all_is_settled, the_settler
from tests.proxy import Link, Proxy, Verdict, Way
from tests.published import client
from tests.running import eventually, running_service

SMALL_BATCHES: Final = {"batch__messages": 100, "batch__age_seconds": 0.1}
AREA_M2: Final = 0.1
"""So small that the stream uses more than its month's 1 kWh within seconds."""
A_PLACE: Final = 300
"""Messages published before each place of a round."""
A_FEW: Final = 20
"""So few that one round takes the marks of them all, and none comes later that would make good for a lost one."""


@dataclass(slots=True)
class InARound:
    """Watches the settler's connection and gives its verdict once: at the first bytes that say the round is at a place."""

    place: bytes
    way: Way
    verdict: Verdict
    done: bool = False

    def __call__(self, link: Link, way: Way, chunk: bytes) -> Verdict:
        if way is Way.TO_SERVER and b"COPY settled_range" in chunk:
            link.seen.add("round")
        if self.done or "round" not in link.seen or way is not self.way or self.place not in chunk:
            return Verdict.PASS
        self.done = True
        return self.verdict


def in_a_round(verdict: Verdict) -> list[InARound]:
    """From the first rows to the answer of the commit, in the order of a round."""
    return [
        InARound(b"COPY settled_range", Way.TO_SERVER, verdict),
        InARound(b"COPY settled_day", Way.TO_SERVER, verdict),
        InARound(b"COPY settled_state", Way.TO_SERVER, verdict),
        InARound(b"COMMIT", Way.TO_SERVER, verdict),
        InARound(COMMITTED, Way.TO_CLIENT, verdict),
    ]


@pytest.fixture
async def stream(database: Database, tmp_path: Path, seed: int) -> Stream:
    """The fleet's messages; its institution is soon over its quota."""
    return Stream(await register_fleet(database, tmp_path, area=AREA_M2), seed)


async def test_a_settler_cut_off_at_every_place_of_a_round_loses_no_mark(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """Reset before, between and after its writes, at its commit and before the answer: settled on a new connection."""
    gateway = Gateway(stack.mosquitto)
    async with Proxy(stack.postgres.port, free_port()) as proxy:
        settings = {"database_port": proxy.port, **SETTLING, **SMALL_BATCHES}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            for cut in in_a_round(Verdict.CUT):
                await gateway.publish(stream.take(A_PLACE))
                await it_is_settled(database, stream)
                proxy.watch = cut
                await gateway.publish(stream.take(A_FEW))
                await eventually(lambda cut=cut: cut.done, f"cut at {cut.place!r}")
                await it_is_settled(database, stream)
            await the_settler([service])
            assert 5 == await service.metric('settlement_rounds_total{result="failed"}')
            await judge(database, stream, rebuilt=False)
            await all_is_settled(database)
            await the_quota_is_right(stack, database, stream)
            assert 0 == await service.terminate()
    await judge(database, stream)


async def test_a_settler_killed_at_every_place_of_a_round_loses_no_mark(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge
) -> None:
    """SIGKILL while the round stands still at the place: its transaction ends with it, and the next process settles all."""
    gateway = Gateway(stack.mosquitto)
    async with Proxy(stack.postgres.port, free_port()) as proxy:
        settings = {"database_port": proxy.port, **SETTLING, **SMALL_BATCHES}
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            for hold in in_a_round(Verdict.HOLD):
                await gateway.publish(stream.take(A_PLACE))
                await it_is_settled(database, stream)
                proxy.watch = hold
                await gateway.publish(stream.take(A_FEW))
                await eventually(lambda hold=hold: hold.done, f"held at {hold.place!r}")
                await service.kill()
                await service.start()
                await it_is_settled(database, stream)
            await judge(database, stream, rebuilt=False)
            await all_is_settled(database)
            await the_quota_is_right(stack, database, stream)
            assert 0 == await service.terminate()
    await judge(database, stream)


async def the_quota_is_right(stack: Stack, database: Database, stream: Stream) -> None:
    """Exceeded since the day it was, and retained at the broker what the database says."""
    transitions = """SELECT DISTINCT level, previous_level FROM metering.quota_level
                     WHERE indicator = 'electricity_per_area' AND period_kind = 'month' AND level <> previous_level"""
    await it_is_settled(database, stream)
    assert [("exceeded", "not_assessable")] == await database.rows(transitions)
    await eventually(lambda: _is_retained(stack, database, stream), "retained states are the standings")


async def it_is_settled(database: Database, stream: Stream) -> None:
    """Wait until what was used is, to the watt-hour, what the ledger says."""
    used = """SELECT sum(used)::bigint / 1000 FROM (
                  SELECT DISTINCT ON (period_start) used FROM metering.quota_level
                  WHERE indicator = 'electricity_per_area' AND period_kind = 'month' ORDER BY period_start, day DESC) AS last"""
    await eventually(lambda: _first(database, used, _used_wh(stream)), f"{_used_wh(stream)} Wh used")


async def _first(database: Database, query: str, wanted: int) -> bool:
    return [(wanted,)] == await database.rows(query)


def _used_wh(stream: Stream) -> int:
    """By the ledger: of every meter the register's difference between its first and its last reading that is not disputed."""
    total = 0
    for meter in ELECTRICITY:
        values = [next(iter(found)) for key, found in stream.ledger.values.items() if key.meter == meter and len(found) == 1]
        total += max(values) - min(values)
    return total


async def _is_retained(stack: Stack, database: Database, stream: Stream) -> bool:
    async with connected(database.settings) as connection:
        standings = most_serious(await current_standings(connection, datetime.now(UTC)))
    wanted = {topics.quota(one.institution, one.indicator): one for one in standings}
    found = {}
    async with client(stack.mosquitto) as subscriber:
        await subscriber.subscribe(topics.quota(stream.institution, "+"), qos=1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):  # the next try sees what was published too late for this one
                while len(found) < len(wanted):
                    message = await anext(subscriber.messages)
                    found[str(message.topic)] = QuotaAlert.model_validate_json(message.payload)
    return found == wanted and found[topics.quota(stream.institution, "electricity_per_area")].level == "exceeded"
