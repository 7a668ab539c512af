"""The database's reader views against the ledger, in one snapshot."""

from pathlib import Path
from typing import Final

import psycopg

from simulators import ledger
from simulators.charges import Found
from simulators.compare import Comparison
from simulators.expected import Key
from simulators.notes import Tell
from simulators.oracle import Exchange
from simulators.report import Report

CHUNK_ROWS: Final = 10_000
DEVICES_AT_ONCE: Final = 20

DEVICES: Final = {
    "readings": """
        SELECT institution::text, medium::text, meter::text, register::text,
               array_agg((extract(epoch FROM read_at) * 1000000)::bigint ORDER BY read_at),
               array_agg((value * 1000)::bigint ORDER BY read_at), array_agg(disputed::int ORDER BY read_at)
        FROM meterwarden.reading GROUP BY 1, 2, 3, 4
    """,
    "hours": """
        SELECT institution::text, medium::text, meter::text, register::text,
               array_agg((extract(epoch FROM hour) * 1000000)::bigint ORDER BY hour),
               array_agg((amount * 1000000)::bigint ORDER BY hour)
        FROM meterwarden.consumption_hour WHERE amount IS NOT NULL GROUP BY 1, 2, 3, 4
    """,
    "months": """
        SELECT institution::text, medium::text, meter::text, register::text,
               array_agg(to_char(month, 'YYYYMM')::int ORDER BY month), array_agg((amount * 1000000)::bigint ORDER BY month)
        FROM meterwarden.consumption_month WHERE amount IS NOT NULL GROUP BY 1, 2, 3, 4
    """,
}
"""What is compared a device at a time -> a row a device, made integers in the database because that is fastest there."""
SESSIONS: Final = """
    SELECT institution::text, charger::text, connector::int, session::text, extract(epoch FROM started_at)::bigint,
           extract(epoch FROM stopped_at)::bigint, (energy_kwh * 1000000)::bigint, state::text, billable
    FROM meterwarden.charger_session
"""
EXCHANGES: Final = """
    SELECT DISTINCT ON (institution, medium, meter, register, exchanged_at)
           institution::text, medium::text, meter::text, register::text, extract(epoch FROM exchanged_at)::bigint,
           (old_final * 1000)::bigint, (new_initial * 1000)::bigint
    FROM meterwarden.exchange ORDER BY institution, medium, meter, register, exchanged_at, version DESC
"""
QUARANTINE: Final = "SELECT key, reason::text FROM meterwarden.quarantine"
VIRTUAL: Final = """
    SELECT institution::text, medium::text, meter::text, to_char(month, 'YYYYMM')::int, (amount * 1000000)::bigint
    FROM meterwarden.virtual_month WHERE amount IS NOT NULL
"""
USED: Final = """
    SELECT institution::text, indicator::text, period_start::text, (used * 1000000)::bigint
    FROM meterwarden.quota_status WHERE period_kind = 'month'
"""
FLAGS: Final = """
    SELECT institution::text, indicator::text, period_kind::text, period_start::text
    FROM meterwarden.quota_status WHERE level::text = 'exceeded'
"""


async def verify(ledger_path: Path, database_url: str, tell: Tell | None = None) -> Report:
    """Compare; needs no more than the right to read the views. `tell` is given a line for every single difference.

    Raises FileNotFoundError without a ledger, psycopg.Error where the database cannot be asked.
    """
    with ledger.read(ledger_path) as connection:
        declared: dict[Key, list[Exchange]] = {}
        comparison = Comparison(connection, tell, declared)
        async with await psycopg.AsyncConnection.connect(database_url) as database:
            await database.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await database.set_read_only(True)
            declared |= await _declared(database)
            for what, query in DEVICES.items():
                await _collect_devices(database, query, comparison, what)
            await _collect_quarantine(database, comparison)
            sessions = await (await database.execute(SESSIONS)).fetchall()
            comparison.found_sessions(Found(*row) for row in sessions)
            comparison.found_used(await (await database.execute(USED)).fetchall())
            comparison.found_virtual(await (await database.execute(VIRTUAL)).fetchall())
            return comparison.report(await (await database.execute(FLAGS)).fetchall())


async def _declared(database: psycopg.AsyncConnection) -> dict[Key, list[Exchange]]:
    """The exchanges that hold, by register: what the readings prove depends on them."""
    declared: dict[Key, list[Exchange]] = {}
    for *key, at, old_final, new_initial in await (await database.execute(EXCHANGES)).fetchall():
        if old_final is not None:
            declared.setdefault((key[0], key[1], key[2], key[3]), []).append(Exchange(at, old_final, new_initial))
    return declared


async def _collect_devices(database: psycopg.AsyncConnection, query: str, comparison: Comparison, what: str) -> None:
    """A cursor on the server and binary rows: a month of all devices never lies in memory at once."""
    async with database.cursor(name=what, binary=True) as cursor:
        await cursor.execute(query)
        while rows := await cursor.fetchmany(DEVICES_AT_ONCE):
            for institution, medium, meter, register, *columns in rows:
                comparison.found(what, (institution, medium, meter, register), columns)


async def _collect_quarantine(database: psycopg.AsyncConnection, comparison: Comparison) -> None:
    async with database.cursor(name="quarantine", binary=True) as cursor:
        await cursor.execute(QUARANTINE)
        while rows := await cursor.fetchmany(CHUNK_ROWS):
            comparison.found_quarantine(rows)
