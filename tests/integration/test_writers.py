"""Two writers at once, looks for keys that are there, and the probe, on a real database."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from psycopg import sql

from ingest.errors import Refused
from ingest.messages import Outcome, Row
from ingest.metering.calendar import HOUR_US, instant
from ingest.metrics import Metrics
from ingest.persist import persist
from ingest.storage.connection import Connection
from ingest.storage.marking import mark
from ingest.storage.outcomes import Key
from ingest.storage.queries import QUERIES
from ingest.storage.readings import by_chunk, keys_to_look_up, stored_values
from ingest.storage.writer import Writer
from tests.databases import Database
from tests.integration.writing import START, conflicts, marks, readings, said, written


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
