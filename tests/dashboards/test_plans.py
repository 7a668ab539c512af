"""Dashboards on a large database: what a query reads is bounded by what was chosen, not by how long the service has run."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql as statements

from ingest.stack import Stack
from tests.databases import Database, database_of
from tests.grafana import Query, boards, queries, sql

SQL = queries("grafana-postgresql-datasource")
UNTIL: Final = datetime(2026, 10, 31, 16, tzinfo=UTC)
SINCE: Final = UNTIL - timedelta(days=30)
CHOSEN: Final = {
    "region": ["R1"], "institution": ["I7"], "medium": ["electricity", "water"], "meter": ["E1", "E2"], "site": ["P7"],
    "indicator": ["electricity_per_area", "water_per_person"], "period_kind": ["month"], "period": ["2026-10-01"],
}  # fmt: skip
GROW_FOR_EVER: Final = {
    "reading", "consumption_hour", "consumption_day", "institution_day", "quota_level", "charging_session", "charger_status",
    "day_change", "channel_event",
}  # fmt: skip
"""Tables whose size is time times meters."""

CROWD: Final = """
INSERT INTO metering.region (code, name, timezone) SELECT 'R' || n, 'Region ' || n, 'Asia/Shanghai' FROM generate_series(1, 5) AS n;
INSERT INTO metering.institution (code, name, region)
SELECT 'I' || n, 'Institution ' || n, 1 + n % 5 FROM generate_series(1, 200) AS n;
INSERT INTO metering.meter (medium, code)
SELECT (ARRAY['electricity', 'electricity', 'water', 'charger'])[1 + n % 4], (ARRAY['E1', 'E2', 'W1', 'C1'])[1 + n % 4]
FROM generate_series(0, 799) AS n;
INSERT INTO metering.meter_version (meter, valid_from, institution, role, ratio_milli, rated_capacity, quantum_milli, interval_s)
SELECT meter, '2020-01-01', 1 + (meter - 1) / 4, 'main', 1000, 100, 10, 3600 FROM metering.meter;
INSERT INTO metering.channel (meter, register, kind, unit)
SELECT meter, CASE medium WHEN 'water' THEN 'volume_m3' ELSE 'energy_import_kwh' END, 'cumulative',
       CASE medium WHEN 'water' THEN 'm3' ELSE 'kWh' END FROM metering.meter;
INSERT INTO metering.charger (meter, site, supply, rated_kw, connectors, commissioned_on, access)
SELECT meter, 'P' || (1 + (meter - 1) / 4), 'dc', 60, 1, '2024-05-01', 'public' FROM metering.meter WHERE medium = 'charger';
INSERT INTO metering.sum_term
SELECT 1 + (meter - 1) / 4, sums.kind, medium, code, '', '2020-01-01', 'infinity', channel, 1, 1
FROM metering.channel JOIN metering.meter USING (meter), unnest(ARRAY['total', 'gap', 'virtual']) AS sums (kind);
INSERT INTO metering.sum_term
SELECT 1 + (meter - 1) / 4, 'sub_item', 'electricity', 'A1', '', '2020-01-01', 'infinity', channel, 1, 1
FROM metering.channel JOIN metering.meter USING (meter) WHERE medium = 'electricity';
INSERT INTO metering.quota (quota, standard, edition, table_no, jurisdiction, indicator, unit, period_kind, constraint_value,
                            valid_from, source, confidence, sample)
VALUES ('Q', 'SAMPLE', '1', '1', '-', 'electricity_per_area', 'kWh/m2', 'month', 10, '2020-01-01', 'invented', 'sample', true);
INSERT INTO metering.reading SELECT at, 1, at, channel
FROM metering.channel, generate_series('2026-10-01'::timestamptz, '2026-10-31', '1 hour') AS at WHERE channel <= 80;
INSERT INTO metering.consumption_hour SELECT channel, at, 1, 3600000000, 0
FROM metering.channel, generate_series('2026-08-01'::timestamptz, '2026-10-31', '1 hour') AS at WHERE channel <= 160;
INSERT INTO metering.consumption_day SELECT channel, day, 1, 0, 86400000000, 0, 0, 0, 0, 0, 0, 0
FROM metering.channel, generate_series('2026-03-01'::date, '2026-10-31', '1 day') AS day;
INSERT INTO metering.institution_day SELECT institution, medium, day, 1, 86400000000, 0, 86400000000, 0, 0, 0, 0, 0, 0
FROM metering.institution, unnest(ARRAY['electricity', 'water', 'charger']) AS medium,
     generate_series('2026-03-01'::date, '2026-10-31', '1 day') AS day;
INSERT INTO metering.quota_level
SELECT institution, indicator, kind, date_trunc(kind, day)::date, day, (date_trunc(kind, day) + ('1 ' || kind)::interval)::date,
       'within', 'within', 1, 1, 0, 1, 'kWh/m2', 10, 0.1, 0.1, 'Q', 1, '{}'
