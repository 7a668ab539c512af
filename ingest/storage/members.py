"""Who holds a session at the broker: client identifiers, their filters, and when each was last seen."""

from collections.abc import Sequence

from ingest.settings import Settings
from ingest.storage import structure
from ingest.storage.connection import connected
from ingest.storage.queries import QUERIES


async def known_filters(settings: Settings) -> list[str]:
    """The filters our client identifier's session holds from earlier. Raises Unavailable."""
    async with connected(settings.database, autocommit=True) as connection:
        cursor = await connection.execute(QUERIES["known_filters"], [settings.broker.client_identifier])
        rows = await cursor.fetchall()
    return rows[0][0] if rows else []


async def keep_filters(settings: Settings, filters: Sequence[str]) -> None:
    """Remember the filters before they matter; while the database is away the broker is not subscribed anew. Raises Unavailable."""
    parameters = [settings.broker.client_identifier, list(filters), settings.broker.session_expiry_seconds]
    async with connected(settings.database, autocommit=True) as connection:
        await structure.require(connection)
        await connection.execute(QUERIES["keep_filters"], parameters)


async def seen(settings: Settings) -> int:
    """Say that we are connected; returns how many members are absent for a quarter of their session's life. Raises Unavailable."""
    async with connected(settings.database, autocommit=True) as connection:
        await structure.require(connection)
        await connection.execute(QUERIES["member_seen"], [settings.broker.client_identifier])
        return int((await (await connection.execute(QUERIES["members_absent"])).fetchall())[0][0])


async def other_members(settings: Settings) -> list[str]:
    """The client identifiers of our group's other members. Raises Unavailable."""
    parameters = [settings.broker.client_identifier, f"$share/{settings.broker.share_group}/"]
    async with connected(settings.database, autocommit=True) as connection:
        return [name for (name,) in await (await connection.execute(QUERIES["other_members"], parameters)).fetchall()]


async def forget(settings: Settings) -> None:
    """Our client identifier holds no session any more. Raises Unavailable."""
    async with connected(settings.database, autocommit=True) as connection:
        await connection.execute(QUERIES["forget_member"], [settings.broker.client_identifier])
