"""What is shown of the standings is what stands in the database, whatever changed them; read are those that changed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from ingest.announcer import Announcer
from ingest.metering.calendar import HOUR_US, instant
from ingest.metrics import Metrics
from ingest.settings import BrokerSettings, Settings
from ingest.settlement import Round
from ingest.settler import settle
from ingest.shown import Shown
from ingest.stack import Mosquitto, Stack
from ingest.storage import decisions
from ingest.storage.rebuild import forget_and_mark
from schemas.topics import QUOTA_STATES, quota
from tests.databases import Database
from tests.published import client, retained
from tests.registries import channels, import_files, institution, meter, write_files, write_lines
from tests.running import eventually, own_broker
from tests.settling import NOW, ByHand, by_hand

pytestmark = pytest.mark.usefixtures("marked_by_now")

AREAS: Final = {"I1": 10, "I2": 10, "I3": 10, "I4": 48}
"""The small ones are over their month's quota; the last one was not yet at midnight."""
CODES: Final = tuple(AREAS)
START: Final = datetime(2026, 9, 28, 16, tzinfo=UTC)
"""Midnight of 29 September in China, so that at NOW, in November, a month is shown no longer."""
HOURS: Final = 52 * 24 + 3
HOUR: Final = timedelta(hours=1)
NEXT: Final = START + HOURS * HOUR
"""When each meter is read next: on the running day."""


async def _keep_nothing(_topic: str, _statement: str) -> None:
    pass


