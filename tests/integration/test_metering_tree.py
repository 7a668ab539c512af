"""Trees on a real database: gaps, sub-items, virtual meters, net totals, exclusions, however late the registry learns of them."""

import csv
import random
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.messages import Assessed, Message, Row
from ingest.metering.calendar import HOUR_US, instant
from ingest.stack import Stack
from ingest.storage.migrate import migrations
from ingest.storage.registry_csv import RegistryFault
from ingest.storage.writer import Writer
from tests.databases import Database, cloned
from tests.registries import QUOTAS, channels, import_files, meter, write_files, write_lines
from tests.settling import derived, differences, rebuild, settle_all

START = instant(datetime(2026, 9, 30, 16, tzinfo=UTC))  # 1 October in Shanghai
HOURS = 31 * 24
BOTH = "energy_import_kwh energy_export_kwh"
METERS = {
    "E1": meter(registers=BOTH),
    "E2": meter("E2", role="branch", parent="E1", sub_item="A"),
    "E3": meter("E3", role="branch", parent="E1", sub_item="D"),
    "E4": meter("E4", role="sub", parent="E3", sub_item="D1"),
    "E9": meter("E9", role="check", parent="E1"),
    "C1": meter("C1", medium="charger", role="sub", parent="E1", sub_item="D6"),
}
KWH_AN_HOUR = {"E1": 100, "E2": 30, "E3": 40, "E4": 25, "E9": 99, "C1": 10}
EXPORTED = 5
VIRTUAL = {"institution": "I1", "medium": "electricity", "meter": "V1", "formula": "E3 - E4", "role": "sub", "parent": "E3",
           "valid_from": "2020-01-01"}  # fmt: skip
NET = {"institution": "I1", "pv_rule": "net", "valid_from": "2020-01-01", "source": "invented for tests"}
MONTH = """SELECT used::int, level, excludes, excluded, deducted_known_share::float FROM meterwarden.quota_status
           WHERE indicator = 'electricity_per_area' AND period_kind = 'month' AND period_start = '2026-10-01'"""
DERIVED_FROM_TREES = ("virtual_day", "virtual_month", "gap_day", "gap_month", "sub_item_day", "sub_item_month", "quota_status")


@pytest.fixture
async def other(stack: Stack, template: str) -> AsyncIterator[Database]:
    """A second database, which knows from the start what the first one learns late."""
    async with cloned(stack.postgres, template) as one:
        yield one


def files(directory: Path, *, meters: Mapping[str, Any] = METERS, excludes: str = "", **more: list[Mapping[str, Any]]) -> Path:
    """A registry; `more` are the lines of optional files, and `versions` further versions of meters."""
    lines = [*meters.values(), *more.pop("versions", [])]
    quotas = [*more.pop("quotas", []), {**QUOTAS[0], "excludes": excludes}, *QUOTAS[1:]]
    write_files(directory, meters=lines, quotas=quotas)
    for name, rows in more.items():
        write_lines(directory / f"{name}.csv", rows)
    return directory


async def store(database: Database, rows: list[tuple[int, int, int]]) -> None:
    """Write (channel, read_at, value), as the service does."""
    message = Message("t", b"", 1, False, 1, 1, 0)
    writer = Writer(database.settings)
    for start in range(0, len(rows), 2_000):
        await writer.write([Assessed(message, [Row(*row, 0)]) for row in rows[start : start + 2_000]])
    await writer.close()


async def month_of_readings(database: Database, *, silent: Mapping[str, range] | None = None) -> None:
    """Every meter read at every full hour of October at its own pace; `silent` ones not in some hours."""
    numbers, rows = await channels(database), []
    for path, channel in numbers.items():
        _, _, code, register = path.split("/")
        if not register.endswith("kwh"):
            continue
        pace = EXPORTED if register == "energy_export_kwh" else KWH_AN_HOUR[code]
        hours = (hour for hour in range(HOURS + 1) if hour not in (silent or {}).get(code, range(0)))
        rows += [(channel, START + hour * HOUR_US, pace * 1000 * hour) for hour in hours]
    await store(database, rows)
    await settle_all(database)


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


