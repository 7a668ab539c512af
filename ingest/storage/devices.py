"""Which institutions miss readings or a gateway, and how many."""

from datetime import datetime

from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected
from ingest.storage.queries import QUERIES


async def silent_places(settings: DatabaseSettings, now: datetime, most: int) -> list[tuple[str, str, int, int, int]]:
    """Institution, region, meters, silent meters, gateways offline; those that miss none are left out. Raises Unavailable."""
    async with connected(settings, autocommit=True) as connection:
        return list(await (await connection.execute(QUERIES["silent_places"], {"now": now, "most": most})).fetchall())
