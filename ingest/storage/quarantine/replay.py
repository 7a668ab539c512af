"""Messages through intake's own decision and transaction once more; those that pass leave the quarantine.

Judged as on arrival: `received_at` is the message's own. Twice changes nothing: what is stored is a duplicate then.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from ingest.errors import Lost, Reason, Refused, Stage, Unavailable
from ingest.messages import Assessed, Message, Rejected
from ingest.metering.calendar import instant
from ingest.retry import delay_seconds
from ingest.storage.connection import Connection
from ingest.storage.quarantine.found import CHUNK_MESSAGES, Found
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer
from ingest.trial import BreaksConnection, Fault, tried_alone, until_back

EVERYTHING: Final = "0"
"""The horizon below which nothing lies."""
MOST_FAULTS: Final = 20
"""In a row, about two minutes, before a replay is given up."""

Assess = Callable[[Sequence[Message]], list[Assessed]]
Numbered = tuple[int, Rejected]


@dataclass(slots=True)
class Tally:
    """What became of messages: resolved, still rejected by reason, or skipped: resolved or held by somebody else meanwhile."""

    resolved: int = 0
    still: Counter[str] = field(default_factory=Counter)
    skipped: int = 0

    def __len__(self) -> int:
        """How many messages were looked at."""
        return self.resolved + self.still.total() + self.skipped

    def add(self, other: "Tally") -> None:
        """Count another one's too."""
        self.resolved += other.resolved
        self.still.update(other.still)
        self.skipped += other.skipped


class Waiting(NamedTuple):
    """Messages whose unknown meters are registered now; whatever is recorded later is recorded from the horizon on."""

    found: Found
    horizon: str


async def waiting(horizon: str, connection: Connection) -> Waiting:
    """Open messages recorded from a horizon on that wait for nothing any more, and the next horizon."""
    later = (await (await connection.execute(QUERIES["quarantine_horizon"])).fetchall())[0][0]
    found = Found()
    async with connection.cursor(name="quarantine_waiting") as cursor:
        await cursor.execute(QUERIES["quarantine_waiting"], {"horizon": horizon})
        async for number, size in cursor:
            found.add(number, size)
    return Waiting(found, later)


async def replay(writer: Writer, assess: Assess, found: Found, progress: Callable[[Tally], None] = lambda _: None) -> Tally:
    """Replay what of these messages is still open. Raises Unavailable or Refused; what was committed before stays."""
    tally, begin, most = Tally(), 0, CHUNK_MESSAGES
    while ids := found.chunk(begin, most):
        try:
            tally.add(await writer.in_transaction(partial(_replay_some, writer, assess, ids)))
        except (Refused, Lost) as error:
            if isinstance(error, Lost):
                await until_back(writer, Patience())
            most = max(len(ids) // 8, 1)  # one message may be at fault: find it
            if len(ids) > 1:
                continue
            tally.add(await (_try(writer, assess, ids) if isinstance(error, Lost) else _judge(writer, assess, ids)))
        begin += len(ids)
        most = min(2 * most, CHUNK_MESSAGES)
        progress(tally)
    return tally


@dataclass(slots=True)
class Patience:
    """Waits for a server that recovers, but not for ever: a replay can be asked for again."""

    attempt: int = 0

    def tell(self, _fault: Fault) -> None:
        """Count it."""
        self.attempt += 1

    async def wait(self, fault: Fault) -> None:
        """Wait, longer for each in a row. Raises Unavailable after `MOST_FAULTS`."""
        self.tell(fault)
        if self.attempt > MOST_FAULTS:
            raise Unavailable(str(fault)) from fault
        await self.pause(delay_seconds(self.attempt))

    def back(self) -> None:
        """Count anew."""
        self.attempt = 0

    async def pause(self, seconds: float) -> None:
        """Wait for so long."""
        await asyncio.sleep(seconds)


async def _try(writer: Writer, assess: Assess, ids: Sequence[int]) -> Tally:
    """One message under which the connection ended: given up if no connection outlives it while all others hold, as in intake."""
    replay_it = partial(writer.in_transaction, partial(_replay_some, writer, assess, ids))
    try:
        return await tried_alone(writer, replay_it, Patience())
    except Refused:
        return await _judge(writer, assess, ids)
    except BreaksConnection as verdict:
        return await writer.in_transaction(partial(_give_up, Reason.BREAKS_CONNECTION, str(verdict), ids))


async def _judge(writer: Writer, assess: Assess, ids: Sequence[int]) -> Tally:
    """One message that was refused: given up if it is refused again between two probes that commit, as intake judges."""
    await writer.probe()  # raises where every message would be refused
    try:
        return await writer.in_transaction(partial(_replay_some, writer, assess, ids))
    except Refused as again:
        await writer.probe()
        return await writer.in_transaction(partial(_give_up, Reason.UNSTORABLE, str(again), ids))


async def _replay_some(writer: Writer, assess: Assess, ids: Sequence[int], connection: Connection) -> Tally:
    rows = await _lock(connection, ids)
    assessed = assess([_message(row) for row in rows])
    numbered = list(zip((row[0] for row in rows), assessed, strict=True))
    still = [(number, one.rejected) for number, one in numbered if one.rejected is not None]
    # the rows alone: also the good readings of a message that is still rejected, which is in quarantine already
    await writer.write_within(connection, [Assessed(one.message, one.rows, one.sessions) for one in assessed])
    await connection.execute(QUERIES["quarantine_resolve"], [[number for number, one in numbered if one.rejected is None]])
    await _keep(connection, still)
    return Tally(len(rows) - len(still), Counter(rejected.reason for _, rejected in still), len(ids) - len(rows))


async def _give_up(reason: Reason, why: str, ids: Sequence[int], connection: Connection) -> Tally:
    """A message that cannot be stored, whatever is registered: it stays in quarantine for that reason."""
    rows = await _lock(connection, ids)
    unstorable = Rejected(Stage.STORE, reason, why)
    await _keep(connection, [(row[0], unstorable) for row in rows])
    return Tally(0, Counter({reason.value: len(rows)}), len(ids) - len(rows))


async def _lock(connection: Connection, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(QUERIES["quarantine_lock"], [list(ids)])).fetchall()


async def _keep(connection: Connection, still: Sequence[Numbered]) -> None:
    """Write down why messages are still rejected, where that has changed."""
    if still:
        async with connection.cursor() as cursor:
            await cursor.executemany(QUERIES["quarantine_still_rejected"], [_verdict(*one) for one in still])


def _message(row: Sequence[Any]) -> Message:
    _, topic, payload, qos, retain, received_at = row
    return Message(bytes(topic).decode(errors="replace"), bytes(payload), qos, retain, 0, 0, instant(received_at))


def _verdict(number: int, rejected: Rejected) -> dict[str, Any]:
    return {
        "quarantine": number, "stage": rejected.stage, "reason": rejected.reason, "detail": rejected.detail,
        "failing": rejected.failing, "wanted": rejected.wanted,
    }  # fmt: skip
