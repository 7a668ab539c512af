"""The community edition: what is in the columnstore is as good as what is not. Skipped where nobody has built the edition."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ingest.messages import Outcome
from ingest.metering.calendar import HOUR_US, instant
from ingest.settings import IntakeSettings, StorageSettings
from ingest.stack import Postgres
from ingest.storage.bootstrap import bootstrap
from ingest.storage.edition import Kept, keep
from ingest.storage.migrate import migrate
from ingest.storage.overdue import overdue_seconds
from ingest.storage.writer import Writer
from tests.community import VARIABLE, community_server, libraries
from tests.databases import PASSWORDS, ROOT, TEMPLATE, Database, cloned, database_on
from tests.registries import channels, import_files, meter, write_files
from tests.settling import batch, derived, differences, rebuild, settle_all, store

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("marked_by_now")]
NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
START = instant(datetime(2026, 8, 1, tzinfo=UTC))
DAYS = 50
BESIDE = "SELECT count(*) FROM _timescaledb_catalog.chunk WHERE status & 8 <> 0"
"""Chunks of the columnstore with rows beside it."""
LATE = 20 * 24
"""An hour in the middle of a chunk of the columnstore."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of the community edition with a migrated template."""
    found = libraries()
    if found is None:
        pytest.skip(f"TimescaleDB's community edition is not here: {VARIABLE} names the directory with its libraries")
    with community_server(found) as running:
        asyncio.run(_template(running))
        yield running


async def _template(server: Postgres) -> None:
    await bootstrap(server.url(), TEMPLATE, PASSWORDS)
    async with await psycopg.AsyncConnection.connect(database_on(server, TEMPLATE).owner_url, autocommit=True) as connection:
        await migrate(connection)


@pytest.fixture
async def database(server: Postgres) -> AsyncIterator[Database]:
    """A fresh, migrated database of the community edition."""
    async with cloned(server, TEMPLATE) as one:
        yield one


async def _kept(database: Database, settings: StorageSettings | None = None) -> Kept:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        return await keep(connection, settings or StorageSettings(), IntakeSettings(), NOW, dry=False)


@pytest.fixture
async def channel(database: Database, tmp_path: Path) -> int:
    """A register read every hour for fifty days, without one day; settled, and in the columnstore where a chunk is old enough."""
    await import_files(database, write_files(tmp_path))
    found = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    hours = [hour for hour in range(DAYS * 24) if not LATE <= hour < LATE + 24]
    await store(database, [[(found, START + hour * HOUR_US, 10 * hour) for hour in hours]])
    await settle_all(database, now=NOW)
    kept = await _kept(database)
    assert 0 < kept.compressed["reading"] < await _chunks(database)
    assert 0 < kept.compressed["consumption_hour"]
    return found


async def _chunks(database: Database) -> int:
    return len(await database.rows("SELECT FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'"))


async def _write(database: Database, rows: list[tuple[int, int, int]]) -> list[Outcome]:
    writer = Writer(database.settings)
    try:
        return await writer.write(batch(rows))
    finally:
        await writer.close()


def _late(channel: int) -> list[tuple[int, int, int]]:
    """The day that is missing."""
    return [(channel, START + hour * HOUR_US, 10 * hour) for hour in range(LATE, LATE + 24)]


async def _equals_a_rebuild(database: Database) -> None:
    await settle_all(database, now=NOW)
    before = await derived(database)
    await rebuild(database)
    assert [] == differences(before, await derived(database))


async def _values(database: Database) -> list[tuple[int, int]]:
    return [(n, value) for n, value in await database.rows(
        "SELECT count(*) OVER (PARTITION BY channel, read_at), value FROM metering.reading ORDER BY read_at")]  # fmt: skip


async def test_late_readings_for_the_columnstore_are_stored_once(database: Database, channel: int) -> None:
    """First new, then duplicates; every reading is there once with its value, also after the chunk was merged."""
    assert {"stored"} == {outcome.message for outcome in await _write(database, _late(channel))}
    assert {"duplicate"} == {outcome.message for outcome in await _write(database, _late(channel))}
    expected = [(1, 10 * hour) for hour in range(DAYS * 24)]
    assert expected == await _values(database)

    assert [(1,)] == await database.rows(BESIDE)
    assert {"reading": 0, "consumption_hour": 0} == (await _kept(database)).compressed
    assert [(0,)] == await database.rows(BESIDE)
    assert expected == await _values(database)
    assert {"duplicate"} == {outcome.message for outcome in await _write(database, _late(channel))}


async def test_what_is_in_the_columnstore_is_recognised_when_it_comes_again(database: Database, channel: int) -> None:
    """Readings of the compressed chunk itself, straight and among new ones."""
    again = [(channel, START + hour * HOUR_US, 10 * hour) for hour in range(LATE - 24, LATE)]

    assert {"duplicate"} == {outcome.message for outcome in await _write(database, again)}
    mixed = await _write(database, [*again, *_late(channel)])
    assert ["duplicate"] * 24 + ["stored"] * 24 == [outcome.message for outcome in mixed]
    assert [(1, 10 * hour) for hour in range(DAYS * 24)] == await _values(database)


