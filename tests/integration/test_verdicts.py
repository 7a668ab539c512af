"""A backlog of more marks than a round takes: verdicts are put off and come, and memory does not grow with it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest import verdicts
from ingest.metering.calendar import HOUR_US, instant
from ingest.metering.levels import Thresholds
from ingest.storage.levels import PUT_OFF
from tests.databases import Database
from tests.registries import QUOTAS, channels, import_files, institution, meter, write_files
from tests.settling import NOW, by_hand, derived, rebuild, settle_all, settle_once, store

pytestmark = pytest.mark.usefixtures("marked_by_now")

START = instant(datetime(2026, 9, 30, 16, tzinfo=UTC))
DAY = 24
LEVELS = "SELECT count(*) > 0 FROM metering.quota_level WHERE used > 0"
LATER = "SELECT count(*) > 0 FROM metering.affected_later"


async def _ten_days(database: Database, directory: Path) -> None:
    """An hourly reading over ten days, marked a day at a time."""
    await import_files(database, write_files(directory))
    await settle_all(database)
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    hours = [(channel, START + n * HOUR_US, 20_000 * n) for n in range(10 * DAY)]
    await store(database, [hours[n : n + DAY] for n in range(0, len(hours), DAY)])


async def test_verdicts_wait_while_marks_do_and_are_those_of_a_rebuild(database: Database, tmp_path: Path) -> None:
    """Whoever settles next, after a stop or a crash, knows whose were put off."""
    await _ten_days(database, tmp_path)
    await settle_once(database, channel_hours=DAY)
    assert [(False,)] == await database.rows(LEVELS)
    assert [(True,)] == await database.rows(LATER)

    await settle_all(database, channel_hours=DAY)
    assert [(True,)] == await database.rows(LEVELS)
    assert [(False,)] == await database.rows(LATER)
    settled = await derived(database)
    await rebuild(database)
    assert settled == await derived(database)


async def test_verdicts_wait_no_longer_than_said(database: Database, tmp_path: Path) -> None:
    """However long the backlog."""
    await _ten_days(database, tmp_path)
    async with by_hand(database) as hand:
        await hand.settle_some(DAY, now=NOW)
        await hand.settle_some(DAY, now=NOW + PUT_OFF - timedelta(seconds=1))
        assert [(False,)] == await database.rows(LEVELS)
        await hand.settle_some(DAY, now=NOW + PUT_OFF)
        assert [(True,)] == await database.rows(LEVELS)
    assert [(True,)] == await database.rows("SELECT count(*) > 0 FROM metering.mark")


async def test_institutions_assessed_some_at_a_time_stand_as_those_assessed_together(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month of a city does not fit in memory at once."""
    await _five_institutions(database, tmp_path)
    together = await derived(database)

    monkeypatch.setattr(verdicts, "DAYS_AT_ONCE", 2)
    await rebuild(database)
    assert together == await derived(database)
    assert 5 == len(set(await database.rows("SELECT institution FROM metering.quota_level")))


async def test_of_institutions_assessed_some_at_a_time_those_written_are_not_written_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the work a square of how many there are: what one part computed is gone when the next begins."""
    await _five_institutions(database, tmp_path)
    monkeypatch.setattr(verdicts, "DAYS_AT_ONCE", 2)
    async with by_hand(database) as hand:
        await hand.connection.execute("INSERT INTO affected_day SELECT institution, medium, day FROM metering.institution_day")
        given = await verdicts.verdicts(hand.connection, NOW, Thresholds())
        ((held,),) = await (await hand.connection.execute("SELECT count(DISTINCT institution) FROM settled_level")).fetchall()
    assert given.standings > 5
    assert held <= 1


@pytest.mark.parametrize(("days", "months"), [(-10, {0}), (1, {480_000_000, 0})])
async def test_what_only_a_longer_period_proves_counts_for_it_and_for_no_shorter_one(
    database: Database, tmp_path: Path, days: int, months: set[int]
) -> None:
    """Twenty silent days, over a month's end or within: how much of it lies on which day or in which month nobody knows."""
    await import_files(database, write_files(tmp_path))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    begin = START + days * DAY * HOUR_US
    await store(database, [[(channel, begin, 0), (channel, begin + 20 * DAY * HOUR_US, 480_000)]])
    await settle_all(database)
    used = await database.rows(
        """SELECT DISTINCT ON (period_kind, period_start) period_kind, used FROM metering.quota_level
           WHERE indicator = 'electricity_per_area' ORDER BY period_kind, period_start, day DESC"""
    )
    assert {("year", 480_000_000), *(("month", amount) for amount in months)} == set(used)


