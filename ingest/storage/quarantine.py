"""Quarantined messages whose cause is gone: replayed through intake's own transaction."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

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
    resolved, after = 0, 0
    while True:
        done, after, more = await writer.in_transaction(partial(_replay_some, writer, assess, after))
        resolved += done
        if not more:
            return resolved


async def _replay_some(writer: Writer, assess: Assess, after: int, connection: Connection) -> tuple[int, int, bool]:
    cursor = await connection.execute(QUERIES["quarantine_replayable"], {"after": after, "most": BATCH_MESSAGES})
    rows = await cursor.fetchall()
    if not rows:
        return 0, after, False
    assessed = assess([_message(row) for row in rows])
    accepted = [(row[0], one) for row, one in zip(rows, assessed, strict=True) if one.rejected is None]
    still = [(row[0], one) for row, one in zip(rows, assessed, strict=True) if one.rejected is not None]
    await writer.write_staged(connection, [one for _, one in accepted])
    await connection.execute(QUERIES["quarantine_resolve"], [[number for number, _ in accepted]])
    for number, one in still:
        await connection.execute(QUERIES["quarantine_still_rejected"], _verdict(number, one))
    return len(accepted), rows[-1][0], len(rows) == BATCH_MESSAGES


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
