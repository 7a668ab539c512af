"""What a round derives takes the place of what stands, whichever column differs; a row that is as it was is not written again."""

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from ingest.storage.queries import QUERIES
from ingest.storage.settlement import open_round
from tests.databases import Database

TABLES = {
    "hour": ("consumption_hour", "settled_hour", ("channel", "hour")),
    "day": ("consumption_day", "settled_day", ("channel", "day")),
    "state": ("day_state", "settled_state", ("channel", "day")),
    "event": ("channel_event", "settled_event", ("channel", "found_at", "from_at", "kind")),
}
FIRST = {"integer": "1", "bigint": "1", "date": "2026-10-01", "timestamp with time zone": "2026-10-01T00:00Z", "text": "spike",
         "ARRAY": "{1,2}", "jsonb": "{}"}  # fmt: skip
OTHER = {"bigint": "2", "integer": "2", "timestamp with time zone": "2026-10-01T05:00Z", "ARRAY": "{1,3}", "jsonb": '{"a": 1}'}


@pytest.mark.parametrize("what", TABLES)
async def test_every_column_that_differs_is_written_and_nothing_else(database: Database, what: str) -> None:
    """Each by itself: one that the statement forgot to compare, or to set, would stay as it was."""
    stored, new, key = TABLES[what]
    async with await AsyncConnection.connect(database.owner_url, row_factory=dict_row) as connection:
        await open_round(connection)  # type: ignore[arg-type]  # its rows are read by name here
        types = {row["column_name"]: row["data_type"] for row in await (await connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'metering' AND table_name = %s",
            [stored])).fetchall()}  # fmt: skip
        row = {name: FIRST[type_] for name, type_ in types.items()}
        await _insert(connection, sql.Identifier("metering", stored), row)
        for name in types.keys() - set(key):
            row[name] = OTHER[types[name]]
            before = await _version(connection, stored)
            for written in (True, False):
                await connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(new)))
                await _insert(connection, sql.Identifier(new), row)
                await connection.execute(QUERIES[f"upsert_{what}s"])
                after = await _version(connection, stored)
                assert written == (after != before), name
                before = after
            same = sql.SQL("SELECT 1 FROM {} AS old, {} AS new WHERE old.* IS NOT DISTINCT FROM new.*")
            differ = await connection.execute(same.format(sql.Identifier("metering", stored), sql.Identifier(new)))
            assert len(await differ.fetchall()) == 1, name
        await connection.rollback()


async def _insert(connection: AsyncConnection[dict], table: sql.Identifier, row: dict[str, str]) -> None:
    names, values = sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Literal, row.values()))
    await connection.execute(sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(table, names, values))


async def _version(connection: AsyncConnection[dict], table: str) -> str:
    """Where the only row lies: an UPDATE moves it."""
    cursor = await connection.execute(sql.SQL("SELECT ctid::text FROM {}").format(sql.Identifier("metering", table)))
    (row,) = await cursor.fetchall()
    return row["ctid"]
