"""Institutions and meters that say nothing: missing on every day, also where the settler was away, also after a rebuild."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest.metering.calendar import HOUR_US, instant
from ingest.settlement import Round
from tests.databases import Database
from tests.registries import channels, import_files, institution, meter, write_files
from tests.settling import (
    derived,
    derived_equals_rebuild,
    differences,
    rebuild,
    settle_all,
    settle_once,
    store,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
START = instant(datetime(2026, 10, 1, tzinfo=SHANGHAI))
pytestmark = pytest.mark.usefixtures("marked_by_now")


async def test_a_silent_institution_is_not_assessable_and_says_why(database: Database, tmp_path: Path) -> None:
    """Without readings there is no verdict: the tick of the closed day makes the silence visible."""
    await import_files(database, write_files(tmp_path))
    await settle_all(database)

    rows = await database.rows(
        """SELECT DISTINCT indicator, level, missing_share::int FROM meterwarden.quota_status
           WHERE period_kind = 'month' ORDER BY 1"""
    )
    assert [("electricity_per_area", "not_assessable", 1), ("water_per_person", "not_assessable", 1)] == rows
    assert Round(0, 0) == await settle_once(database)


async def test_a_meter_that_never_sent_a_reading_is_in_a_rebuild_too(database: Database, tmp_path: Path, now: datetime) -> None:
    """Its institution's days are there with nothing measured, whether they were derived at its import or rebuilt."""
    await import_files(database, write_files(tmp_path, meters=[meter(), meter("C1", medium="charger")]))
    electricity = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    await store(database, [[(electricity, START, 0), (electricity, START + HOUR_US, 5)]])
    await settle_all(database, now=now)
    before = await derived(database)
    assert any(",charger," in row for (row,) in before["institution_day"])
    await derived_equals_rebuild(database, now)
    assert [] == differences(before, await derived(database))


async def test_a_meter_registered_late_is_missing_on_every_day_its_institution_was_silent(
    database: Database, tmp_path: Path, now: datetime
) -> None:
    """Days derived while the institution had no meter expect nothing; once it has had one all along they expect a whole day."""
    await import_files(database, write_files(tmp_path / "before", meters=[meter("W1", medium="water")]))
    await settle_all(database, now=now - timedelta(days=5))
    await settle_all(database, now=now)
    await import_files(database, write_files(tmp_path / "after", meters=[meter("W1", medium="water"), meter()]))
    await settle_all(database, now=now)
    expected = "SELECT DISTINCT expected_us FROM metering.institution_day WHERE medium = 'electricity'"
    assert [(24 * HOUR_US,)] == await database.rows(expected)


async def test_a_settler_that_was_away_for_days_makes_the_silence_of_each_visible(
    database: Database, tmp_path: Path, now: datetime
) -> None:
    """A day without a row would be missing from what was expected, and the verdict would rest on too little."""
    await import_files(database, write_files(tmp_path))
    await settle_all(database, now=now - timedelta(days=5))
    await settle_all(database, now=now)
    assert [(7,)] == await database.rows("SELECT count(*) FROM metering.institution_day WHERE medium = 'electricity'")


async def test_days_of_silence_are_in_a_rebuild_too(database: Database, tmp_path: Path, now: datetime) -> None:
    """A verdict that nothing can be said is a verdict: no reading brings it back, and none is there before a meter's first one."""
    meters = [meter(), meter("C1", medium="charger")]
    await import_files(database, write_files(tmp_path, institutions=[institution(), institution("I2")], meters=meters))
    for days in (5, 4, 3):
        await settle_all(database, now=now - timedelta(days=days))
    of = await channels(database)
    at = instant(now - timedelta(days=3))
    await store(database, [[(of[f"I1/{path}/energy_import_kwh"], at + n * HOUR_US, n) for n in range(30)]
                           for path in ("electricity/E1", "charger/C1")])  # fmt: skip
    for days in (2, 1, 0):
        await settle_all(database, now=now - timedelta(days=days))
    before = await derived(database)
    silent = "SELECT count(DISTINCT day)::int FROM metering.quota_level WHERE institution = 2 AND level = 'not_assessable'"
    assert [(6,)] == await database.rows(silent)
    last = "SELECT count(*)::int FROM metering.institution_day WHERE medium = 'charger' AND day = %s"
    assert [(1,)] == await database.rows(last, now.astimezone(SHANGHAI).date() - timedelta(days=1)), "a silent charger's days go on"
    await rebuild(database, now=now)
    assert [] == differences(before, await derived(database))
