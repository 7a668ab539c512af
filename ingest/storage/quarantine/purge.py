"""Messages deleted for good, each deletion recorded in the same transaction by the database itself (migration 0005)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ingest.storage.connection import Connection
from ingest.storage.quarantine.filters import State
from ingest.storage.quarantine.found import Found
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer

PURGED_AT_ONCE = 10_000
"""Messages a transaction deletes, and a line of the record counts."""


class Grounds(NamedTuple):
    """Who deletes, why, and what was asked for."""

    author: str
    because: str
    filter: str


@dataclass(slots=True)
class Purged:
    """What was deleted."""

    open: int = 0
    resolved: int = 0
    bytes: int = 0

    def __len__(self) -> int:
        """How many messages."""
        return self.open + self.resolved

    def add(self, other: "Purged") -> None:
        """Count another one's too."""
        self.open += other.open
        self.resolved += other.resolved
        self.bytes += other.bytes


async def purge(writer: Writer, found: Found, state: State, grounds: Grounds, progress: Callable[[Purged], None]) -> Purged:
    """Delete what of these messages is still in that state. Raises Unavailable or Refused; what went before is gone."""
    purged = Purged()
    for begin in range(0, len(found), PURGED_AT_ONCE):
        ids = found.ids[begin : begin + PURGED_AT_ONCE].tolist()
        purged.add(await writer.in_transaction(partial(purge_some, ids, state, grounds)))
        progress(purged)
    return purged


async def purge_some(ids: Sequence[int], state: State, grounds: Grounds, connection: Connection) -> Purged:
    """Delete messages and record it, in the transaction of `connection`."""
    cursor = await connection.execute(QUERIES["quarantine_purge"], {"ids": list(ids), "state": state, **grounds._asdict()})
    rows = await cursor.fetchall()
    return Purged(*rows[0]) if rows else Purged()
