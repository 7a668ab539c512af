"""The writer against a real database: outcomes, what is kept and marked, two writers at once, query plans, roles, migrations."""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ingest.errors import Reason, Refused, Stage
from ingest.intake import AcceptWindow, assess
from ingest.messages import Assessed, Message, Outcome, Rejected, Row, SessionRow
from ingest.metering.calendar import HOUR_US, instant
from ingest.metrics import Metrics
from ingest.persist import persist
from ingest.stack import Stack
from ingest.storage import migrate as migrations
from ingest.storage.bootstrap import ROLES, bootstrap
from ingest.storage.connection import Connection
from ingest.storage.marking import mark
from ingest.storage.migrate import MigrationFault, migrate
from ingest.storage.outcomes import Key
from ingest.storage.quarantine.replay import EVERYTHING, replay, waiting
from ingest.storage.queries import QUERIES
from ingest.storage.readings import by_chunk, keys_to_look_up, stored_values
from ingest.storage.registry import load_registry
from ingest.storage.writer import WARY_BATCHES, Writer, quarantine_key
from tests.databases import Database
from tests.registries import import_files, institution, meter, write_files

START = instant(datetime(2026, 3, 2, tzinfo=UTC))
WINDOW = AcceptWindow(back_us=45 * 24 * HOUR_US, ahead_us=HOUR_US // 6)
MAX_PAYLOAD_BYTES = 256 * 1024

Given = tuple[int, float, int]
"""Channel, hours after `START`, value."""


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    """A writer, closed at the end."""
    found = Writer(database.settings)
    yield found
    await found.close()


@pytest.fixture(params=["copied", "looked up"])
async def either(request: pytest.FixtureRequest, writer: Writer) -> Writer:
    """A writer on each of its two paths: straight into the hypertable, and after a look for keys that are there."""
    if request.param == "looked up":
        await writer.write([said((99, 0, 1))])
        await writer.write([said((99, 0, 1))])
    return writer


def row(given: Given) -> Row:
    channel, hours, value = given
    return Row(channel, START + int(hours * HOUR_US), value, START)


def said(*given: Given, payload: bytes = b"{}") -> Assessed:
    """One message with these readings."""
    return Assessed(Message("t", payload, 1, False, 1, 1, START), [row(one) for one in given])


def rejected(payload: bytes, *given: Given, topic: str = "t") -> Assessed:
    """A message to be kept in quarantine, with its good readings."""
    message = Message(topic, payload, 1, True, 1, 1, START)
    return Assessed(message, [row(one) for one in given], rejected=Rejected(Stage.DECODE, Reason.WRONG_TYPE, "why", [3], ["I/x/y"]))


async def written(writer: Writer, *batch: Assessed) -> list[tuple[str, int, int, int]]:
    """The outcomes of a batch."""
    return [tuple(outcome) for outcome in await writer.write(batch)]


async def readings(database: Database) -> list[Given]:
    """Every stored reading but the one that makes a writer look first."""
    rows = await database.rows("SELECT channel, read_at, value FROM metering.reading WHERE channel <> 99 ORDER BY 1, 2")
    return [(channel, (instant(at) - START) // HOUR_US, value) for channel, at, value in rows]


async def conflicts(database: Database) -> list[Given]:
    """Every kept other value."""
    rows = await database.rows("SELECT channel, read_at, value FROM metering.conflict ORDER BY 1, 2, 3")
    return [(channel, (instant(at) - START) // HOUR_US, value) for channel, at, value in rows]


async def marks(database: Database) -> list[list[tuple[int, int]]]:
    """Each mark as its channel-hours after `START`, the fixture's own left out."""
    rows = await database.rows("SELECT channel, utc_hour FROM metering.mark ORDER BY mark")
    first = START // HOUR_US
    found = [[(channel, hour - first) for channel, hour in zip(*one, strict=True)] for one in rows]
    return [one for one in found if one != [(99, 0)]]


async def test_a_mark_says_from_when_to_when_its_hours_have_changed(database: Database, either: Writer) -> None:
    """Only what is new or newly disputed counts: settlement need not look before it, nor behind it."""
    await written(either, said((1, 0.25, 10)))
    await database.run("DELETE FROM metering.mark")
    await written(either, said((1, 0.875, 40), (1, 0.25, 10), (1, 0.5, 20), (1, 0.75, 30), (1, 1.25, 50), (2, 0.5, 1)))

    hour, quarter = START // HOUR_US, HOUR_US // 4
    since, until = [START + 2 * quarter, START + 5 * quarter, START + 2 * quarter], [
        START + 7 * quarter // 2, START + 5 * quarter, START + 2 * quarter]  # fmt: skip
    assert [([1, 1, 2], [hour, hour + 1, hour], since, until)] == await database.rows(
        "SELECT channel, utc_hour, from_us, until_us FROM metering.mark"
    )


# Outcomes


async def test_new_readings_are_stored_and_repeated_ones_are_duplicates(database: Database, either: Writer) -> None:
    """Outcomes come in the order of the messages; a value that is there is a duplicate, in the same batch and in a later one."""
    first = await written(either, said((1, 0, 10)), said((1, 1, 20), (2, 0, 5)), said((1, 0, 10)))
    again = await written(either, said((1, 1, 20), (2, 1, 6)), said((2, 0, 5)))

    assert [("stored", 1, 0, 0), ("stored", 2, 0, 0), ("duplicate", 0, 1, 0)] == first
    assert [("stored", 1, 1, 0), ("duplicate", 0, 1, 0)] == again
    assert [(1, 0, 10), (1, 1, 20), (2, 0, 5), (2, 1, 6)] == await readings(database)
    assert [] == await conflicts(database)


async def test_another_value_under_a_stored_key_is_a_dispute_kept_once(database: Database, either: Writer) -> None:
    """Each distinct other value is a row of its own, the stored one never changes; the same dispute again is a duplicate."""
    await written(either, said((1, 0, 10)))
    disputed = await written(either, said((1, 0, 11)), said((1, 0, 12)), said((1, 0, 11)), said((1, 0, 10)))
    again = await written(either, said((1, 0, 12), (1, 0, 11)))

    assert [("stored", 0, 0, 1), ("stored", 0, 0, 1), ("duplicate", 0, 1, 0), ("duplicate", 0, 1, 0)] == disputed
    assert [("duplicate", 0, 2, 0)] == again
    assert [(1, 0, 10)] == await readings(database)
    assert [(1, 0, 11), (1, 0, 12)] == await conflicts(database)


async def test_two_values_for_one_key_within_a_batch_are_a_dispute(database: Database, either: Writer) -> None:
    """One is stored, the other kept beside it; every reading has exactly one outcome."""
    outcomes = await written(either, said((1, 0, 10)), said((1, 0, 11)), said((1, 0, 10)))

    assert [("stored", 1, 0, 0), ("stored", 0, 0, 1), ("duplicate", 0, 1, 0)] == outcomes
    assert [(1, 0, 10)] == await readings(database)
    assert [(1, 0, 11)] == await conflicts(database)


async def test_of_two_values_in_one_batch_the_one_that_came_first_is_stored(database: Database, either: Writer) -> None:
    """As it would be in two batches, whichever is greater, and in one message too."""
    assert [("stored", 1, 0, 1), ("stored", 0, 0, 1)] == await written(either, said((1, 0, 11), (1, 0, 12)), said((1, 0, 10)))
    assert ([(1, 0, 11)], [(1, 0, 10), (1, 0, 12)]) == (await readings(database), await conflicts(database))


async def test_a_dispute_over_a_stored_zero_is_one(database: Database, either: Writer) -> None:
    """A register that stands at nothing is a value as any other."""
    await written(either, said((1, 0, 0)))
    assert [("stored", 1, 0, 1), ("duplicate", 0, 1, 0)] == await written(either, said((1, 0, 5), (2, 0, 0)), said((1, 0, 0)))
    assert ([(1, 0, 0), (2, 0, 0)], [(1, 0, 5)]) == (await readings(database), await conflicts(database))


async def test_a_rejected_message_is_rejected_whatever_became_of_its_good_readings(database: Database, either: Writer) -> None:
    """The message is kept, its good readings are stored, and counted as readings."""
    outcomes = await written(either, rejected(b"a", (1, 0, 10)), rejected(b"b", (1, 0, 10)), rejected(b"c"))
    assert [("rejected", 1, 0, 0), ("rejected", 0, 1, 0), ("rejected", 0, 0, 0)] == outcomes
    assert [(1, 0, 10)] == await readings(database)


async def test_known_keys_make_the_writer_look_first_in_the_next_batches_and_then_no_more(
    database: Database, writer: Writer
) -> None:
    """Both paths store the same, whichever is taken: through all the wary batches, and beyond them."""
    await writer.write([said((1, 0, 0))])
    for hour in range(1, WARY_BATCHES + 3):
        assert [("stored", 1, 1, 0)] == await written(writer, said((1, hour - 1, hour - 1), (1, hour, hour)))
        assert [("stored", 1, 0, 0)] == await written(writer, said((2, hour, hour)))
    assert [(1, hour, hour) for hour in range(WARY_BATCHES + 3)] == (await readings(database))[: WARY_BATCHES + 3]


async def test_the_extremes_of_a_register_and_of_time_are_stored_exactly(database: Database, either: Writer) -> None:
    """Binary COPY carries every integer below 2^52, negative ones, and instants to the microsecond, before 2000 too."""
    instants = [instant(datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) for year in (1989, 2026, 2090)]
    values = [-(2**52) + 1, 0, 2**52 - 1]
    message = said().message
    await either.write([Assessed(message, [Row(2**31 - 1, at, value, at) for at, value in zip(instants, values, strict=True)])])
    rows = await database.rows("SELECT read_at, value, received_at FROM metering.reading WHERE channel <> 99 ORDER BY read_at")
    assert [(at, value, at) for at, value in zip(instants, values, strict=True)] == [
        (instant(at), value, instant(received)) for at, value, received in rows
    ]


async def test_an_empty_batch_and_a_batch_without_readings_commit(database: Database, writer: Writer) -> None:
    """Nothing to store is no fault, and marks nothing."""
    assert [] == await written(writer)
    assert [("duplicate", 0, 0, 0)] == await written(writer, said())
    assert [] == await marks(database)


# Marks


async def test_marks_are_exactly_the_channel_hours_of_what_changed(database: Database, either: Writer) -> None:
    """New readings and new disputes, each hour once a batch, one row a transaction; duplicates mark nothing."""
    half = START + HOUR_US // 2
    await either.write([said((1, 0, 10), (1, 1, 20), (2, 1, 5)), Assessed(said().message, [Row(1, half, 15, START)])])
    await either.write([said((1, 0, 10), (2, 1, 5))])
    await either.write([said((1, 0, 10), (2, 1, 6), (2, 2, 7))])
    await either.write([said((2, 1, 6))])
    assert [[(1, 0), (1, 1), (2, 1)], [(2, 1), (2, 2)]] == await marks(database)


async def test_readings_and_their_mark_commit_together_or_not_at_all(database: Database, either: Writer) -> None:
    """A transaction that fails at its last statement leaves no reading, conflict or quarantine; written again, it leaves all."""
    await either.write([said((1, 0, 10))])
    await database.run("REVOKE INSERT ON metering.mark FROM meterwarden_writer")
    batch = [said((1, 1, 20)), said((1, 0, 11)), rejected(b"bad")]
    with pytest.raises(Refused, match="42501"):
        await either.write(batch)
    assert ([(1, 0, 10)], []) == (await readings(database), await conflicts(database))
    assert [(0,)] == await database.rows("SELECT count(*) FROM metering.quarantine")
    await database.run("GRANT INSERT ON metering.mark TO meterwarden_writer")
    assert [("stored", 1, 0, 0), ("stored", 0, 0, 1), ("rejected", 0, 0, 0)] == await written(either, *batch)
    assert [(1, 0), (1, 1)] == (await marks(database))[-1]


# Charging sessions and quarantine


async def test_a_statement_about_a_session_is_stored_once_and_a_new_one_beside_it(database: Database, writer: Writer) -> None:
    """The start, the same start again, and the end: two statements; a repeated one makes its message a duplicate."""
    begin = SessionRow(7, "S1", 1, START, 1000, None, None, None, START)
    end = begin._replace(stopped_at=START + HOUR_US, stop_register=3000, session_energy=2000, received_at=START + HOUR_US)
    outcomes = [
        await written(writer, Assessed(said().message, sessions=[begin]), Assessed(said().message, sessions=[begin])),
        await written(writer, Assessed(said().message, sessions=[begin._replace(received_at=START + 5)])),
        await written(writer, Assessed(said().message, sessions=[end])),
        await written(writer, Assessed(said().message, sessions=[end])),
    ]
    assert ["stored", "duplicate", "duplicate", "stored", "duplicate"] == [name for batch in outcomes for name, *_ in batch]
    assert [(1000, None), (1000, 3000)] == await database.rows(
        "SELECT start_register, stop_register FROM metering.session_statement ORDER BY stop_register NULLS FIRST"
    )


async def test_a_rejected_message_is_kept_whole_and_once_by_topic_and_payload(database: Database, writer: Writer) -> None:
    """Bytes as they came, also those no text column would take; the same payload under another topic is another message."""
    payload = bytes(range(256)) * 2
    await writer.write([rejected(payload), rejected(payload), rejected(b""), rejected(payload, topic="t/温度")])
    await writer.write([rejected(payload), rejected(b"")])
    kept = await database.rows("SELECT key, topic, payload FROM metering.quarantine")
    wanted = [Message(topic, one, 1, True, 1, 1, START) for topic, one in (("t", payload), ("t", b""), ("t/温度", payload))]
    rows = sorted((quarantine_key(one), one.topic.encode(), one.payload) for one in wanted)
    assert rows == sorted(tuple(map(bytes, row)) for row in kept)
    assert [(1, True, "decode", "wrong_type", "why", [3], ["I/x/y"])] == await database.rows(
        "SELECT DISTINCT qos, retain, stage, reason, detail, failing, wanted FROM metering.quarantine"
    )


async def test_a_replayed_message_is_judged_by_the_time_it_was_received(database: Database, writer: Writer, tmp_path: Path) -> None:
    """A meter registered months late gets its readings, though no message may be so old today; others stay where they are."""
    received_at = instant(datetime.now(UTC) - timedelta(days=400))
    read_at = datetime.now(UTC) - timedelta(days=400, minutes=5)
    before = Message("metering/I1/electricity/E1/reading", stated(read_at, 12.5), 1, False, 1, 1, received_at)
    too_old = before._replace(payload=stated(read_at - timedelta(days=60), 1.5))
    other = before._replace(topic="metering/I1/electricity/E9/reading")
    empty = await load_registry(database.settings)
    decide = partial(assess, registry=empty, window=WINDOW, max_payload_bytes=MAX_PAYLOAD_BYTES)
    await writer.write(decide([before, other, too_old]))
    assert 0 == await replayed(writer, decide)

    await import_files(database, write_files(tmp_path, [institution()], [meter()]))
    registry = await load_registry(database.settings)
    decide = partial(assess, registry=registry, window=WINDOW, max_payload_bytes=MAX_PAYLOAD_BYTES)
    assert 1 == await replayed(writer, decide)
    assert 0 == await replayed(writer, decide)
    assert [(12_500, received_at)] == [
        (value, instant(at)) for value, at in await database.rows("SELECT value, received_at FROM metering.reading")
    ]
    assert [("too_old", None), ("unknown_meter", None), ("unknown_meter", "replayed")] == await database.rows(
        "SELECT reason, resolution FROM metering.quarantine ORDER BY 1, 2 NULLS FIRST"
    )


async def replayed(writer: Writer, decide: Callable[[Sequence[Message]], list[Assessed]]) -> int:
    """How many of the messages that wait for nothing any more are resolved by a replay."""
    found, _ = await writer.in_transaction(partial(waiting, EVERYTHING))
    return (await replay(writer, decide, found)).resolved


def stated(read_at: datetime, energy_kwh: float) -> bytes:
    """A reading's payload."""
    return json.dumps({"read_at": read_at.isoformat(), "energy_import_kwh": energy_kwh}).encode()


# Two writers, plans, the probe


async def test_two_writers_with_overlapping_keys_lose_nothing_and_store_each_key_once(database: Database, seed: int) -> None:
    """The same keys at the same time, in other batches and orders, some with another value: one row a key, every reading counted.

    COPY fills the chunks of a hypertable one after the other, so batches over several chunks may deadlock; such a batch is
    tried again.
    """
    rng = random.Random(seed)
    keys = [(channel, hour) for channel in range(1, 6) for hour in range(200)]

    async def write(own: random.Random, name: int) -> list[Outcome]:
        writer, outcomes = Writer(database.settings), []
        shuffled = own.sample(keys, len(keys))
        for begin in range(0, len(shuffled), 100):
            part = shuffled[begin : begin + 100]
            batch = [said((channel, hour, hour if (channel + hour) % 10 else hour + name)) for channel, hour in part]
            outcomes += await persist(writer, batch, Metrics(CollectorRegistry()), lambda _: asyncio.sleep(0))
        await writer.close()
        return outcomes

    found = await asyncio.gather(*(write(random.Random(rng.random()), name) for name in range(1, 4)))
    assert sorted(keys) == [(channel, hour) for channel, hour, _ in await readings(database)], f"seed {seed}"
    plain = [one for one in await readings(database) if (one[0] + one[1]) % 10]
    assert all(value == hour for _, hour, value in plain)
    disputed = [key for key in keys if sum(key) % 10 == 0]
    assert len(disputed) * 2 == len(await conflicts(database)), "three values under a key: one stored, two kept"
    outcomes = [outcome for one in found for outcome in one]
    assert (len(keys), 2 * len(disputed)) == (sum(o.stored for o in outcomes), sum(o.disputed for o in outcomes))
    assert 3 * len(keys) == sum(o.stored + o.duplicate + o.disputed for o in outcomes)


async def test_a_key_that_another_worker_commits_after_the_look_is_no_reason_to_fail(
    database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COPY meets it, the next look finds it; what the transaction did before stays."""
    other, late = Writer(database.settings), [said((1, 0, 10), (2, 1, 7))]

    async def overtaken(connection: Connection, rows: Sequence[Row]) -> dict[Key, int]:
        found = await stored_values(connection, rows)
        if late:
            await other.write([late.pop()])
        return found

    monkeypatch.setattr("ingest.storage.readings.stored_values", overtaken)

    async def write(connection: Connection) -> list[Outcome]:
        await connection.execute(QUERIES["insert_mark"], mark([(9, START)]))
        return await writer.write_within(connection, [said((1, 0, 10), (2, 0, 5)), said((2, 1, 8))])

    assert [("stored", 1, 1, 0), ("stored", 0, 0, 1)] == await writer.in_transaction(write)
    await other.close()
    assert [(1, 0, 10), (2, 0, 5), (2, 1, 7)] == await readings(database)
    assert [(2, 1, 8)] == await conflicts(database)
    assert [[(9, 0)], [(1, 0), (2, 1)], [(2, 0), (2, 1)]] == await marks(database)


async def test_where_look_and_index_never_agree_the_message_is_refused(
    database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a damaged index would have it: tried a few times, then left to isolation, which puts it into quarantine."""
    await writer.write([said((1, 0, 10))])

    async def nothing(_connection: Connection, _rows: Sequence[Row]) -> dict[Key, int]:
        return {}

    monkeypatch.setattr("ingest.storage.readings.stored_values", nothing)
    outcomes = await persist(writer, [said((2, 0, 5)), said((1, 0, 10)), said((3, 0, 6))], Metrics(CollectorRegistry()))
    assert ["stored", "rejected", "stored"] == [outcome.message for outcome in outcomes]
    assert [(1, 0, 10), (2, 0, 5), (3, 0, 6)] == await readings(database)


async def test_stored_values_are_found_by_index_and_no_chunk_is_read_through(database: Database, writer: Writer) -> None:
    """With many rows over several chunks the look-up stays a look-up: one index access a key, in its own chunk alone."""
    await database.run(
        """INSERT INTO metering.reading (read_at, value, received_at, channel)
           SELECT '2026-01-01Z'::timestamptz + hour * interval '1 hour', hour, now(), channel
           FROM generate_series(0, 1343) AS hour, generate_series(1, 60) AS channel"""
    )
    await database.run("ANALYZE metering.reading")
    chunks = await database.rows("SELECT FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'")
    assert len(chunks) >= 8
    begin = instant(datetime(2026, 1, 1, tzinfo=UTC))
    rows = [Row(channel, begin + hour * HOUR_US, 0, 0) for channel in range(1, 51) for hour in range(0, 1344, 34)]
    explain = sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) ") + sql.SQL(QUERIES["stored_values"])

    async def look(connection: Connection) -> list[dict[str, Any]]:
        assert {row[:2]: (row.read_at - begin) // HOUR_US for row in rows} == await stored_values(connection, rows)
        prepared = await (await connection.execute("SELECT statement FROM pg_prepared_statements")).fetchall()
        assert not [statement for (statement,) in prepared if "ORDINALITY" in statement], "planned for any instants, of any chunk"
        within = [keys_to_look_up(some) for some in by_chunk(rows)]
        return [(await (await connection.execute(explain, keys)).fetchall())[0][0][0]["Plan"] for keys in within]

    plans = [list(plan_nodes(plan)) for plan in await writer.in_transaction(look)]
    assert len(plans) >= 8
    on_chunks = [[node for node in nodes if str(node.get("Relation Name", "")).startswith("_hyper_")] for nodes in plans]
    assert {1} == set(map(len, on_chunks)), "a chunk beside the one that was asked for"
    assert {"Index Scan", "Index Only Scan"} >= {node["Node Type"] for (node,) in on_chunks}, plans
    assert not [node for nodes in plans for node in nodes if node.get("Custom Plan Provider") == "ChunkAppend"]
    touched = sum(node["Actual Rows"] * node["Actual Loops"] for (node,) in on_chunks)
    assert touched <= len(rows), "more rows were read than asked for"


def plan_nodes(plan: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Every node of an EXPLAIN."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from plan_nodes(child)


async def test_a_probe_leaves_nothing_behind_and_does_not_disturb_the_next_batch(database: Database, either: Writer) -> None:
    """It commits, and what it commits is an empty mark at most."""
    await either.probe()
    await either.probe()
    assert ([], []) == (await readings(database), await conflicts(database))
    assert [(0,)] == await database.rows("SELECT count(*) FROM metering.reading WHERE channel = 0")
    assert [(0,)] == await database.rows("SELECT count(*) FROM metering.quarantine")
    assert {0} >= {len(one) for one in await marks(database)}
    assert [("stored", 1, 0, 0)] == await written(either, said((1, 0, 10)))


@pytest.mark.parametrize("privilege", ["INSERT ON metering.reading", "INSERT ON metering.mark", "INSERT ON metering.quarantine"])
async def test_a_probe_fails_where_every_message_would(database: Database, writer: Writer, privilege: str) -> None:
    """It goes through the same statements, so what the world forbids to all is not held against one."""
    await database.run(f"REVOKE {privilege} FROM meterwarden_writer")
    with pytest.raises(Refused, match="42501"):
        await writer.probe()


# Roles


async def refused(url: str, statement: str) -> bool:
    """Whether the database denies a role a statement for lack of privilege."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        try:
            await connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
        finally:
            await connection.rollback()
    return False


FORBIDDEN_TO_THE_WRITER = (
    "UPDATE metering.reading SET value = 0",
    "DELETE FROM metering.reading",
    "TRUNCATE metering.reading",
    "UPDATE metering.conflict SET value = 0",
    "DELETE FROM metering.conflict",
    "DELETE FROM metering.edit",
    "UPDATE metering.notice SET topic = ''",
    "DELETE FROM metering.notice",
    "DELETE FROM metering.session_statement",
    "CREATE TABLE metering.more (a int)",
    "CREATE TABLE public.more (a int)",
    "ALTER TABLE metering.reading ADD COLUMN more int",
    "DROP TABLE metering.mark",
    "INSERT INTO public.meterwarden_migration (name, digest) VALUES ('9999', '')",
)


async def test_the_writer_changes_no_raw_reading_and_no_structure(database: Database, writer: Writer) -> None:
    """Whoever takes over the service cannot rewrite what was measured."""
    await writer.write([said((1, 0, 10))])
    assert [] == [statement for statement in FORBIDDEN_TO_THE_WRITER if not await refused(database.writer_url, statement)]
    assert [(1, 0, 10)] == await readings(database)


async def test_the_reader_sees_every_view_and_no_table_behind_them(database: Database, writer: Writer, tmp_path: Path) -> None:
    """Dashboards get the public contract, nothing internal, and change nothing."""
    await import_files(database, write_files(tmp_path))
    await writer.write([said((1, 0, 10)), rejected(b"bad")])
    views = [name for (name,) in await database.rows("SELECT viewname FROM pg_views WHERE schemaname = 'meterwarden' ORDER BY 1")]
    tables = [name for (name,) in await database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'metering' ORDER BY 1")]
    assert {"reading", "quota_status", "quarantine", "consumption_month"} <= set(views)
    async with await psycopg.AsyncConnection.connect(database.reader_url, autocommit=True) as connection:
        counts = {name: len(await (await connection.execute(f"SELECT * FROM meterwarden.{name}")).fetchall()) for name in views}
    assert (1, 1) == (counts["reading"], counts["quarantine"])
    for table in tables:
        assert await refused(database.reader_url, f"SELECT FROM metering.{table}"), table
    assert await refused(database.reader_url, "CREATE TABLE meterwarden.more (a int)")


async def test_a_bootstrapped_database_is_open_to_the_three_roles_only_and_the_reader_makes_nothing_in_it(
    stack: Stack, database: Database
) -> None:
    """The writer needs temporary tables; the reader gets not even a temporary one, and others do not get in."""
    name, outsider = f"test_{secrets.token_hex(4)}", f"outsider_{secrets.token_hex(4)}"
    urls = dict(zip(ROLES, (database.owner_url, database.writer_url, database.reader_url), strict=True))
    await bootstrap(stack.postgres.url(), name, {role: str(conninfo_to_dict(url)["password"]) for role, url in urls.items()})
    writer, reader = (make_conninfo(urls[role], dbname=name) for role in ("meterwarden_writer", "meterwarden_reader"))
    await database.run(f"CREATE ROLE {outsider} LOGIN PASSWORD 'x'")
    try:
        assert not await refused(writer, "CREATE TEMPORARY TABLE more (a int)")
        assert await refused(reader, "CREATE TEMPORARY TABLE more (a int)")
        for url in (writer, reader):
            assert await refused(url, "CREATE TABLE public.more (a int)")
            assert await refused(url, "CREATE SCHEMA more")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            await psycopg.AsyncConnection.connect(stack.postgres.url(name, outsider, "x"))
    finally:
        await database.run(f"DROP DATABASE {name} WITH (FORCE)")
        await database.run(f"DROP ROLE {outsider}")


# Migrations


@asynccontextmanager
async def as_owner(database: Database) -> AsyncIterator[Connection]:
    """A connection as migrations have it: the owner's, in autocommit."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        yield connection


async def test_a_migrated_database_has_nothing_to_migrate(database: Database) -> None:
    """Run twice, also at the same time, it changes nothing; the owner can do it without being superuser."""

    async def once() -> list[str]:
        async with as_owner(database) as connection:
            return await migrate(connection)

    before = await database.rows("SELECT * FROM public.meterwarden_migration ORDER BY name")
    assert [] == await once()
    assert [[], [], []] == await asyncio.gather(once(), once(), once())
    assert before == await database.rows("SELECT * FROM public.meterwarden_migration ORDER BY name")
    assert [one.name for one in migrations.migrations()] == [name for name, *_ in before]


@pytest.mark.parametrize(
    ("tampering", "said_of_it"),
    [
        ("UPDATE {} SET digest = 'x' WHERE name LIKE '0002%%'", "0002_.* was edited after it was applied"),
        ("INSERT INTO {} (name, digest) VALUES ('9999_later', 'x')", "9999_later, .*install the newer version"),
    ],
)
async def test_an_edited_or_unknown_migration_is_refused_by_name(database: Database, tampering: str, said_of_it: str) -> None:
    """Structure and files that do not agree stop here, before anything is changed, and the lock is given back."""
    await database.run(tampering.format("public.meterwarden_migration"))
    async with as_owner(database) as connection:
        with pytest.raises(MigrationFault, match=said_of_it):
            await migrate(connection)
        locks = await connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert [(0,)] == await locks.fetchall()


@pytest.mark.parametrize("what", ["a reading", "a rejected message"])
async def test_a_batch_that_is_there_already_is_committed_as_if_it_were_new(writer: Writer, what: str) -> None:
    """A transaction that writes nothing waits for no standby; the one that stored it may have been cut short in that wait."""
    batch = [said((1, 0, 10))] if what == "a reading" else [rejected(b"bad")]
    await writer.write(batch)

    async def again(connection: Connection) -> bool:
        await writer.write_within(connection, batch)
        ((number,),) = await (await connection.execute("SELECT pg_current_xact_id_if_assigned()")).fetchall()
        return number is not None

    assert await writer.in_transaction(again)
