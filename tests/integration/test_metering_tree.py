"""Trees on a real database: gaps, sub-items, virtual meters, net totals, exclusions."""

from pathlib import Path

import psycopg
import pytest

from ingest.metering.calendar import HOUR_US
from tests.databases import Database
from tests.integration.trees import (
    DERIVED_FROM_TREES,
    HOURS,
    KWH_AN_HOUR,
    METERS,
    MONTH,
    NET,
    START,
    VIRTUAL,
    derived_from_scratch_is_the_same,
    files,
    month_of_readings,
    store,
)
from tests.registries import channels, import_files
from tests.settling import settle_all

pytestmark = pytest.mark.usefixtures("marked_by_now")


async def test_gaps_and_sub_items_hold_every_kilowatt_hour_once(database: Database, tmp_path: Path) -> None:
    """100 = 30 lighting + 15 special + 25 data room + 10 charging + 20 that nobody metered; the check meter is never summed."""
    await import_files(database, files(tmp_path))
    await month_of_readings(database)

    assert [("E1", 480, 86_400, 0, 0), ("E3", 360, 86_400, 0, 0)] == await database.rows(
        """SELECT meter, amount::int, measured_seconds::int, estimated_seconds::int, missing_seconds::int
           FROM meterwarden.gap_day WHERE day = '2026-10-07' ORDER BY 1"""
    )
    assert [("E1", 14_880), ("E3", 11_160)] == await database.rows(
        "SELECT meter, amount::int FROM meterwarden.gap_month WHERE month = '2026-10-01' ORDER BY 1"
    )
    items = [("A", "A", 720), ("D", "D", 360), ("D", "D1", 600), ("D", "D6", 240), ("rest", "rest", 480)]
    assert items == await database.rows(
        "SELECT item, sub_item, amount::int FROM meterwarden.sub_item_day WHERE day = '2026-10-07' ORDER BY 2"
    )
    assert [(74_400, 1, 0)] == await database.rows(
        """SELECT sum(amount)::int, min(measured_share)::float, max(missing_share)::float FROM meterwarden.sub_item_month
           WHERE month = '2026-10-01'"""
    )


async def test_a_sum_is_known_no_longer_than_its_parts(database: Database, tmp_path: Path) -> None:
    """E4 is silent for three days and three hours: no gap on the days, and a whole one in the month, which its register proves."""
    await import_files(database, files(tmp_path, virtual_meters=[VIRTUAL]))
    await month_of_readings(database, silent={"E4": range(24 * 9 + 6, 24 * 12 + 9)})

    rows = await database.rows(
        """SELECT day::text, amount::int, measured_seconds::int, missing_seconds::int FROM meterwarden.virtual_day
           WHERE day BETWEEN '2026-10-09' AND '2026-10-14' ORDER BY 1"""
    )
    assert [("2026-10-09", 360, 86_400, 0), ("2026-10-14", 360, 86_400, 0)] == [rows[0], rows[5]]
    assert [("2026-10-11", None, 0, 86_400), ("2026-10-12", None, 0, 86_400)] == rows[2:4]
    assert [18_000, 54_000] == [rows[1][2], rows[4][2]]
    assert [(11_160, 31 * 86_400, 0)] == await database.rows(
        "SELECT amount::int, measured_seconds::int, missing_seconds::int FROM meterwarden.virtual_month WHERE month = '2026-10-01'"
    )
    assert [("E1", 14_880, 0), ("E3", 0, 0)] == await database.rows(
        "SELECT meter, amount::int, missing_seconds::int FROM meterwarden.gap_month WHERE month = '2026-10-01' ORDER BY 1"
    )


async def test_a_virtual_main_meter_is_an_institutions_total(database: Database, tmp_path: Path) -> None:
    """Two feeders hang behind their sum, less a tenant's meter."""
    meters = {code: METERS[code] | {"role": "branch", "parent": "V1", "sub_item": ""} for code in ("E1", "E2")}
    meters["E3"] = METERS["E3"] | {"parent": "E2"}
    main = VIRTUAL | {"formula": "E1 + E2 - E3", "role": "main", "parent": ""}
    await import_files(database, files(tmp_path, meters=meters, virtual_meters=[main]))
    await month_of_readings(database)

    assert [(90 * HOURS, "exceeded", "", {}, 1.0)] == await database.rows(MONTH)
    await derived_from_scratch_is_the_same(database)


