"""The registry as intake keeps it in memory: read whole, as of one version."""

from typing import Any

from ingest.registry import RegisteredMeter, Registry
from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected
from ingest.storage.queries import QUERIES


async def registry_version(settings: DatabaseSettings) -> int:
    """The registry's present version. Raises Unavailable."""
    async with connected(settings, autocommit=True) as connection:
        return int((await (await connection.execute(QUERIES["registry_version"])).fetchall())[0][0])


async def load_registry(settings: DatabaseSettings) -> Registry:
    """The registry, in one snapshot. Raises Unavailable."""
    async with connected(settings) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        version = (await (await connection.execute(QUERIES["registry_version"])).fetchall())[0][0]
        async with connection.cursor(name="registry_meters") as cursor:
            cursor.itersize = 20_000
            await cursor.execute(QUERIES["registry_meters"])
            return Registry(version, [_meter(*row) async for row in cursor])


def _meter(*row: Any) -> RegisteredMeter:
    """A meter's channels come as parallel arrays."""
    institution, medium, code, gateway, meter, valid_from_us, valid_to_us, digits, *arrays = row
    channels = list(zip(*arrays, strict=True))
    return RegisteredMeter(institution, medium, code, gateway, meter, valid_from_us, valid_to_us, digits, channels)
