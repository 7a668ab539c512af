"""`meterwarden storage` on the Apache edition: chunks go once they are settled, and only then; what the edition lacks is said."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.metering.calendar import HOUR_US, instant
from ingest.settings import IntakeSettings, StorageSettings
from ingest.stack import Stack
from ingest.storage.edition import HELD_BY, Kept, keep
from ingest.storage.overdue import overdue_seconds
from ingest.storage.queries import QUERIES
from tests.databases import Database
from tests.registries import channels, import_files, write_files
from tests.running import eventually, running_service
from tests.settling import by_hand, derived, rebuild, settle_all, settle_once, store

pytestmark = pytest.mark.usefixtures("marked_by_now")

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
START = datetime(2026, 7, 1, tzinfo=UTC)
HOURS = 142 * 24
SINCE = datetime(2026, 8, 20, tzinfo=UTC)
"""The end of the last chunk (chunks begin on Thursdays, UTC) that is 90 days old on `NOW`."""
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
RETENTION = StorageSettings(raw_retention_days=90)


async def _kept(database: Database, settings: StorageSettings = RETENTION, *, dry: bool = False) -> Kept:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        return await keep(connection, settings, IntakeSettings(), NOW, dry=dry)


async def _since(database: Database) -> Any:
    return (await database.rows("SELECT nullif(raw_kept_since, '-infinity') FROM metering.retention"))[0][0]


async def _oldest(database: Database) -> Any:
    return (await database.rows("SELECT min(read_at) FROM metering.reading"))[0][0]


async def _season(database: Database, directory: Path, hours: Sequence[int] = range(HOURS)) -> int:
    """A reading an hour from July to November. Returns the channel."""
    await import_files(database, write_files(directory))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    await store(database, [[(channel, instant(START) + hour * HOUR_US, 10 * hour) for hour in hours]])
    return channel


@pytest.fixture
async def settled(database: Database, tmp_path: Path) -> Database:
    """A season, settled and validated."""
    await _season(database, tmp_path)
    await settle_all(database, now=NOW)
    return database


async def test_chunks_before_the_instant_are_dropped_and_what_was_derived_from_them_stays(settled: Database) -> None:
    """Whole chunks, the instant on record, a rebuild gives the same rows; again drops nothing."""
    before = await derived(settled)
    kept = await _kept(settled)

    assert (SINCE, (), 8) == (kept.raw_kept_since, kept.held_by, kept.dropped)
    assert (SINCE, SINCE) == (await _since(settled), await _oldest(settled))
    await rebuild(settled)
    assert before == await derived(settled)
    assert (None, 0) == ((again := await _kept(settled)).raw_kept_since, again.dropped)
    assert SINCE == await _since(settled)


async def test_by_default_nothing_is_ever_dropped(settled: Database) -> None:
    """Whoever wants retention says so."""
    kept = await _kept(settled, StorageSettings())

    assert (None, 0) == (kept.raw_kept_since, kept.dropped)
    assert (None, START) == (await _since(settled), await _oldest(settled))


async def test_a_dry_run_says_what_would_be_dropped_and_drops_nothing(settled: Database) -> None:
    """Neither chunk nor instant changes."""
    assert (SINCE, 8) == ((kept := await _kept(settled, dry=True)).raw_kept_since, kept.dropped)
    assert (None, START) == (await _since(settled), await _oldest(settled))


async def test_the_instant_never_goes_back_and_what_a_crash_left_is_dropped(settled: Database) -> None:
    """The instant was committed, the chunks are still there, and the setting has been raised since."""
    await settled.run("UPDATE metering.retention SET raw_kept_since = %s", SINCE)
    kept = await _kept(settled, StorageSettings(raw_retention_days=120))

    assert (SINCE, 4) == (kept.raw_kept_since, kept.dropped)
    assert (SINCE, SINCE - timedelta(weeks=4)) == (await _since(settled), await _oldest(settled))


async def test_what_is_not_settled_is_not_dropped(database: Database, tmp_path: Path) -> None:
    """Marks hold readings back, then days to be validated; once both are done the chunks go."""
    await _season(database, tmp_path)
    assert ("marks",) == (await _kept(database)).held_by
    while await settle_once(database, now=NOW):
        pass
    assert ("vee_due",) == (await _kept(database)).held_by
    assert (None, START) == (await _since(database), await _oldest(database))

    await settle_all(database, now=NOW)
    assert (SINCE, ()) == ((kept := await _kept(database)).raw_kept_since, kept.held_by)
    assert SINCE == await _oldest(database)


@pytest.mark.parametrize(("days_after", "held_by"), [(44, ("quarantine",)), (46, ())])
async def test_messages_that_wait_for_their_meter_keep_the_neighbours_of_their_readings(
    settled: Database, days_after: int, held_by: tuple[str, ...]
) -> None:
    """A message says readings as old as the accept window: 45 days."""
    await settled.run(
        """INSERT INTO metering.quarantine
               (key, topic, payload, qos, retain, received_at, stage, reason, detail, failing, wanted)
           VALUES ('k', 't', 'p', 1, false, %s, 'identify', 'unknown_meter', '', '{}', '{I1/electricity/E9}')""",
        SINCE + timedelta(days=days_after),
    )

    assert held_by == (await _kept(settled)).held_by


async def test_a_session_that_is_not_settled_keeps_the_readings_around_it(settled: Database) -> None:
    """Its evidence is the charger's register."""
    ((meter,),) = await settled.rows("SELECT min(meter) FROM metering.meter")
    await settled.run(
        "INSERT INTO metering.session_statement VALUES (%s, 's', 1, %s, 0, NULL, NULL, NULL, %s)", meter, START, START
    )
    await settled.run("INSERT INTO metering.charging_due (meter, connector, session) VALUES (%s, 1, 's')", meter)

    assert ("charging_due",) == (await _kept(settled)).held_by
    assert {"marks", "vee_due", "charging_due", "quarantine"} == set(HELD_BY)


