"""The warden against a real database: no message is left behind, and the caps remove what they must, in order, with a record."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from ingest.intake import AcceptWindow, assess
from ingest.messages import Assessed, Message
from ingest.metering.calendar import HOUR_US, instant
from ingest.metrics import Metrics
from ingest.present import Present
from ingest.registry import Registry
from ingest.settings import QuarantineSettings, Settings
from ingest.settler import utc_now
from ingest.storage.quarantine.caps import LOCK, Caps, keep_within
from ingest.storage.registry import load_registry
from ingest.storage.writer import Writer
from ingest.warden import Scan, Warden
from tests.databases import Database
from tests.published import RECENT, expected, reading, stored, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import eventually

WINDOW = AcceptWindow(45 * 24 * HOUR_US, HOUR_US // 6)
LONG_AGO = timedelta(days=36_500)


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    """A writer of the test's own."""
    writer = Writer(database.settings)
    yield writer
    await writer.close()


@pytest.fixture
async def late(database: Database) -> AsyncIterator[Writer]:
    """Another worker, whose transactions end when the test wants it."""
    writer = Writer(database.settings)
    yield writer
    await writer.close()


def warden_of(database: Database, registry: Registry, **quarantine: Any) -> Warden:
    """What watches, holding that registry."""
    settings = Settings(database=database.settings, quarantine=QuarantineSettings(**quarantine))
    return Warden(settings, Present(registry), Metrics(CollectorRegistry()), utc_now)


def decided(registry: Registry, second: int) -> list[Assessed]:
    """A reading of meter E1 as a worker with that registry decides on it."""
    message = Message(topic("I1"), reading(second, second / 1000), 1, False, 1, 1, instant(RECENT) + HOUR_US)
    return assess([message], registry, WINDOW, 256 * 1024)


async def register(database: Database, tmp_path: Path, *codes: str) -> Registry:
    """Meters of I1; returns the registry that knows them."""
    await import_files(
        database, write_files(tmp_path / "-".join(("r", *codes)), [institution("I1")], [meter(code, "I1") for code in codes])
    )
    return await load_registry(database.settings)


async def test_a_meter_registered_after_its_readings_were_quarantined_gets_them(
    database: Database, writer: Writer, tmp_path: Path
) -> None:
    """First order: committed, scanned, then registered: the registry's version moves, and everything is scanned."""
    before = await register(database, tmp_path, "E0")
    warden = warden_of(database, before)
    await writer.write(decided(before, 1))
    await warden.replay_waiting(writer)
    assert {} == await stored(database)
    warden.present.registry = await register(database, tmp_path, "E0", "E1")
    await warden.replay_waiting(writer)
    assert expected([1]) == await stored(database)


async def test_a_meter_registered_while_its_readings_are_being_quarantined_gets_them(
    database: Database, writer: Writer, late: Writer, tmp_path: Path
) -> None:
    """Second order: a worker that did not know the meter yet commits after the scan, and its row has a lower number than others."""
    before = await register(database, tmp_path, "E0")
    warden = warden_of(database, before)

    async def quarantine_slowly(connection: Any) -> None:
        await late.write_within(connection, decided(before, 1))
        await writer.write(decided(before, 2))  # a higher number, committed earlier
        warden.present.registry = await register(database, tmp_path, "E0", "E1")
        await warden.replay_waiting(writer)
        assert expected([2]) == await stored(database)

    await late.in_transaction(quarantine_slowly)
    await warden.replay_waiting(writer)
    assert expected([1, 2]) == await stored(database)


async def test_a_worker_that_learns_of_the_registry_late_leaves_nothing_behind(
    database: Database, writer: Writer, tmp_path: Path
) -> None:
    """The database knows the meter, this process does not yet: what it could not replay it replays with the next version."""
    before = await register(database, tmp_path, "E0")
    warden = warden_of(database, before)
    after = await register(database, tmp_path, "E0", "E1")
    await writer.write(decided(before, 1))
    await warden.replay_waiting(writer)
    assert {} == await stored(database)
    warden.present.registry = after
    await warden.replay_waiting(writer)
    assert expected([1]) == await stored(database)