ROOM_MOVES = [METERS["E4"] | {"parent": "E1", "valid_from": "2026-10-16"}]
BEFORE_THE_MOVE = METERS | {"E4": METERS["E4"] | {"valid_to": "2026-10-16"}}
NEW_QUOTA = {**QUOTAS[0], "quota": "E-M2", "excludes": "D1;charger", "valid_from": "2026-10-01"}
LATE: dict[str, dict[str, Any]] = {
    "parent": {"meters": BEFORE_THE_MOVE, "versions": ROOM_MOVES},
    "role": {"meters": METERS | {"E2": METERS["E2"] | {"valid_to": "2026-10-16"}},
             "versions": [METERS["E2"] | {"role": "main", "parent": "", "valid_from": "2026-10-16"}]},
    "formula": {"virtual_meters": [
        VIRTUAL | {"valid_to": "2026-10-16"}, VIRTUAL | {"formula": "E3 - 2*E4", "valid_from": "2026-10-16"}]},
    "virtual main": {"virtual_meters": [VIRTUAL, VIRTUAL | {
        "meter": "V2", "formula": "E9 - E2", "role": "main", "parent": "", "valid_from": "2026-10-11"}],
        "meters": METERS | {"E9": METERS["E9"] | {"role": "sub", "parent": ""}}},
    "pv": {"pv_rules": [NET | {"valid_from": "2026-10-11", "valid_to": "2026-10-21"}]},
    "exclusion": {"quotas": [NEW_QUOTA], "ends": "2026-10-01"},
}  # fmt: skip


def _late(directory: Path, change: str) -> Path:
    given = {"virtual_meters": [VIRTUAL], **LATE[change]}
    ends = given.pop("ends", None)
    files(directory, **given)
    if ends:
        path = directory / "quotas.csv"
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for line in lines:
            line["valid_to"] = ends if line["quota"] == "E-M" else ""
        write_lines(path, lines)
    return directory