async def test_what_flows_back_is_taken_off_from_the_day_the_rule_says(database: Database, tmp_path: Path) -> None:
    """Gross until the 16th, net from then on; a day on which more flowed back than came is below zero, exactly."""
    await import_files(database, files(tmp_path))
    await month_of_readings(database)
    assert [(100 * HOURS, "exceeded", "", {}, None)] == await database.rows(MONTH)

    await import_files(database, files(tmp_path, pv_rules=[NET | {"valid_from": "2026-10-16"}]))
    await settle_all(database)
    assert [(100 * 15 * 24 + 95 * 16 * 24, "exceeded", "", {}, 1.0)] == await database.rows(MONTH)

    back = (await channels(database))["I1/electricity/E1/energy_export_kwh"]
    await store(database, [(back, START + (HOURS + 1) * HOUR_US, 5_000 * HOURS + 150_000)])
    await settle_all(database)
    assert [(-150_000_000,)] == await database.rows(
        "SELECT amount FROM metering.institution_day WHERE medium = 'electricity' AND day = '2026-11-01'"
    )
    await derived_from_scratch_is_the_same(database)


async def test_a_quota_leaves_out_what_it_names_and_says_how_much(database: Database, tmp_path: Path) -> None:
    """100 less a data room of 25 and chargers of 10; a laundry without a meter of its own stays in, and is shown so."""
    await import_files(database, files(tmp_path, excludes="D1;charger;D3"))
    await month_of_readings(database)

    room, charging, laundry = ({"amount": pace * HOURS, "metered_days": days} for pace, days in ((25, 31), (10, 31), (0, 0)))
    expected = {"D1": room, "charger": charging, "D3": laundry}
    assert [(65 * HOURS, "exceeded", "D1;D3;charger", expected, 1.0)] == await database.rows(MONTH)
    await derived_from_scratch_is_the_same(database)


async def test_nobody_is_over_quota_because_the_data_room_is_silent(database: Database, tmp_path: Path) -> None:
    """Its 25 an hour are to be taken off, but from the fifth day on nobody knows them: what is left may be far too much."""
    meters = {"E1": METERS["E1"], "E4": METERS["E4"] | {"parent": "E1"}}
    await import_files(database, files(tmp_path, meters=meters, excludes="D1"))
    await month_of_readings(database, silent={"E4": range(24 * 4, HOURS + 1)})

    [(used, level, _, excluded, known)] = await database.rows(MONTH)
    assert (100 * HOURS - 25 * (24 * 4 - 1), "not_assessable") == (used, level)
    assert {"D1": {"amount": 25 * (24 * 4 - 1), "metered_days": 31}} == excluded
    assert known < 0.2


async def test_a_silence_of_everything_takes_no_verdict_back(database: Database, tmp_path: Path) -> None:
    """Over quota by the 10th, with the data room known until then: what nobody measured afterwards can only add."""
    await import_files(database, files(tmp_path, excludes="D1"))
    await month_of_readings(database, silent=dict.fromkeys(KWH_AN_HOUR, range(24 * 10, HOURS + 1)))

    [(used, level, _, _, known)] = await database.rows(MONTH)
    assert (75 * (24 * 10 - 1), "exceeded", 1.0) == (used, level, known)
    await derived_from_scratch_is_the_same(database)


async def test_chargers_for_everybody_are_left_out_by_their_access(database: Database, tmp_path: Path) -> None:
    """The institution's own cars count, as they do elsewhere."""
    charger = {"institution": "I1", "charger": "C1", "site": "P1", "supply": "dc", "rated_kw": 60, "connectors": 1, "access": "own"}
    await import_files(database, files(tmp_path, excludes="public_charger", chargers=[charger]))
    await month_of_readings(database)
    assert [(100 * HOURS,)] == [row[:1] for row in await database.rows(MONTH)]

    await import_files(database, files(tmp_path, excludes="public_charger", chargers=[charger | {"access": "public"}]))
    await settle_all(database)
    assert [(90 * HOURS,)] == [row[:1] for row in await database.rows(MONTH)]
    await derived_from_scratch_is_the_same(database)


async def test_readers_see_the_views_and_nothing_else(database: Database, tmp_path: Path) -> None:
    """The reader's role is enough for every page."""
    await import_files(database, files(tmp_path))
    async with await psycopg.AsyncConnection.connect(database.reader_url) as connection:
        for view in DERIVED_FROM_TREES:
            await connection.execute(f"SELECT * FROM meterwarden.{view}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT * FROM metering.sum_term")
