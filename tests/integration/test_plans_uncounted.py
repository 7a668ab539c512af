"""What settlement asks of tables that nobody has counted yet: work still grows with what is asked for, and no faster.

A city is registered and back-filled before the database looks at its tables again. What the planner guesses then may be wrong a
thousandfold.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any, Final

import psycopg
import pytest

from ingest.storage.queries import QUERIES
from tests.databases import Database

INSTITUTIONS: Final = 150
CHANNELS: Final = list(range(1, 4 * INSTITUTIONS + 1))

CITY: Final = f"""
INSERT INTO metering.region (code, name, timezone) VALUES ('R', 'Region', 'Asia/Shanghai');
INSERT INTO metering.institution (code, name, region)
SELECT 'I' || n, 'Institution ' || n, 1 FROM generate_series(1, {INSTITUTIONS}) AS n;
INSERT INTO metering.meter (medium, code) SELECT 'electricity', 'E' || n % 4 FROM generate_series(1, {len(CHANNELS)}) AS n;
INSERT INTO metering.meter_version (meter, valid_from, institution, role, parent, ratio_milli, rated_capacity, quantum_milli,
                                    interval_s)
SELECT meter, '2020-01-01', 1 + (meter - 1) / 4, CASE meter % 4 WHEN 0 THEN 'main' ELSE 'sub' END,
       CASE meter % 4 WHEN 0 THEN NULL ELSE 'E0' END, 1000, 100, 10, 3600 FROM metering.meter;
INSERT INTO metering.channel (meter, register, kind, unit)
SELECT meter, 'energy_import_kwh', 'cumulative', 'kWh' FROM metering.meter;
"""
STANDINGS: Final = """
INSERT INTO metering.quota_level (institution, indicator, period_kind, period_start, day, period_end, level, previous_level, used,
                                  measured_us, estimated_us, expected_us, unit, missing)
SELECT institution, indicator, kind, date_trunc(kind, day)::date, day, (date_trunc(kind, day) + ('1 ' || kind)::interval)::date,
       'within', 'within', 1, 1, 0, 1, 'kWh/m2', ARRAY[]::text[]
FROM metering.institution, unnest(ARRAY['electricity_per_area', 'electricity_per_person', 'water_per_person']) AS indicator,
     unnest(ARRAY['month', 'year']) AS kind, generate_series('2026-10-01'::date, '2026-10-31', '1 day') AS day
"""


@pytest.fixture
async def session(database: Database) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A city's registry and a month of its standings, and no table counted."""
    connecting = psycopg.AsyncConnection.connect(database.superuser_url, cursor_factory=psycopg.AsyncClientCursor)
    async with await connecting as connection:
        await connection.execute(CITY)
        await connection.execute(STANDINGS)
        yield connection
        await connection.rollback()


async def rows_touched(connection: psycopg.AsyncConnection[Any], query: str, parameters: Any) -> int:
    """Rows that come out of any step of a plan, or are passed over in it."""
    cursor = await connection.execute(f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {query}", parameters)
    [[[top]]] = await cursor.fetchall()
    return sum(touched(node) for node in nodes(top["Plan"]))


def nodes(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node and all below it."""
    yield of
    for inner in of.get("Plans", []):
        yield from nodes(inner)


def touched(node: dict[str, Any]) -> int:
    """By all its loops."""
    passed_over = sum(number for name, number in node.items() if name.startswith("Rows Removed by"))
    return int(node["Actual Loops"] * (node["Actual Rows"] + passed_over))


async def test_the_newest_day_of_each_period_is_one_look_up(session: psycopg.AsyncConnection[Any]) -> None:
    """Not one through the days of all institutions."""
    shown = INSTITUTIONS * 3 * 2
    assert await rows_touched(session, QUERIES["current_standings"], {"today": date(2026, 10, 31)}) < 20 * shown


async def test_the_facts_of_a_channel_are_looked_up_beside_no_other_channel(session: psycopg.AsyncConnection[Any]) -> None:
    """Whether one feeds back is asked of its own meter, and of the one a check meter stands behind."""
    parameters = {"channel": CHANNELS, "now": "2026-11-01T00:00:00Z"}
    assert await rows_touched(session, QUERIES["judged_channels"], parameters) < 30 * len(CHANNELS)
