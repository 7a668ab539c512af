"""What stands in closed days and changes: kept on record; what lies before the raw readings that are kept: not rewritten."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.metering.calendar import HOUR_US, instant, moment
from ingest.settlement import Round
from ingest.storage import decisions
from ingest.storage.connection import connected
from tests.databases import Database
from tests.registries import channels, import_files, write_files
from tests.settling import NOW, derived, differences, rebuild, settle_all, settle_once, store

pytestmark = pytest.mark.usefixtures("marked_by_now")

START = instant(datetime(2026, 10, 1, tzinfo=UTC) - timedelta(hours=8))
DAY_US = 24 * HOUR_US
CHANGES = (
    "SELECT day::text, old_amount, new_amount, old_measured_us, new_measured_us FROM metering.day_change ORDER BY 1, changed_at"
)


async def _ten_days(database: Database, tmp_path: Path, *, without: tuple[int, ...] = ()) -> int:
    """Ten days of 10 units an hour; some readings may be missing. Returns the channel."""
    await import_files(database, write_files(tmp_path))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    rows = [(channel, START + n * HOUR_US, 10 * n) for n in range(240) if n not in without]
    await store(database, [rows])
    return channel


async def test_a_late_reading_leaves_a_record_of_the_closed_day_it_changes(database: Database, tmp_path: Path) -> None:
    """Days that are new leave none; the view shows it to readers in units."""
    channel = await _ten_days(database, tmp_path, without=(48,))
    await settle_all(database)
    assert [] == await database.rows(CHANGES)
    await store(database, [[(channel, START + 48 * HOUR_US, 478)]])
    await settle_all(database)

    expected = [("2026-10-02", 240_000, 238_000), ("2026-10-03", 240_000, 242_000)]
    assert expected == [row[:3] for row in await database.rows(CHANGES)]
    assert [("E1", "0.240000", "0.238000", "kWh", NOW)] == await database.rows(
        """SELECT meter, old_amount::text, new_amount::text, unit, changed_at FROM meterwarden.day_change
           WHERE day = '2026-10-02'"""
    )


async def test_the_running_day_may_change_without_a_record(database: Database, tmp_path: Path) -> None:
    """A day is closed six hours after its end in the channel's own zone: in Shanghai at 22:00 UTC."""
    channel = await _ten_days(database, tmp_path)
    today = moment(START + 10 * DAY_US + 6 * HOUR_US - 1)
    await settle_all(database, now=today)
    await store(database, [[(channel, START + 240 * HOUR_US - 1, 2399)]])
    await settle_all(database, now=today)
    assert [] == await database.rows(CHANGES)
    await store(database, [[(channel, START + 240 * HOUR_US - 1, 2398)]])
    await settle_all(database, now=today + timedelta(microseconds=1))

    assert [("2026-10-10", 239_000, 230_000)] == [row[:3] for row in await database.rows(CHANGES)]


async def test_a_rebuild_records_what_comes_out_otherwise_and_nothing_else(database: Database, tmp_path: Path) -> None:
    """Equal rows leave no record; a row that stood there by another rule does, and so does one that is gone."""
    await _ten_days(database, tmp_path)
    await settle_all(database)
    await rebuild(database)
    assert [] == await database.rows(CHANGES)
    await database.run("UPDATE metering.consumption_day SET amount = 7 WHERE day = '2026-10-04'")
    await database.run("INSERT INTO metering.consumption_day SELECT channel, '2026-09-01', 5, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
                       "FROM metering.consumption_day LIMIT 1")  # fmt: skip
    await rebuild(database)

    assert [("2026-09-01", 5, None), ("2026-10-04", 7, 240_000)] == [row[:3] for row in await database.rows(CHANGES)]
    assert [(0,)] == await database.rows("SELECT count(*) FROM metering.forgotten_day")