async def test_a_round_in_progress_is_waited_for_and_one_that_began_before_does_not_go_on(settled: Database) -> None:
    """Whoever counts on readings holds the row of retention; whose snapshot is older than the drop must begin again."""
    async with by_hand(settled) as round_, by_hand(settled) as later:
        await round_.connection.execute(QUERIES["raw_kept_since"])
        await later.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await later.connection.execute("SELECT FROM metering.mark")
        dropping = asyncio.create_task(_kept(settled))
        await eventually(lambda: settled.rows(WAITING), "waiting for the round")
        assert START == await _oldest(settled)
        await round_.connection.rollback()
        assert 8 == (await dropping).dropped
        with pytest.raises(psycopg.errors.SerializationFailure):
            await later.connection.execute(QUERIES["raw_kept_since"])
        await later.connection.rollback()


async def test_the_service_itself_may_not_move_the_instant(database: Database) -> None:
    """It may lock the row, not change it."""
    async with await psycopg.AsyncConnection.connect(database.writer_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("UPDATE metering.retention SET raw_kept_since = now()")
        with pytest.raises(psycopg.errors.CheckViolation):
            await connection.execute("UPDATE metering.retention SET only_row = false")


async def test_new_chunks_take_the_length_that_is_set(database: Database, tmp_path: Path) -> None:
    """Chunks that are there stay as they are; the same setting again changes nothing."""
    channel = await _season(database, tmp_path, range(24))
    four_weeks = StorageSettings(reading_chunk_weeks=4)

    assert (True, False) == ((await _kept(database, four_weeks)).chunks_changed, (await _kept(database, four_weeks)).chunks_changed)
    await store(database, [[(channel, instant(NOW), 5)]])
    assert [(timedelta(days=7),), (timedelta(days=28),)] == await database.rows(
        """SELECT range_end - range_start FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'
           ORDER BY range_start"""
    )


def _command(database: Database, *arguments: str, days: str = "90") -> Result:
    given = {"METERWARDEN_OWNER_URL": database.owner_url, "METERWARDEN_STORAGE__RAW_RETENTION_DAYS": days, "LC_ALL": "C.UTF-8"}
    return CliRunner().invoke(main, ["storage", *arguments], env=given)


async def test_the_command_says_what_the_apache_edition_lacks_and_does_the_rest(database: Database) -> None:
    """In lines and as JSON, with exit status 0: an edition is no mistake."""
    told = await asyncio.to_thread(_command, database)
    fields = json.loads((await asyncio.to_thread(_command, database, "--json")).output)

    assert 0 == told.exit_code, told.output
    assert "columnstore: not available, TimescaleDB is the Apache edition" in told.output
    assert {"edition": "apache", "compressed_chunks": {}, "held_by": [], "dropped_chunks": 0} == {
        name: fields[name] for name in ("edition", "compressed_chunks", "held_by", "dropped_chunks")
    }


async def test_the_command_ends_with_1_where_readings_are_held_back(database: Database, tmp_path: Path) -> None:
    """And says by what."""
    await _season(database, tmp_path)
    told = await asyncio.to_thread(_command, database, days="48")

    assert 1 == told.exit_code, told.output
    assert "they are needed by: marks that are not settled" in told.output


# Whoever settles sees what was left undone


async def _overdue(database: Database, settings: StorageSettings, now: datetime = NOW) -> dict[str, float]:
    return await overdue_seconds(database.settings, settings, now)


async def test_readings_that_should_have_gone_are_overdue_until_they_are_dropped(settled: Database) -> None:
    """Counted from the end of the oldest chunk; seen by the writer, who cannot drop them. The Apache edition has no columnstore."""
    ninety_days = timedelta(days=90)
    first_end = (await settled.rows("SELECT min(range_end) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'"))[
        0
    ][0]
    assert await _overdue(settled, RETENTION) == {"columnstore": 0.0, "retention": (NOW - ninety_days - first_end).total_seconds()}
    await _kept(settled)
    assert await _overdue(settled, RETENTION) == {"columnstore": 0.0, "retention": 0.0}
    next_end = SINCE + timedelta(weeks=1)
    assert (await _overdue(settled, RETENTION, next_end + ninety_days + timedelta(seconds=5)))["retention"] == 5.0


async def test_where_nothing_is_to_be_dropped_nothing_is_overdue(settled: Database) -> None:
    """However old the chunks are."""
    assert await _overdue(settled, StorageSettings()) == {"columnstore": 0.0, "retention": 0.0}


async def test_what_is_overdue_is_in_the_metrics_of_whoever_settles(settled: Database, stack: Stack, tmp_path: Path) -> None:
    """A real service with a retention that nobody carries out."""
    retention = {"settlement__enabled": True, "storage__raw_retention_days": 90}
    async with running_service(settled, stack.mosquitto, tmp_path, **retention) as service:
        name = 'storage_overdue_seconds{work="retention"}'
        await eventually(lambda: service.metric(name), "overdue")
        assert (await service.metrics())['storage_overdue_seconds{work="columnstore"}'] == 0