def shown_by(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Every quota series of /metrics."""
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        if family.name.startswith("meterwarden_quota_") and family.type == "gauge"
        for sample in family.samples
    }


@dataclass
class Showing:
    """A settler by hand and what it shows."""

    hand: ByHand
    registers: dict[str, int]
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    now: datetime = NOW
    shown: Shown = field(init=False)

    def __post_init__(self) -> None:
        """Shows nothing yet."""
        self.shown = _shown(self.registry)

    @property
    def series(self) -> dict[tuple[str, ...], float]:
        """What is shown."""
        return shown_by(self.registry)

    async def use(self, code: str, kwh: int) -> None:
        """The next hour's reading of the institution's meter, so much above the last one."""
        await self.hand.store([(self.registers[_path(code)], instant(NEXT), 1000 * (HOURS - 1 + kwh))])

    async def round(self, channel_hours: int = 50_000) -> Round:
        """One round, and what it changed is shown."""
        done = await self.hand.settle_some(channel_hours, now=self.now)
        await self.shown.refresh(self.hand.connection, done, self.now)
        return done

    async def it_is_right(self) -> None:
        """Shown is what another who reads everything would show."""
        registry = CollectorRegistry()
        await _shown(registry).everything(self.hand.connection, self.now)
        assert shown_by(registry) == self.series


def _path(code: str) -> str:
    return f"{code}/electricity/E1/energy_import_kwh"


def _shown(registry: CollectorRegistry) -> Shown:
    metrics = Metrics(registry)
    return Shown(metrics, Announcer(BrokerSettings(), metrics, _keep_nothing))


def files(directory: Path, institutions: Sequence[dict[str, object]] | None = None) -> Path:
    """An electricity meter each."""
    lines = institutions or [institution(code, area=area) for code, area in AREAS.items()]
    return write_files(directory, lines, [meter("E1", code) for code in CODES])


@pytest.fixture
async def showing(database: Database, tmp_path: Path) -> AsyncIterator[Showing]:
    """A kilowatt-hour an hour from September on, settled and shown."""
    await import_files(database, files(tmp_path))
    registers = await channels(database)
    async with by_hand(database) as hand:
        found = Showing(hand, registers)
        for register in registers.values():
            await hand.store([(register, instant(START) + n * HOUR_US, 1000 * n) for n in range(HOURS)])
        await hand.settle()
        await found.shown.everything(hand.connection, NOW)
        yield found


async def test_an_institution_that_changed_is_read_and_shown_and_the_others_stay(showing: Showing, database: Database) -> None:
    """What else was written, by hand, is shown within the hour."""
    before = showing.series
    await database.run(
        """UPDATE metering.quota_level SET used_ratio = 77
           WHERE institution = (SELECT institution FROM metering.institution WHERE code = 'I2')"""
    )
    await showing.use("I1", 50)
    done = await showing.round()
    assert 1 == len(done.changed)

    differing = {name for name, value in showing.series.items() if before[name] != value}
    assert differing
    assert all("institution=I1" in name for name in differing)
    showing.now += HOUR
    await showing.round()
    assert 77 in showing.series.values()
    await showing.it_is_right()


async def test_a_standing_that_is_gone_is_shown_no_longer(showing: Showing) -> None:
    """The running day's, of an institution that is over its quota only as long as a reading counts: nothing comes in its place."""
    before = showing.series
    await showing.use("I4", 50)
    await showing.round()
    assert before != showing.series
    one = await decisions.register(showing.hand.connection, "I4/electricity/E1", None, NEXT)
    await decisions.edit(showing.hand.connection, one, NEXT, None, decisions.Grounds("E. Xample", "misread"))
    done = await showing.round()
    assert 1 == len(done.changed)
    assert before == showing.series
    await showing.it_is_right()


async def test_a_round_that_computes_what_stood_there_changes_nothing(showing: Showing) -> None:
    """Readings of an institution that is within its quota come in every round, and its standings once a day."""
    await showing.hand.connection.execute(
        "INSERT INTO metering.mark (channel, utc_hour) SELECT ARRAY[channel], ARRAY[%s] FROM metering.channel",
        [(instant(START) // HOUR_US + HOURS - 48)],
    )
    await showing.hand.connection.commit()
    done = await showing.round()
    assert done.standings
    assert not done.changed
    await showing.it_is_right()


async def test_hour_by_hour_over_the_ends_of_months_what_is_shown_is_right(showing: Showing) -> None:
    """A month ends in China, eight hours later in UTC another is shown no longer; nothing is read that did not change."""
    for day in (datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)):
        showing.now = day + timedelta(hours=12)
        for _ in range(16):
            await showing.round()
            await showing.it_is_right()
            showing.now += HOUR


async def test_the_end_of_a_month_in_utc_is_seen_in_a_round_that_did_nothing(showing: Showing) -> None:
    """Also where it comes within seconds of the round before."""
    showing.now = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    while await showing.round():
        pass
    before = showing.series
    showing.now += timedelta(seconds=1)
    assert not await showing.round()
    assert before != showing.series
    await showing.it_is_right()


async def test_a_changed_registry_is_shown_with_the_next_round(showing: Showing, database: Database, tmp_path: Path) -> None:
    """An institution moves to another region: no standing of it changes, and its series do."""
    moved = [institution(code, area=area, region="WH" if code == "I2" else "XN") for code, area in AREAS.items()]
    directory = files(tmp_path / "moved", moved)
    regions = [{"region": region, "name": region, "timezone": "Asia/Shanghai"} for region in ("XN", "WH")]
    write_lines(directory / "regions.csv", regions)
    assert (await import_files(database, directory)).changed
    for table in ("mark", "affected_later"):  # no verdict, no day's end: the version alone says it
        await showing.hand.connection.execute(f"DELETE FROM metering.{table}")
    await showing.hand.connection.execute(
        "INSERT INTO metering.tick SELECT region, %s FROM metering.region ON CONFLICT DO NOTHING", [NOW.date() - timedelta(days=1)]
    )
    await showing.hand.connection.commit()

    assert not await showing.round()
    assert any("institution=I2" in name and "region=WH" in name for name in showing.series)
    await showing.it_is_right()


async def test_a_rebuild_is_shown_from_its_first_round_to_its_last(showing: Showing, database: Database) -> None:
    """Standings are gone at once and come again, some rounds later, when verdicts are given; no reading may be left of one."""
    await forget_and_mark(database.settings)
    await database.run("DELETE FROM metering.mark WHERE channel[1] = %s", next(iter(showing.registers.values())))
    while await showing.round(channel_hours=1):
        await showing.it_is_right()
    assert showing.series
    await showing.it_is_right()


async def test_whoever_takes_over_shows_what_stands_and_whoever_lets_go_nothing(
    showing: Showing, database: Database, stack: Stack
) -> None:
    """Also one that settled before, and before its first round, which may last."""
    metrics, told = Metrics(CollectorRegistry()), list[str]()

    async def tell(_topic: str, statement: str) -> None:
        told.append(statement)

    broker = BrokerSettings(port=stack.mosquitto.port, username="ingest", password_file=stack.password_file("ingest"))
    announcer = Announcer(broker, metrics, tell)
    settings = Settings(broker=broker, database=database.settings)
    async with _settling(settings, metrics, announcer):
        await eventually(lambda: showing.series == shown_by(metrics.registry), "all is shown")
        await eventually(lambda: len(set(told)) == 2 * len(CODES), "all is sent")
    assert not shown_by(metrics.registry)

    await showing.use("I1", 50)
    await showing.round()
    first = len(told)
    async with _no_round(database), _settling(settings, metrics, announcer):
        await eventually(lambda: showing.series == shown_by(metrics.registry), "what changed meanwhile is shown")
        await eventually(lambda: len(set(told[first:])) == 2 * len(CODES), "all is sent")
    assert 1 == len(set(told[first:]) - set(told[:first]))


async def test_what_the_broker_retains_of_a_code_that_is_gone_is_taken_back_whenever_it_went(
    showing: Showing, database: Database, stack: Stack, tmp_path: Path
) -> None:
    """One is renamed while nobody settles, another while somebody does; what another city's service has published there stays."""

    async def tell(topic: str, statement: str) -> None:
        await database.run("INSERT INTO metering.notice (sent_at, topic, statement) VALUES (now(), %s, %s)", topic, statement)

    assert showing.series
    metrics = Metrics(CollectorRegistry())
    with own_broker(stack.programs) as mosquitto:
        mosquitto.start()
        async with client(mosquitto, "ingest") as elsewhere:
            await elsewhere.publish(quota("K9", "water_per_capita"), "{}", qos=1, retain=True)
        broker = _broker_settings(mosquitto, tmp_path)
        settings = Settings(broker=broker, database=database.settings)
        async with _settling(settings, metrics, Announcer(broker, metrics, tell)):
            await eventually(lambda: _retains(mosquitto, "K9", *CODES), "all is sent")
        await _rename(database, "I2", "J2")
        async with _settling(settings, metrics, Announcer(broker, metrics, tell)):
            await eventually(lambda: _retains(mosquitto, "K9", "I1", "J2", "I3", "I4"), "what was renamed before is taken back")
            await _rename(database, "I3", "J3")
            await eventually(lambda: _retains(mosquitto, "K9", "I1", "J2", "J3", "I4"), "what is renamed now is taken back")
    taken_back = await database.rows(
        "SELECT split_part(topic, '/', 3) FROM metering.notice WHERE statement = 'null' ORDER BY notice"
    )
    assert ["I2", "I2", "I3", "I3"] == [code for (code,) in taken_back]


async def test_what_a_rebuild_derives_again_is_not_taken_back_meanwhile(
    showing: Showing, database: Database, stack: Stack, tmp_path: Path
) -> None:
    """Its standings are gone for some rounds: whoever reads the broker would see nobody stand anywhere."""
    told = list[str]()

    async def tell(topic: str, statement: str) -> None:
        await database.run("INSERT INTO metering.notice (sent_at, topic, statement) VALUES (now(), %s, %s)", topic, statement)
        told.append(statement)

    metrics = Metrics(CollectorRegistry())
    with own_broker(stack.programs) as mosquitto:
        mosquitto.start()
        announcer = Announcer(_broker_settings(mosquitto, tmp_path), metrics, tell)
        showing.shown = Shown(metrics, announcer)
        await showing.shown.everything(showing.hand.connection, NOW)
        task = asyncio.create_task(announcer.run())
        await eventually(lambda: len(told) == 2 * len(CODES), "all is sent")
        await forget_and_mark(database.settings)
        was_left = False
        while await showing.round(channel_hours=1):
            was_left |= bool(announcer.leftovers)
            await eventually(lambda: _retains(mosquitto, *CODES), "all that stood is still there")
        assert was_left
        assert "null" not in told
        task.cancel()
        await asyncio.wait({task})


def _broker_settings(mosquitto: Mosquitto, directory: Path) -> BrokerSettings:
    password_file = directory / "password"
    password_file.write_text(mosquitto.password("ingest"), encoding="utf-8")
    return BrokerSettings(port=mosquitto.port, username="ingest", password_file=password_file)


async def _rename(database: Database, code: str, new: str) -> None:
    await database.run("UPDATE metering.institution SET code = %s WHERE code = %s", new, code)
    await database.run("UPDATE metering.registry_version SET version = version + 1")


async def _retains(broker: Mosquitto, *codes: str) -> bool:
    """Whether the broker retains states of these institutions and no others."""
    return set(codes) == {topic.split("/")[2] for topic in await retained(broker, QUOTA_STATES)}


@asynccontextmanager
async def _no_round(database: Database) -> AsyncIterator[None]:
    """Inside the block a round waits for the marks."""
    async with await psycopg.AsyncConnection.connect(database.superuser_url) as connection:
        await connection.execute("LOCK TABLE metering.mark IN ACCESS EXCLUSIVE MODE")
        yield
        await connection.rollback()


@asynccontextmanager
async def _settling(settings: Settings, metrics: Metrics, announcer: Announcer) -> AsyncIterator[None]:
    task = asyncio.create_task(settle(settings, metrics, announcer, lambda: NOW))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