@pytest.mark.parametrize("change", LATE)
async def test_a_change_entered_late_equals_one_known_from_the_start(
    database: Database, other: Database, tmp_path: Path, change: str, seed: int
) -> None:
    """Every derived row and view: of readings settled before the registry learnt of it, in rounds of any size, and of a rebuild."""
    rng = random.Random(seed)
    await import_files(database, files(tmp_path / "before", virtual_meters=[VIRTUAL]))
    await import_files(other, _late(tmp_path / "after", change))
    assert await channels(database) == await channels(other)
    rows = [row for channel in sorted((await channels(database)).values()) for row in _history(rng, channel)]
    await store(other, rows)
    await settle_all(other)

    rng.shuffle(rows)
    await store(database, rows[: len(rows) // 2])
    await settle_all(database)
    before = await _shown(database)
    await import_files(database, tmp_path / "after")
    await settle_all(database, channel_hours=rng.choice([1, 50, 50_000]))
    await store(database, rows[len(rows) // 2 :])
    await settle_all(database, channel_hours=rng.choice([50, 50_000]))

    assert before != await _shown(database)
    assert [] == differences(await derived(database), await derived(other))[:5], f"seed {seed}"
    assert await _shown(database) == await _shown(other)
    await derived_from_scratch_is_the_same(database)


def _history(rng: random.Random, channel: int) -> list[tuple[int, int, int]]:
    """Five weeks of readings with silences, falls and jumps."""
    at, value, rows = START - 36 * HOUR_US, rng.randrange(10**8), []
    while at < START + (HOURS + 60) * HOUR_US:
        at += int(rng.choice([1, 1, 1, 1, 2.5, 5, 7, 40]) * HOUR_US)
        value = rng.randrange(10**8) if rng.random() < 0.02 else value + rng.randrange(50_000)
        rows.append((channel, at, value))
    return rows


async def _shown(database: Database) -> dict[str, list[tuple]]:
    return {view: sorted(await database.rows(f"SELECT t::text FROM meterwarden.{view} t")) for view in DERIVED_FROM_TREES}


async def derived_from_scratch_is_the_same(database: Database) -> None:
    """A rebuild changes nothing."""
    before = await derived(database)
    await rebuild(database)
    assert [] == differences(before, await derived(database))[:5]


async def test_a_change_is_settled_again_from_its_day_on(database: Database, tmp_path: Path) -> None:
    """A rule from the 16th marks no hour before; its end in years to come marks nothing."""
    await import_files(database, files(tmp_path))
    await month_of_readings(database)
    for ends, first in (("", (START + 15 * 24 * HOUR_US) // HOUR_US), ("2099-01-01", None)):
        await import_files(database, files(tmp_path, pv_rules=[NET | {"valid_from": "2026-10-16", "valid_to": ends}]))
        assert [(first,)] == await database.rows("SELECT min(hour) FROM metering.mark, unnest(utc_hour) AS hour")
        await settle_all(database)


async def test_what_only_the_database_still_holds_is_named(database: Database, tmp_path: Path) -> None:
    """Versions are never forgotten: one that begins later than the one kept would count the meter twice."""
    await import_files(database, files(tmp_path))
    with pytest.raises(RegistryFault) as fault:
        await import_files(database, files(tmp_path, meters=METERS | {"E9": METERS["E9"] | {"valid_from": "2026-01-01"}}))

    words = "its version from 2026-01-01 lies within the one from 2020-01-01"
    assert [f"I1: electricity/E9: {words} (some of it is only in the database: add it to the files)"] == fault.value.mistakes
    assert [(6,)] == await database.rows("SELECT count(*) FROM metering.meter_version")


async def test_rules_that_contradict_each_other_in_the_database_are_named(database: Database, tmp_path: Path) -> None:
    """The files forgot to end the rule that holds already."""
    await import_files(database, files(tmp_path, pv_rules=[NET]))
    with pytest.raises(RegistryFault) as fault:
        await import_files(database, files(tmp_path, pv_rules=[NET | {"pv_rule": "gross", "valid_from": "2026-01-01"}]))

    words = "pv_rule: its version from 2026-01-01 lies within the one from 2020-01-01"
    assert [f"I1: {words} (some of it is only in the database: add it to the files)"] == fault.value.mistakes


async def test_a_dry_run_writes_nothing_and_finds_the_same(database: Database, tmp_path: Path) -> None:
    """It does all the work, and undoes it."""
    directory = files(tmp_path, virtual_meters=[VIRTUAL], pv_rules=[NET])
    difference = await import_files(database, directory, dry_run=True)
    assert [(0, 0)] == await database.rows(
        "SELECT (SELECT count(*) FROM metering.meter_version), (SELECT count(*) FROM metering.sum_term)"
    )
    assert difference.added == (await import_files(database, directory)).added
    assert not await import_files(database, directory)


async def test_readers_see_the_views_and_nothing_else(database: Database, tmp_path: Path) -> None:
    """The reader's role is enough for every page."""
    await import_files(database, files(tmp_path))
    async with await psycopg.AsyncConnection.connect(database.reader_url) as connection:
        for view in DERIVED_FROM_TREES:
            await connection.execute(f"SELECT * FROM meterwarden.{view}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT * FROM metering.sum_term")


async def test_a_registry_imported_before_trees_keeps_its_totals_and_the_next_import_adds_the_rest(
    database: Database, tmp_path: Path
) -> None:
    """The migration's own statement gives the totals that an import gives; versions of a main meter included."""
    versions = [METERS["E1"] | {"valid_from": "2026-10-16", "ratio": 2}]
    given = {"meters": METERS | {"E1": METERS["E1"] | {"valid_to": "2026-10-16"}}, "versions": versions}
    await import_files(database, files(tmp_path, **given))
    spans = """SELECT channel, name, sum(least(until_day, '2100-01-01') - first_day)::int FROM metering.sum_term
               WHERE kind = 'total' GROUP BY 1, 2 ORDER BY 1"""
    wanted, everything = await database.rows(spans), await database.rows("SELECT t::text FROM metering.sum_term t ORDER BY 1")
    [migration] = [one for one in migrations() if one.name == "0010_tree"]
    [statement] = re.findall(r"^INSERT INTO metering\.sum_term.*?;$", migration.text, re.MULTILINE | re.DOTALL)
    await database.run("DELETE FROM metering.sum_term")
    await database.run(statement)

    assert wanted == await database.rows(spans)
    assert not await import_files(database, files(tmp_path, **given))
    assert everything == await database.rows("SELECT t::text FROM metering.sum_term t ORDER BY 1")
