"""The quarantine within its caps: what is too old or too much goes, resolved messages first, then the oldest.

A resolved message is stored as readings, so that nothing is lost with it. An open one is stored nowhere else.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from ingest.storage.connection import Connection
from ingest.storage.quarantine.filters import State
from ingest.storage.quarantine.purge import PURGED_AT_ONCE, Grounds, Purged, purge_some
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer

LOCK: Final = 5_170_003
"""Advisory lock number of the caps: two workers at once would each remove what is too much."""

AUTHOR: Final = "cap"
"""Who the record says it was; no person may call themselves so."""

FIRST_TO_LAST: Final[tuple[State, ...]] = ("resolved", "open")
ANY_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
ANY_SIZE: Final = 2**62


class Caps(NamedTuple):
    """How large and how old it may become."""

    bytes: int
    age: timedelta


class Held(NamedTuple):
    """What it takes now, and when its oldest open message came."""

    bytes: int
    oldest_open: datetime | None

    def fill_ratio(self, caps: Caps, now: datetime) -> float:
        """The highest of size and age over their caps. Only the age of what is open counts: with the rest nothing is lost."""
        age = now - self.oldest_open if self.oldest_open else timedelta()
        return max(self.bytes / caps.bytes, age / caps.age)


class Excess(NamedTuple):
    """Messages of one state that came before an instant, as many as take so many bytes."""

    state: State
    before: datetime
    bytes: int
    why: str


def excess(held: Held, caps: Caps, now: datetime) -> Iterator[Excess]:
    """What has to go, in this order."""
    too_old = f"older than {caps.age.days} days"
    for state in FIRST_TO_LAST:
        yield Excess(state, now - caps.age, ANY_SIZE, too_old)
    for state in FIRST_TO_LAST:
        if held.bytes > caps.bytes:
            yield Excess(state, ANY_TIME, held.bytes - caps.bytes, f"more than {caps.bytes // 2**20} MiB")


async def held(connection: Connection) -> Held:
    """What the quarantine holds."""
    size, oldest = (await (await connection.execute(QUERIES["quarantine_held"])).fetchall())[0]
    return Held(int(size), oldest)


async def keep_within(writer: Writer, caps: Caps, now: datetime) -> Purged:
    """Delete what is too old or too much; returns what went. Raises Unavailable or Refused."""
    purged = Purged()
    while done := await writer.in_transaction(partial(_purge_some, caps, now)):
        purged.add(done)
    return purged


async def _purge_some(caps: Caps, now: datetime, connection: Connection) -> Purged:
    """The first that has to go; nothing while another worker is at it."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
    if not (await cursor.fetchall())[0][0]:
        return Purged()
    for one in excess(await held(connection), caps, now):
        ids = await _oldest(one, connection)
        if ids:
            return await purge_some(ids, one.state, Grounds(AUTHOR, one.why, f"state={one.state} {one.why}"), connection)
    return Purged()


async def _oldest(one: Excess, connection: Connection) -> list[int]:
    parameters = {"before": one.before, "bytes": one.bytes, "most": PURGED_AT_ONCE}
    cursor = await connection.execute(QUERIES[f"quarantine_oldest_{one.state}"], parameters)
    return [row[0] for row in await cursor.fetchall()]