async def test_what_was_expected_before_the_first_day_with_a_row_is_missing(database: Database, tmp_path: Path) -> None:
    """The meters are registered for years and heard since October: of the year nearly nothing is known."""
    await _five_institutions(database, tmp_path)
    known = await database.rows(
        """SELECT DISTINCT period_kind, level, measured_us / 86400000000, expected_us / 86400000000 FROM metering.quota_level
           WHERE indicator = 'electricity_per_area' AND day = '2026-10-03'"""
    )
    assert {("month", "within", 3, 3), ("year", "not_assessable", 3, 276)} == set(known)


async def _five_institutions(database: Database, directory: Path) -> None:
    """Hourly readings of four days each, settled."""
    codes = [f"I{n}" for n in range(5)]
    await import_files(
        database, write_files(directory, institutions=map(institution, codes), meters=[meter("E1", code) for code in codes])
    )
    numbers = await channels(database)
    registers = [numbers[f"{code}/electricity/E1/energy_import_kwh"] for code in codes]
    await store(database, [[(register, START + n * HOUR_US, 9_000 * n) for register in registers for n in range(99)]])
    await settle_all(database)


async def test_what_an_institution_without_a_meter_lacks_is_said_as_the_registry_has_it_now(
    database: Database, tmp_path: Path
) -> None:
    """No channel of it can be marked: its days are judged anew all the same, those of closed months too."""
    lacks = "SELECT DISTINCT missing FROM metering.quota_level WHERE indicator = 'electricity_per_area' AND period_kind = 'month'"
    now = datetime.now(UTC)
    await import_files(database, write_files(tmp_path / "before", institutions=[institution(area=None)], meters=[]))
    await settle_all(database, now=now - timedelta(days=40))
    await settle_all(database, now=now)
    assert [(["floor_area_m2"],)] == await database.rows(lacks)

    await import_files(database, write_files(tmp_path / "after", meters=[]))
    await settle_all(database, now=now)
    assert [([],)] == await database.rows(lacks)


async def test_the_largest_allowance_that_the_registry_takes_is_settled_and_shown(database: Database, tmp_path: Path) -> None:
    """One that does not fit its column would stop settlement for everybody."""
    quotas = [{**QUOTAS[0], "constraint": "999999.999999"}]
    await import_files(database, write_files(tmp_path, institutions=[institution(area=9999999.999)], quotas=quotas))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    await store(database, [[(channel, START + n * HOUR_US, 9_000 * n) for n in range(40 * DAY)]])
    await settle_all(database)

    shown = "SELECT level, allowance > 9.9e12 FROM meterwarden.quota_status WHERE period_start = '2026-10-01' AND allowance > 0"
    assert {("within", True)} == set(await database.rows(shown))


async def test_a_period_is_closed_when_its_last_day_is_and_not_before(database: Database, tmp_path: Path) -> None:
    """Exceeded at noon of the last day: that is said at once, but the month has twelve hours left."""
    await import_files(database, write_files(tmp_path))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    last = datetime(2026, 10, 31, 4, tzinfo=UTC)
    await store(database, [[(channel, START + n * HOUR_US, 20_000 * n) for n in range(30 * DAY + 13)]])
    month = """SELECT as_of::text, level, closed, rating FROM meterwarden.quota_status
               WHERE period_start = '2026-10-01' AND indicator = 'electricity_per_area' AND period_kind = 'month'"""
    await settle_all(database, now=last)
    assert [("2026-10-31", "exceeded", False, None)] == await database.rows(month)
    await settle_all(database, now=last + timedelta(days=1))
    assert [("2026-10-31", "exceeded", True, "over")] == await database.rows(month)
