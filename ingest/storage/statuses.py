"""Where the states of chargers and gateways are kept: append-only, each distinct one once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ingest.formats.status_v1 import ConnectorState, GatewayState
from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected
from ingest.storage.queries import QUERIES

Path = str
"""Institution and device, such as `I1/CH-01`."""


class Kept:
    """What became of some states: how many are new, how many were there; the devices that nobody registered."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.stored = self.repeated = 0
        self.unregistered: set[Path] = set()
        self.registry_version = 0
        """Before anybody was looked for: where it has moved since, who was not found may be there."""

    def add(self, stated: Sequence[Path], found: Sequence[tuple[Any, ...]]) -> None:
        """Rows of path and whether the state is new; what has no row is not registered."""
        self.stored += sum(is_new for _, is_new in found)
        known = {path for path, _ in found}
        self.repeated += sum(path in known for path in stated) - sum(is_new for _, is_new in found)
        self.unregistered |= set(stated) - known


async def keep(
    settings: DatabaseSettings,
    chargers: Sequence[tuple[Path, ConnectorState]],
    gateways: Sequence[tuple[Path, GatewayState]],
    received_at: datetime,
) -> Kept:
    """Keep the states of registered devices, in one transaction. Raises Unavailable."""
    kept = Kept()
    async with connected(settings) as connection:
        cursor = await connection.execute(QUERIES["registry_version"])
        kept.registry_version = (await cursor.fetchall())[0][0]
        if chargers:
            columns: dict[str, Any] = {name: [getattr(state, name) for _, state in chargers] for name in ConnectorState._fields}
            parameters = {**columns, "path": [path for path, _ in chargers], "received_at": received_at}
            cursor = await connection.execute(QUERIES["insert_charger_status"], parameters)
            kept.add([path for path, _ in chargers], await cursor.fetchall())
        if gateways:
            columns = {name: [getattr(state, name) for _, state in gateways] for name in GatewayState._fields}
            parameters = {**columns, "path": [path for path, _ in gateways], "received_at": received_at}
            cursor = await connection.execute(QUERIES["insert_gateway_status"], parameters)
            kept.add([path for path, _ in gateways], await cursor.fetchall())
        await connection.commit()
    return kept
