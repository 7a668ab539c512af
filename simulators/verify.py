"""The database's reader views against the ledger, in one snapshot."""

from pathlib import Path
from typing import Final

import psycopg

from simulators import ledger
from simulators.compare import Comparison
from simulators.report import Report

CHUNK_ROWS: Final = 10_000

QUERIES: Final = {
    "found_reading": """
        SELECT institution::text, medium::text, meter::text, register::text,
               (extract(epoch FROM read_at) * 1000000)::bigint, (value * 1000)::bigint, disputed::int
        FROM meterwarden.reading
    """,
    "found_hour": """
        SELECT institution::text, medium::text, meter::text, register::text,
               (extract(epoch FROM hour) * 1000000)::bigint, (amount * 1000000)::bigint
        FROM meterwarden.consumption_hour WHERE amount IS NOT NULL
    """,
    "found_month": """
        SELECT institution::text, medium::text, meter::text, register::text,
               to_char(month, 'YYYY-MM'), (amount * 1000000)::bigint
        FROM meterwarden.consumption_month WHERE amount IS NOT NULL
    """,
    "found_quarantine": "SELECT key, reason::text FROM meterwarden.quarantine",
    "found_flag": """
        SELECT institution::text, indicator::text, period_kind::text, period_start::text
        FROM meterwarden.quota_status WHERE level::text = 'exceeded'
    """,
}
"""Temporary table of the comparison -> the rows for it, made integers in the database because that is fastest there."""


async def verify(ledger_path: Path, database_url: str) -> Report:
    """Compare; needs no more than the right to read the views.

    Raises FileNotFoundError without a ledger, psycopg.Error where the database cannot be asked.
    """
    with ledger.read(ledger_path) as connection:
        comparison = Comparison(connection)
        async with await psycopg.AsyncConnection.connect(database_url) as database:
            await database.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await database.set_read_only(True)
            for table, query in QUERIES.items():
                await _collect(database, query, comparison, table)
        return comparison.report()


async def _collect(database: psycopg.AsyncConnection, query: str, comparison: Comparison, table: str) -> None:
    """A cursor on the server and binary rows: 200,000 of them never lie in memory at once."""
    async with database.cursor(name=table, binary=True) as cursor:
        await cursor.execute(query)
        while rows := await cursor.fetchmany(CHUNK_ROWS):
            comparison.found(table, rows)