async def test_a_row_in_another_workers_hands_is_scanned_again(
    database: Database, writer: Writer, late: Writer, tmp_path: Path
) -> None:
    """That worker may end without having replayed it."""
    before = await register(database, tmp_path, "E0")
    await writer.write(decided(before, 1))
    warden = warden_of(database, await register(database, tmp_path, "E0", "E1"))

    async def hold(connection: Any) -> None:
        await connection.execute("SELECT FROM metering.quarantine FOR UPDATE")
        await warden.replay_waiting(writer)

    await late.in_transaction(hold)
    assert Scan() == warden.scan
    await warden.replay_waiting(writer)
    assert expected([1]) == await stored(database)


async def test_between_changes_only_what_came_since_is_looked_at(database: Database, writer: Writer, tmp_path: Path) -> None:
    """An open message that nothing has happened to is not read again."""
    before = await register(database, tmp_path, "E0")
    warden = warden_of(database, before)
    await writer.write(decided(before, 1))

    async def nothing_is_left_to_look_at() -> bool:
        """Not before every transaction of the server has ended that began before the message's, an autovacuum's too."""
        await warden.replay_waiting(writer)
        found = "SELECT FROM metering.quarantine WHERE recorded_in >= %s::text::xid8"
        return [] == await database.rows(found, warden.scan.horizon)

    await eventually(nothing_is_left_to_look_at)


# Caps


async def keep(database: Database, days: float, size: int, *, resolved: bool = False) -> None:
    """A message so many days old, that takes about so many bytes."""
    await database.run(
        """INSERT INTO metering.quarantine (key, topic, payload, qos, retain, received_at, stage, reason, detail, failing, wanted,
                                            resolved_at, resolution)
           VALUES (sha256(gen_random_uuid()::text::bytea), 't', convert_to(repeat('x', %s), 'UTF8'), 1, false, %s, '', 'too_old',
                   '', '{}', '{}', %s, %s)""",
        size - 501, datetime.now(UTC) - timedelta(days=days),
        datetime.now(UTC) if resolved else None, "replayed" if resolved else None,
    )  # fmt: skip


async def left(database: Database) -> list[tuple[int, bool]]:
    """Age in days and whether open, of every message, the oldest first."""
    return await database.rows(
        "SELECT extract(day FROM now() - received_at)::int, resolved_at IS NULL FROM metering.quarantine ORDER BY received_at"
    )


async def purges(database: Database) -> list[tuple[Any, ...]]:
    """What the record says."""
    return await database.rows(
        "SELECT author, because, filter, open, resolved, bytes FROM meterwarden.quarantine_purge ORDER BY id"
    )


async def test_above_its_size_the_oldest_resolved_messages_go_first_then_the_oldest_open_ones(
    database: Database, writer: Writer
) -> None:
    """No more than must go, and each deletion is in the record."""
    for days in (1, 2, 3, 4):
        await keep(database, days, 100_000, resolved=True)
        await keep(database, 10 + days, 100_000)
    assert not await keep_within(writer, Caps(800_000, LONG_AGO), datetime.now(UTC))
    await keep_within(writer, Caps(650_000, LONG_AGO), datetime.now(UTC))
    assert [(14, True), (13, True), (12, True), (11, True), (2, False), (1, False)] == await left(database)
    purged = await keep_within(writer, Caps(250_000, LONG_AGO), datetime.now(UTC))
    assert (2, 2, 400_000) == (purged.open, purged.resolved, purged.bytes)
    assert [(12, True), (11, True)] == await left(database)
    why = "more than 0 MiB"
    assert [
        ("cap", why, f"state=resolved {why}", 0, 2, 200_000),
        ("cap", why, f"state=resolved {why}", 0, 2, 200_000),
        ("cap", why, f"state=open {why}", 2, 0, 200_000),
    ] == await purges(database)


