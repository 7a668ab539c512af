"""How every institution stands now: the running period of each kind and the one before it."""

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES
from schemas.quota import QuotaAlert


async def current_standings(connection: Connection, now: datetime) -> tuple[QuotaAlert, ...]:
    """The newest standing of each institution, indicator and period, as it is published."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(QUERIES["current_standings"], {"today": now.date()})
        rows = await cursor.fetchall()
    await connection.commit()
    return tuple(_alert(row) for row in rows)


async def regions(connection: Connection) -> dict[str, str]:
    """The region's code by institution."""
    found = dict(await (await connection.execute(QUERIES["regions"])).fetchall())
    await connection.commit()
    return found


def _alert(row: dict[str, Any]) -> QuotaAlert:
    shown = {name: row[name] for name in QuotaAlert.model_fields}
    for name in ("period_start", "as_of"):
        shown[name] = row[name].isoformat()
    for name in (
        "used",
        "allowance",
        "used_ratio",
        "projected_ratio",
        "denominator",
        "measured_share",
        "estimated_share",
        "missing_share",
    ):
        shown[name] = None if row[name] is None else float(row[name])
    return QuotaAlert.model_validate(shown)
