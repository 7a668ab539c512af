"""Trees that change, however late the registry learns of it, on a real database; what it must not forget."""

import csv
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ingest.metering.calendar import HOUR_US
from ingest.stack import Stack
from ingest.storage.migrate import migrations
from ingest.storage.registry_csv import RegistryFault
from tests.databases import Database, cloned
from tests.integration.trees import (
    DERIVED_FROM_TREES,
    HOURS,
    METERS,
    NET,
    START,
    VIRTUAL,
    derived_from_scratch_is_the_same,
    files,
    month_of_readings,
    store,
)
from tests.registries import QUOTAS, channels, import_files, write_lines
from tests.settling import derived, differences, settle_all

pytestmark = pytest.mark.usefixtures("marked_by_now")


@pytest.fixture
async def other(stack: Stack, template: str) -> AsyncIterator[Database]:
    """A second database, which knows from the start what the first one learns late."""
    async with cloned(stack.postgres, template) as one:
        yield one


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
