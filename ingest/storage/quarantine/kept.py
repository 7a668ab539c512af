"""Messages as they are kept in quarantine, every column."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected
from ingest.storage.quarantine.found import Found
from ingest.storage.queries import QUERIES


class Kept(NamedTuple):
    """One message; topic, payload and the words in it are foreign. `payload` is None where only its size was asked for."""

    id: int
    key: bytes
    topic: bytes
    payload: bytes | None
    payload_bytes: int
    qos: int
    retain: bool
    received_at: datetime
    stage: str
    reason: str
    detail: str
    failing: list[int]
    wanted: list[str]
    resolved_at: datetime | None
    resolution: str | None


async def kept(settings: DatabaseSettings, found: Found, *, whole: bool) -> AsyncIterator[Sequence[Kept]]:
    """The messages that are still there, a chunk at a time; with their payloads where they are wanted whole. Raises Unavailable."""
    async with connected(settings, autocommit=True) as connection:
        for ids in found.chunks():
            cursor = await connection.execute(QUERIES["quarantine_messages"], {"ids": ids, "whole": whole}, binary=True)
            yield [Kept(*row) for row in await cursor.fetchall()]
