"""For how long the work of `meterwarden storage` has been due: read from the chunks themselves, whoever should have done it."""

from datetime import datetime, timedelta

from ingest.settings import DatabaseSettings, StorageSettings
from ingest.storage.connection import connected
from ingest.storage.queries import QUERIES


async def overdue_seconds(database: DatabaseSettings, storage: StorageSettings, now: datetime) -> dict[str, float]:
    """Seconds since the oldest chunk was due, by work (`columnstore`, `retention`); 0 where none is. Raises Unavailable."""
    ages = {
        "columnstore": timedelta(days=storage.columnstore_after_days) if storage.columnstore else None,
        "retention": None if storage.raw_retention_days is None else timedelta(days=storage.raw_retention_days),
    }
    before = {work: None if age is None else now - age for work, age in ages.items()}
    given = {"columnstore_before": before["columnstore"], "readings_before": before["retention"]}
    async with connected(database, autocommit=True) as connection:
        ((*oldest,),) = await (await connection.execute(QUERIES["storage_left"], given)).fetchall()
    return {
        work: 0.0 if due is None or end is None else (due - end).total_seconds()
        for (work, due), end in zip(before.items(), oldest, strict=True)
    }
