"""How every institution stands now: the running period of each kind and the one before it."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from ingest.settings import DatabaseSettings
from ingest.storage.connection import Connection, connected
from ingest.storage.queries import QUERIES
from schemas.quota import QuotaAlert

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which standings: of an institution, at a level, of every period or the running and the last alone; at most so many."""

    institution: str | None = None
    level: str | None = None
    everything: bool = False
    most: int = 50


async def standings_listed(settings: DatabaseSettings, wanted: Wanted) -> list[Row]:
    """Rows of view meterwarden.quota_status, the largest share of its allowance first. Raises Unavailable."""
    async with connected(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(QUERIES["standings_listed"], asdict(wanted))
        return await cursor.fetchall()


async def current_standings(connection: Connection, now: datetime) -> tuple[QuotaAlert, ...]:
    """The newest standing of each institution, indicator and period, as it is published."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(QUERIES["current_standings"], {"today": now.date()})
        rows = await cursor.fetchall()
    await connection.commit()
    return tuple(_alert(row) for row in rows)


async def standings_of(connection: Connection, institutions: Collection[int], now: datetime) -> dict[str, list[QuotaAlert]]:
    """The newest standings of some institutions, by code; one that has none is there, with none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(QUERIES["institution_codes"], [list(institutions)])
        found: dict[str, list[QuotaAlert]] = {row["code"]: [] for row in await cursor.fetchall()}
        await cursor.execute(QUERIES["standings_of"], {"codes": list(found), "today": now.date()})
        for row in await cursor.fetchall():
            found[row["institution"]].append(_alert(row))
    await connection.commit()
    return found


async def version_of_registry(connection: Connection) -> int:
    """What every change of institutions, regions and quotas raises."""
    ((version,),) = await (await connection.execute(QUERIES["registry_version"])).fetchall()
    await connection.commit()
    return int(version)


async def all_judged(connection: Connection) -> bool:
    """Whether no verdict has been put off, as all are where much waits, and where a rebuild has deleted standings."""
    ((some_due,),) = await (await connection.execute(QUERIES["verdicts_due"])).fetchall()
    await connection.commit()
    return not some_due


async def ever_told(connection: Connection, topics: Collection[str]) -> set[str]:
    """Those of the topics on which a state was ever published from this database."""
    rows = await (await connection.execute(QUERIES["ever_told"], [list(topics)])).fetchall()
    await connection.commit()
    return {topic for (topic,) in rows}


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
