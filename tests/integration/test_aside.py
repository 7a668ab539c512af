"""A register by which settlement fails is set aside; everybody else is settled, and it is tried again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from ingest import aside as aside_module
from ingest import settlement
from ingest.aside import TRY_AGAIN, Aside
from ingest.errors import Unavailable
from ingest.metering.calendar import HOUR_US, instant
from ingest.metering.levels import Thresholds
from ingest.metrics import Metrics
from ingest.settlement import Round, settle_round
from ingest.stack import Stack
from tests.databases import Database
from tests.published import publish as sent
from tests.published import readings, topic
from tests.registries import channels, import_files, institution, meter, write_files
from tests.running import Service, eventually, running_service
from tests.settling import NOW, ByHand, by_hand, derived, rebuild, settle_all, store

pytestmark = pytest.mark.usefixtures("marked_by_now")

START = instant(datetime(2026, 11, 2, tzinfo=UTC))
CODES = [f"I{number}" for number in range(9)]
SETTLED = "SELECT DISTINCT channel FROM metering.consumption_day ORDER BY 1"
ASIDE = "SELECT channel, first_hour, last_hour FROM metering.channel_aside ORDER BY 1"
NO = "no hour of it will do"


@pytest.fixture
async def meters(database: Database, tmp_path: Path) -> list[int]:
    """The channels of nine institutions' meters, with readings of ten hours each, all in one mark."""
    files = write_files(tmp_path, institutions=map(institution, CODES), meters=[meter("E1", code) for code in CODES])
    await import_files(database, files)
    await settle_all(database)
    numbers = await channels(database)
    found = sorted(numbers[f"{code}/electricity/E1/energy_import_kwh"] for code in CODES)
    await store(database, [hours(found, 0, 10)])
    return found


def hours(of: list[int], first: int, beyond: int) -> list[tuple[int, int, int]]:
    """A reading an hour."""
    return [(channel, START + n * HOUR_US, 1_000 * n) for channel in of for n in range(first, beyond)]


@asynccontextmanager
async def refused(database: Database, of: list[int]) -> AsyncIterator[None]:
    """No hour of some channels can be written inside the block: an error that says so of nothing but the data."""
    numbers = ", ".join(map(str, of))
    await database.run(f"""
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE '{NO}'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON metering.consumption_hour FOR EACH ROW WHEN (NEW.channel IN ({numbers}))
        EXECUTE FUNCTION public.refuse()
    """)
    yield
    await database.run("DROP FUNCTION public.refuse CASCADE")


async def rounds(hand: ByHand, aside: Aside, now: datetime = NOW) -> None:
    """Until there is nothing left to do."""
    await aside.try_again(hand.connection, now)
    settle = partial(settle_round, hand.connection, hand.channels, now, 50_000, Thresholds())
    while await aside.round(hand.connection, settle, 50_000, now):
        pass


async def test_all_but_those_that_fail_are_settled_and_these_once_they_do_not(database: Database, meters: list[int]) -> None:
    """Two of nine in one mark, and what comes of them while they are aside; in the end the rows are those of a rebuild."""
    bad = [meters[3], meters[8]]
    metrics = Metrics(CollectorRegistry())
    aside = Aside(metrics)
    async with by_hand(database) as hand:
        async with refused(database, bad):
            await rounds(hand, aside)
            assert [channel for channel in meters if channel not in bad] == [row[0] for row in await database.rows(SETTLED)]
            await hand.store(hours(meters, 10, 30))
            await rounds(hand, aside)
            begin = START // HOUR_US
            assert [(channel, begin, begin + 29) for channel in bad] == await database.rows(ASIDE)
            assert bad == sorted(aside.channels)
            assert [] == await database.rows("SELECT FROM metering.mark")
            assert {NO} == {
                reason.partition(": ")[2] for (reason,) in await database.rows("SELECT reason FROM metering.channel_aside")
            }
        await rounds(hand, aside, NOW + TRY_AGAIN - timedelta(seconds=1))
        assert 2 == len(await database.rows(ASIDE))
        await rounds(hand, aside, NOW + TRY_AGAIN)
        assert [] == await database.rows(ASIDE)
        assert set() == aside.channels
        await hand.settle(now=NOW + TRY_AGAIN)
    assert meters == [row[0] for row in await database.rows(SETTLED)]
    settled = await derived(database)
    await rebuild(database, now=NOW + TRY_AGAIN)
    assert settled == await derived(database)


