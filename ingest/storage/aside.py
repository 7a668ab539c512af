"""Channels set aside, with what is marked of them."""

from collections.abc import Mapping
from datetime import datetime

from ingest.storage import binary
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES
from ingest.storage.settlement import Marked


async def set_aside(connection: Connection, channel: int, marked: Marked, reason: str, now: datetime) -> None:
    """Set a channel aside, in a transaction of its own."""
    parameters = {"channel": channel, "first": marked.first_hour, "last": marked.last_hour, "reason": reason, "now": now}
    await connection.execute(QUERIES["set_aside"], parameters)
    await connection.commit()


async def add(connection: Connection, marks: Mapping[int, Marked]) -> None:
    """Add marks to what waits of channels that are set aside, in the transaction that took them."""
    if marks:
        parameters = {
            "channel": binary.ints(list(marks)),
            "first": binary.ints([marked.first_hour for marked in marks.values()]),
            "last": binary.ints([marked.last_hour for marked in marks.values()]),
        }
        await connection.execute(QUERIES["add_to_aside"], parameters)


async def take_back(connection: Connection) -> set[int]:
    """Mark everything that was set aside again, in a transaction of its own; returns the channels."""
    rows = await (await connection.execute(QUERIES["take_back_aside"])).fetchall()
    await connection.commit()
    return {channel for (channel,) in rows}