async def test_another_value_for_a_key_in_the_columnstore_is_kept_as_a_conflict(database: Database, channel: int) -> None:
    """The first value stays, the key is disputed."""
    at = START + (LATE - 5) * HOUR_US

    assert (1,) == tuple(outcome.disputed for outcome in await _write(database, [(channel, at, 7)]))
    assert [(7,)] == await database.rows("SELECT value FROM metering.conflict")
    assert [(10 * (LATE - 5),)] == await database.rows(
        "SELECT value FROM metering.reading WHERE channel = %s AND read_at = to_timestamp(%s)", channel, at / 1e6
    )


async def test_what_late_readings_change_equals_a_rebuild_over_the_columnstore(database: Database, channel: int) -> None:
    """Hours in the columnstore are written anew, and everything derived from it again comes out the same."""
    await _write(database, [*_late(channel), (channel, START + (LATE - 5) * HOUR_US, 7)])
    await _equals_a_rebuild(database)

    await _kept(database)
    await _equals_a_rebuild(database)
    assert [(24, 24 * 10_000)] == await database.rows(
        "SELECT count(*), sum(amount) FROM metering.consumption_hour WHERE hour >= to_timestamp(%s) AND hour < to_timestamp(%s)",
        (START + LATE * HOUR_US) / 1e6, (START + (LATE + 24) * HOUR_US) / 1e6,
    )  # fmt: skip


async def test_settling_late_readings_of_many_meters_unpacks_as_many_hours_as_it_needs(database: Database, tmp_path: Path) -> None:
    """TimescaleDB refuses a transaction that unpacks more than 100,000 rows, unless told otherwise: no round would end any more."""
    await import_files(database, write_files(tmp_path, meters=[meter(f"E{n}") for n in range(250)]))
    numbers = sorted((await channels(database)).values())
    hours = range(40 * 24)
    rows = [(number, START + hour * HOUR_US, 10 * hour) for number in numbers for hour in hours]
    await store(database, [rows[start : start + 20_000] for start in range(0, len(rows), 20_000)])
    await settle_all(database, now=NOW)
    await _kept(database)
    late = [(number, START + hour * HOUR_US + HOUR_US // 2, 10 * hour + 3) for number in numbers for hour in hours[24::96]]

    assert {"stored"} == {outcome.message for outcome in await _write(database, late)}
    await settle_all(database, now=NOW)
    assert [(len(rows) + len(late),)] == await database.rows("SELECT count(*) FROM metering.reading")


async def test_chunks_of_the_columnstore_are_dropped_too(database: Database, channel: int) -> None:
    """Retention does not ask how a chunk is stored, and what stands stays."""
    assert channel
    before = await database.rows("SELECT sum(amount), count(*) FROM metering.consumption_hour")
    kept = await _kept(database, StorageSettings(raw_retention_days=90))

    assert 0 < kept.dropped
    assert [(kept.raw_kept_since,)] == await database.rows("SELECT min(read_at) FROM metering.reading")
    assert before == await database.rows("SELECT sum(amount), count(*) FROM metering.consumption_hour")
    await _equals_a_rebuild(database)


async def test_a_chunk_that_should_be_in_the_columnstore_is_overdue_until_it_is(database: Database, tmp_path: Path) -> None:
    """Readings and hours, counted from when the oldest was due; nothing where the settings want none."""
    await import_files(database, write_files(tmp_path))
    found = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    await store(database, [[(found, START + hour * HOUR_US, 10 * hour) for hour in range(DAYS * 24)]])
    await settle_all(database, now=NOW)
    ((oldest,),) = await database.rows(
        "SELECT min(range_end) FROM timescaledb_information.chunks WHERE hypertable_schema = 'metering'"
    )

    left = {"columnstore": (NOW - timedelta(days=60) - oldest).total_seconds(), "retention": 0.0}
    assert left == await overdue_seconds(database.settings, StorageSettings(), NOW)
    nothing = {"columnstore": 0.0, "retention": 0.0}
    assert nothing == await overdue_seconds(database.settings, StorageSettings(columnstore=False), NOW)
    await _kept(database)
    assert nothing == await overdue_seconds(database.settings, StorageSettings(), NOW)


def _script(server: Postgres, name: str, directory: Path, **given: str) -> None:
    """One of the scripts for backup and restore, as an operator runs it."""
    where = conninfo_to_dict(server.url())
    reached = {
        "PATH": f"{server.programs.postgres_bin}:{os.environ['PATH']}",
        "PGHOST": str(where["host"]),
        "PGPORT": str(where["port"]),
    }
    done = subprocess.run(
        [ROOT / "deploy" / "database" / name, directory], env={**reached, **given}, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


async def test_a_backup_by_the_owner_holds_what_is_in_the_columnstore(
    server: Postgres, database: Database, channel: int, tmp_path: Path
) -> None:
    """As `meterwarden-backup.service` makes it, by no superuser; restored, readings and chunks are what they were."""
    assert channel
    again, owner = database_on(server, f"{database.name}_again"), "meterwarden_owner"
    try:
        _script(server, "backup", tmp_path / "backup", PGDATABASE=database.name, PGUSER=owner, PGPASSWORD=PASSWORDS[owner])
        _script(server, "restore", tmp_path / "backup", PGDATABASE=again.name, PGPASSWORD=server.password)
        for query in (
            "SELECT * FROM metering.reading ORDER BY channel, read_at",
            "SELECT hypertable_name, range_start, is_compressed FROM timescaledb_information.chunks ORDER BY 1, 2",
        ):
            before = await database.rows(query)
            assert before
            assert before == await again.rows(query)
    finally:
        async with await psycopg.AsyncConnection.connect(server.url(), autocommit=True) as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {again.name} WITH (FORCE)")