async def test_a_day_that_loses_its_only_readings_is_recorded_as_gone(database: Database, tmp_path: Path) -> None:
    """The new amount is empty."""
    await import_files(database, write_files(tmp_path))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    await store(database, [[(channel, START, 0), (channel, START + HOUR_US, 10)]])
    await settle_all(database)
    await store(database, [[(channel, START + HOUR_US, 11)]])
    await settle_all(database)

    assert [("2026-10-01", 10_000, None, HOUR_US, None)] == await database.rows(CHANGES)


async def test_no_round_rewrites_what_begins_before_the_readings_that_are_kept(database: Database, tmp_path: Path) -> None:
    """Late readings for then are stored and counted; a mark across the instant settles what lies behind it."""
    channel = await _ten_days(database, tmp_path, without=(100, 150))
    await settle_all(database)
    before = await derived(database)
    await database.run("UPDATE metering.retention SET raw_kept_since = %s", moment(START + 5 * DAY_US + HOUR_US))
    await store(database, [[(channel, START + 100 * HOUR_US, 991)]])
    assert 1 == (await settle_once(database)).too_late
    assert before == await derived(database)

    await store(database, [[(channel, START + 99 * HOUR_US + 1, 990), (channel, START + 150 * HOUR_US, 1503)]])
    assert 1 == (await settle_once(database)).too_late
    assert [(241,)] == await database.rows("SELECT count(*) FROM metering.reading")
    assert [("2026-10-06 21:00:00+00", 13_000), ("2026-10-06 22:00:00+00", 7_000)] == await database.rows(
        "SELECT hour::text, amount FROM metering.consumption_hour WHERE amount <> 10000 ORDER BY hour"
    )
    after = await derived(database)
    kept = [row for row in before["consumption_day"] if "2026-10-07" > row[0].split(",")[1]]
    assert 6 == len(kept)
    assert set(kept) <= set(after["consumption_day"])


async def test_a_rebuild_keeps_what_can_no_longer_be_derived(database: Database, tmp_path: Path) -> None:
    """Chunks may be gone: what was derived from them stays, and what follows is derived again to the same rows."""
    await _ten_days(database, tmp_path)
    await settle_all(database)
    before = await derived(database)
    since = moment(START + 5 * DAY_US)
    await database.run("UPDATE metering.retention SET raw_kept_since = %s", since)
    await database.run("DELETE FROM metering.reading WHERE read_at < %s", since)
    await rebuild(database)

    assert before == await derived(database)
    assert [] == await database.rows(CHANGES)


async def test_a_silence_is_shared_out_by_the_hours_that_stand_also_where_a_later_edit_would_move_them(
    database: Database, tmp_path: Path
) -> None:
    """The step over the first midnight that is kept is edited; a silence a week later takes the hour before it as its like."""
    half, silent = HOUR_US // 2, range(24 * 11 - 5, 24 * 11 + 8)
    await import_files(database, write_files(tmp_path))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    rows = [(channel, START + n * HOUR_US + half, 10_000 * n) for n in range(24 * 13) if n not in silent]
    await store(database, [rows[: 24 * 8]])
    await settle_all(database)
    since = moment(START + 4 * DAY_US)
    await database.run("UPDATE metering.retention SET raw_kept_since = %s", since)
    await database.run("DELETE FROM metering.reading WHERE read_at < %s", since)
    async with connected(database.settings) as connection:
        register = await decisions.register(connection, "I1/electricity/E1", None, since)
        edited = moment(START + 4 * DAY_US + half)
        await decisions.edit(connection, register, edited, Decimal("965"), decisions.Grounds("E. Xample", "misread"))
    await settle_all(database)
    await store(database, [rows[24 * 8 :]])
    await settle_all(database)
    before = await derived(database)
    await rebuild(database)

    assert [("like_days",)] == await database.rows("SELECT kind FROM metering.channel_event")
    assert [] == differences(before, await derived(database))


async def test_nothing_to_do_is_nothing_done(database: Database) -> None:
    """An empty database settles to nothing."""
    assert Round(0, 0, 0) == await settle_once(database)
