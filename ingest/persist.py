"""A batch, committed whatever it takes: the message's fault and the world's are told apart.

The world's faults are tried again for ever, with backoff and jitter, the batch in parts, and nothing is discarded. An error that
may be a message's own halves the batch down to one message; if that one still fails between two probes through the same statements
that commit, it is at fault and is quarantined. So no message can stop the line, and no state of the world can empty it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ingest.errors import Reason, Refused, Stage, Unavailable
from ingest.messages import Assessed, Outcome, Rejected
from ingest.metrics import Metrics
from ingest.retry import delay_seconds

log = logging.getLogger(__name__)


class BatchWriter(Protocol):
    """What writes a batch in one transaction. Raises Unavailable or Refused."""

    async def write(self, batch: Sequence[Assessed]) -> list[Outcome]:
        """Commit a batch and say what became of each message."""

    async def probe(self) -> None:
        """Commit a transaction through the same statements, leaving nothing behind."""


async def persist(
    writer: BatchWriter, batch: Sequence[Assessed], metrics: Metrics, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> list[Outcome]:
    """Commit every message of a batch, in order, and say what became of each. Returns only when all are decided."""
    outcomes: list[Outcome] = []
    attempt = setbacks = 0  # each setback halves what is tried: it may be more than a statement has time for
    while len(outcomes) < len(batch):
        rest = batch[len(outcomes) :]
        try:
            outcomes += await _halving(writer, rest[: max(len(batch) >> setbacks, 1)], metrics)
            attempt, setbacks = 0, max(setbacks - 1, 0)
            metrics.database_up.set(True, "intake")
        except Unavailable as error:
            attempt, setbacks = attempt + 1, min(setbacks + 1, len(batch).bit_length())
            metrics.database_up.set(False, "intake")
            metrics.write_failures.labels("unavailable").inc()
            seconds = delay_seconds(attempt)
            log.warning("batch not committed, trying again", extra={"reason": str(error), "attempt": attempt, "seconds": seconds})
            await pause(seconds)
    return outcomes


async def _halving(writer: BatchWriter, batch: Sequence[Assessed], metrics: Metrics) -> list[Outcome]:
    """Commit a batch, or its first half, or the quarantine of its first message; at least one message is decided."""
    try:
        return await writer.write(batch)
    except Refused:
        metrics.write_failures.labels("refused").inc()
        if len(batch) > 1:
            return await _halving(writer, batch[: (len(batch) + 1) // 2], metrics)
        return await _judge(writer, batch[0])


async def _judge(writer: BatchWriter, assessed: Assessed) -> list[Outcome]:
    """One message that the database refused: at fault if refused again between two probes that commit, else the world is.

    A fault of the world that is mended, or arises, beside a single probe would pass for the message's own.
    """
    try:
        await writer.probe()
        try:
            return await writer.write([assessed])
        except Refused as again:
            refusal = str(again)
        await writer.probe()
        poison = Assessed(assessed.message, rejected=Rejected(Stage.STORE, Reason.UNSTORABLE, refusal))
        outcomes = await writer.write([poison])
    except Refused as error:
        raise Unavailable(f"database refuses every message: {error}") from error
    log.error("message quarantined as unstorable", extra={"reason": refusal, "topic": repr(assessed.message.topic)})
    assessed.rejected = poison.rejected
    return outcomes
