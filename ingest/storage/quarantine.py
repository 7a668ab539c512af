"""Quarantined messages whose cause is gone: replayed through intake's own transaction."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ingest.errors import Reason, Refused, Stage
from ingest.messages import Assessed, Message
from ingest.metering.calendar import instant
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer

BATCH_MESSAGES = 500
"""Messages a transaction replays."""

Assess = Callable[[Sequence[Message]], list[Assessed]]


async def replay(writer: Writer, assess: Assess) -> int:
    """Replay every open message whose unknown meters and registers are registered now; returns how many were resolved.

    Messages are judged as on arrival: `received_at` is their own. Raises Unavailable or Refused.
    """
    resolved, after, most = 0, 0, BATCH_MESSAGES
    while True:
        try:
            done, after, more = await writer.in_transaction(partial(_replay_some, writer, assess, after, most))
        except Refused as refusal:
            if most > 1:
                most = max(most // 8, 1)  # one message may be at fault: find it
                continue
            await writer.probe()  # raises where every message would be refused
            await writer.in_transaction(partial(_give_up, str(refusal), after))
            most = BATCH_MESSAGES
            continue
        resolved += done
        if not more:
            return resolved


async def _give_up(why: str, after: int, connection: Connection) -> None:
    """The next message cannot be stored, whatever is registered: it stays in quarantine for that reason."""
    cursor = await connection.execute(QUERIES["quarantine_replayable"], {"after": after, "most": 1})
    for number, *_ in await cursor.fetchall():
        verdict = {"stage": Stage.STORE, "reason": Reason.UNSTORABLE, "detail": why, "failing": [], "wanted": []}
        await connection.execute(QUERIES["quarantine_still_rejected"], {"quarantine": number, **verdict})


async def _replay_some(writer: Writer, assess: Assess, after: int, most: int, connection: Connection) -> tuple[int, int, bool]:
    cursor = await connection.execute(QUERIES["quarantine_replayable"], {"after": after, "most": most})
    rows = await cursor.fetchall()
    if not rows:
        return 0, after, False
    assessed = assess([_message(row) for row in rows])
    accepted = [(row[0], one) for row, one in zip(rows, assessed, strict=True) if one.rejected is None]
    still = [(row[0], one) for row, one in zip(rows, assessed, strict=True) if one.rejected is not None]
    await writer.write_staged(connection, assessed)  # also the good readings of a message that is still rejected
    await connection.execute(QUERIES["quarantine_resolve"], [[number for number, _ in accepted]])
    for number, one in still:
        await connection.execute(QUERIES["quarantine_still_rejected"], _verdict(number, one))
    return len(accepted), rows[-1][0], len(rows) == most


def _message(row: Sequence[Any]) -> Message:
    _, topic, payload, qos, retain, received_at = row
    return Message(bytes(topic).decode(errors="replace"), bytes(payload), qos, retain, 0, 0, instant(received_at))


def _verdict(number: int, assessed: Assessed) -> dict[str, Any]:
    rejected = assessed.rejected
    assert rejected is not None
    return {
        "quarantine": number, "stage": rejected.stage, "reason": rejected.reason, "detail": rejected.detail,
        "failing": rejected.failing, "wanted": rejected.wanted,
    }  # fmt: skip