async def test_what_is_too_old_goes_whether_open_or_not(database: Database, writer: Writer) -> None:
    """By its arrival, and nothing younger."""
    for days in (399, 401):
        await keep(database, days, 1000)
        await keep(database, days, 1000, resolved=True)
    await keep_within(writer, Caps(10**9, timedelta(days=400)), datetime.now(UTC))
    assert [(399, True), (399, False)] == sorted(await left(database), reverse=True)
    assert ["older than 400 days"] * 2 == [row[1] for row in await purges(database)]


async def test_two_workers_at_their_cap_remove_once_what_is_too_much(database: Database, writer: Writer, late: Writer) -> None:
    """One holds the lock; the other leaves it to them."""
    for days in (1, 2, 3):
        await keep(database, days, 100_000)

    async def hold(connection: Any) -> None:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        assert not await keep_within(writer, Caps(200_000, LONG_AGO), datetime.now(UTC))

    await late.in_transaction(hold)
    assert 3 == len(await left(database))
    await keep_within(writer, Caps(200_000, LONG_AGO), datetime.now(UTC))
    assert 2 == len(await left(database))


async def test_a_purge_at_the_cap_is_counted_logged_and_was_warned_of(
    database: Database, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """Near the cap a warning and the ratio; at the cap an error, where open messages go."""
    for days in (1, 2, 3, 4):
        await keep(database, days, 220_000)
    warden = warden_of(database, Registry(0), max_mib=1)
    await warden.keep_within_caps(writer)
    sample = warden.metrics.registry.get_sample_value
    assert 880_000 == sample("meterwarden_quarantine_bytes")
    assert 880_000 / 2**20 == sample("meterwarden_quarantine_fill_ratio")
    assert [("WARNING", "quarantine near its cap")] == [(one.levelname, one.message) for one in caplog.records]
    await keep(database, 5, 220_000)
    await warden.keep_within_caps(writer)
    assert 4 < len(await left(database)), "the size is not asked for at every turn"
    warden.caps_due_at = 0
    await warden.keep_within_caps(writer)
    assert ("ERROR", "quarantine purged at its cap") == (caplog.records[-1].levelname, caplog.records[-1].message)
    assert [1, 0] == [sample("meterwarden_quarantine_purged_total", {"state": state}) for state in ("open", "resolved")]
    assert 880_000 == sample("meterwarden_quarantine_bytes")
    assert [4, 3, 2, 1] == [days for days, _ in await left(database)]


async def test_what_was_replayed_before_the_lock_came_is_no_longer_purged_as_open(database: Database, writer: Writer) -> None:
    """The state is looked at again under the lock."""
    await keep(database, 5, 1000)
    (number,), *_ = await database.rows("UPDATE metering.quarantine SET resolved_at = now() RETURNING quarantine")
    call = "SELECT * FROM metering.purge_quarantine(%s, 'open', 'test', 'test', '')"

    async def purge(connection: Any) -> list[Any]:
        return list(await (await connection.execute(call, [[number]])).fetchall())

    assert [] == await writer.in_transaction(purge)
    assert [] == await purges(database)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM metering.quarantine",
        "TRUNCATE metering.quarantine",
        "INSERT INTO metering.quarantine_purge (author) VALUES ('x')",
        "UPDATE metering.quarantine_purge SET author = 'x'",
        "DELETE FROM metering.quarantine_purge",
    ],
)
@pytest.mark.parametrize("role", ["writer_url", "reader_url"])
async def test_nobody_deletes_without_a_record_or_changes_one(database: Database, statement: str, role: str) -> None:
    """The service deletes by one function alone, which records it; the reader not at all."""
    async with await psycopg.AsyncConnection.connect(getattr(database, role)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)
        await connection.rollback()


async def test_the_reader_cannot_purge(database: Database) -> None:
    """The function is the writer's."""
    async with await psycopg.AsyncConnection.connect(database.reader_url) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT metering.purge_quarantine('{1}', 'all', 'x', 'x', '')")
        await connection.rollback()