async def test_all_that_fail_are_found_by_the_halves_of_one_round_and_an_hour_later_at_once(
    database: Database, meters: list[int]
) -> None:
    """Else a whole round would fail for each of them, and every hour anew; also by a settler that has just begun."""
    bad = meters[1:8:3]
    tried: list[frozenset[int] | None] = []
    async with by_hand(database) as hand, refused(database, bad):
        settle_ = partial(settle_round, hand.connection, hand.channels, NOW, 50_000, Thresholds())

        async def settle(only: frozenset[int] | None = None, **given: object) -> Round:
            tried.append(only)
            return await settle_(only=only, **given)  # type: ignore[arg-type]

        aside = Aside(Metrics(CollectorRegistry()))
        await aside.round(hand.connection, settle, 50_000, NOW)
        assert 2 == tried.count(None)
        assert set(bad) == aside.channels == {row[0] for row in await database.rows(ASIDE)}
        for later in (aside, Aside(Metrics(CollectorRegistry()))):
            await hand.store(hours(meters, 10, 11))
            tried.clear()
            await later.try_again(hand.connection, NOW + TRY_AGAIN)
            await later.round(hand.connection, settle, 50_000, NOW)
            assert tried[0] is tried[-1] is None
            assert {frozenset([channel]) for channel in bad} == set(tried[1:-1])
            assert len(bad) == len(tried[1:-1])
            assert set(bad) == later.channels


async def test_an_error_of_our_own_is_contained_as_one_of_the_database_is(
    database: Database, meters: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever code raises while it settles one channel."""
    settle = settlement.settle
    bad = set(meters[:1])

    def fails_for_one(channel: object, start: object, found: list[object], *rest: object) -> object:
        if len(found) == 10:
            raise ZeroDivisionError("of its own")
        return settle(channel, start, found, *rest)  # type: ignore[arg-type]

    await database.run("DELETE FROM metering.reading WHERE channel <> %s AND read_at = '2026-11-02T09:00Z'", min(bad))
    monkeypatch.setattr(settlement, "settle", fails_for_one)
    async with by_hand(database) as hand:
        await rounds(hand, Aside(Metrics(CollectorRegistry())))
    assert [channel for channel in meters if channel not in bad] == [row[0] for row in await database.rows(SETTLED)]
    assert bad == {row[0] for row in await database.rows(ASIDE)}


async def test_what_is_the_worlds_fault_or_no_single_channels_sets_nobody_aside(database: Database, meters: list[int]) -> None:
    """A statement that takes too long; and a mark that nothing comes of, since every round fails whatever is in it."""
    assert meters
    async with by_hand(database) as hand:
        await hand.connection.execute("SET statement_timeout = '200ms'")
        await hand.connection.commit()
        async with await psycopg.AsyncConnection.connect(database.superuser_url) as other:
            await other.execute("LOCK TABLE metering.consumption_hour")
            with pytest.raises(psycopg.errors.QueryCanceled):
                await rounds(hand, Aside(Metrics(CollectorRegistry())))
            await other.rollback()
        await hand.connection.rollback()
        await hand.connection.execute("RESET statement_timeout")
        await hand.connection.commit()
        await database.run("ALTER TABLE metering.tick ADD CONSTRAINT never CHECK (false) NOT VALID")
        await database.run("DELETE FROM metering.mark")
        await database.run("DELETE FROM metering.tick")
        with pytest.raises(Unavailable, match="never"):
            await rounds(hand, Aside(Metrics(CollectorRegistry())))
    assert [] == await database.rows(ASIDE)


async def test_where_many_fail_no_more_are_set_aside(
    database: Database, meters: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a fault of the program would set the whole city aside, one by one."""
    monkeypatch.setattr(aside_module, "MOST", 2)
    async with by_hand(database) as hand, refused(database, meters):
        with pytest.raises(Unavailable, match=NO):
            await rounds(hand, Aside(Metrics(CollectorRegistry())))
    assert 2 == len(await database.rows(ASIDE))


async def test_the_service_goes_on_says_so_and_tries_again_at_its_start(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Intake stores what comes, `/metrics` has the number, the view names the register."""
    number = (await channels(database))[f"{code}/electricity/E1/energy_import_kwh"]
    settings = {"settlement__enabled": True, "settlement__round_seconds": 0.1}
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
        async with refused(database, [number]):
            await sent(stack.mosquitto, topic(code), readings(range(20)))
            await service.counted(stored=20)
            await eventually(partial(_aside_is, service, 1))
            named = await database.rows("SELECT institution, meter, register, reason FROM meterwarden.channel_aside")
            assert [(code, "E1", "energy_import_kwh")] == [row[:3] for row in named]
            assert NO in named[0][3]
            await sent(stack.mosquitto, topic(code), readings(range(20, 40)))
            await service.counted(stored=40)
        assert 0 == await service.terminate()
        await service.start()
        await service.ready()
        await eventually(partial(_has_rows, database, SETTLED), "settled after all")
        await eventually(partial(_aside_is, service, 0))
    assert [] == await database.rows(ASIDE)


async def _aside_is(service: Service, number: int) -> bool:
    return number == await service.metric("settlement_channels_aside")


async def _has_rows(database: Database, query: str) -> bool:
    return bool(await database.rows(query))