FROM metering.institution, unnest(ARRAY['electricity_per_area', 'water_per_person']) AS indicator,
     unnest(ARRAY['month', 'year']) AS kind, generate_series('2026-03-01'::date, '2026-10-31', '1 day') AS day;
INSERT INTO metering.charging_session
SELECT meter, 1, 'S' || at, at, at + interval '1 hour', at + interval '1 hour', 1, 2, 1000, 'closed', 'measured', NULL, true, 1
FROM metering.charger, generate_series('2025-10-01'::timestamptz, '2026-10-31', '1 day') AS at;
INSERT INTO metering.charger_status SELECT meter, 1, at, 'available', 'native', 'available', at
FROM metering.charger, generate_series('2025-10-01'::timestamptz, '2026-10-31', '1 day') AS at;
INSERT INTO metering.channel_event SELECT channel, at, at, at, 'dip', NULL, '{}'
FROM metering.channel, generate_series('2025-10-01'::timestamptz, '2026-10-31', '7 days') AS at;
INSERT INTO metering.day_change SELECT channel, day, day, 1, 1, 0, 0, 1, 1, 0, 0
FROM metering.channel, generate_series('2026-01-01'::date, '2026-10-31', '7 days') AS day;
"""
"""200 institutions with four meters each, and eight months of days."""


@pytest.fixture(scope="module")
def crowd(stack: Stack, template: str) -> Iterator[Database]:
    """A database with the rows of a long life, its statistics up to date."""
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute(statements.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(statements.Identifier, (name, template))))
        database = database_of(stack, name)
        with psycopg.connect(database.superuser_url, autocommit=True) as filling:
            filling.execute(CROWD.encode())
            filling.execute("ANALYZE")
        yield database
        connection.execute(statements.SQL("DROP DATABASE {} WITH (FORCE)").format(statements.Identifier(name)))


def plan(database: Database, text: str) -> dict[str, Any]:
    """The planner's choice for the reader."""
    with psycopg.connect(database.reader_url) as connection:
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {sql(text, SINCE, UNTIL, CHOSEN)}".encode()).fetchone()
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    top: dict[str, Any] = found[0]["Plan"]
    return top


def nodes(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node and all below it."""
    yield of
    for inner in of.get("Plans", []):
        yield from nodes(inner)


def scanned_whole(database: Database, text: str) -> set[str]:
    """Tables that grow for ever of which a plan reads everything: in sequence, by an index without a condition, in every chunk."""
    table_of = chunks(database)
    read, found = set(), set()
    for node in nodes(plan(database, text)):
        relation = node.get("Relation Name", "")
        read.add(relation)
        if node["Node Type"] == "Seq Scan" or (node["Node Type"].startswith("Index") and "Index Cond" not in node):
            found.add(table_of.get(relation, relation))
    found |= {table for table in table_of.values() if {chunk for chunk in table_of if table_of[chunk] == table} <= read}
    return found & GROW_FOR_EVER


def chunks(database: Database) -> dict[str, str]:
    """Chunks of hypertables, and whose they are."""
    with psycopg.connect(database.superuser_url) as connection:
        rows = connection.execute("SELECT chunk_name, hypertable_name FROM timescaledb_information.chunks").fetchall()
    return dict(rows)


@pytest.mark.parametrize("query", SQL, ids=str)
def test_no_panel_reads_a_table_that_grows_for_ever(query: Query, crowd: Database) -> None:
    """Indexes bound what is read by institution, region, period or time range; raw readings are not read at all."""
    text = query.target["rawSql"]
    assert scanned_whole(crowd, text) == set()
    assert "meterwarden.reading" not in text


@pytest.mark.parametrize("name", ["quotas", "institution", "quality", "chargers"])
def test_no_variable_reads_a_table_that_grows_for_ever(name: str, crowd: Database) -> None:
    """They are asked whenever a board is opened."""
    for variable in boards()[name]["templating"]["list"]:
        if variable["type"] == "query":
            assert scanned_whole(crowd, variable["query"]) == set(), variable["name"]


def test_a_whole_scan_would_be_seen(crowd: Database) -> None:
    """Otherwise the tests above would hold by mistake: days of everybody, hours of a hypertable, days of all periods."""
    assert scanned_whole(crowd, "SELECT sum(amount) FROM meterwarden.institution_day") == {"institution_day"}
    assert scanned_whole(crowd, "SELECT sum(amount) FROM meterwarden.consumption_hour") == {"consumption_hour"}
    assert scanned_whole(crowd, "SELECT sum(used) FROM meterwarden.quota_day") == {"quota_level"}
    assert scanned_whole(crowd, "SELECT count(*) FROM meterwarden.reading") == {"reading"}
