"""A batch, committed whatever it takes: the message's fault and the world's are told apart.

The world's faults are tried again for ever, with backoff and jitter, the batch in parts, and nothing is discarded. An error that
may be a message's own halves the batch down to one message; if that one still fails between two probes through the same statements
that commit, it is at fault and is quarantined. One under which the connection ends, again and again, is put on trial (trial.py). So
no message can stop the line, and no state of the world can empty it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ingest.errors import Lost, Reason, Refused, Stage, Unavailable
from ingest.messages import Assessed, Outcome, Rejected
from ingest.metrics import Metrics
from ingest.retry import delay_seconds
from ingest.trial import BreaksConnection, Fault, Probing, tried_alone, until_back

log = logging.getLogger(__name__)


class BatchWriter(Probing, Protocol):
    """What writes a batch in one transaction. Raises Unavailable, Lost or Refused."""

    async def write(self, batch: Sequence[Assessed]) -> list[Outcome]:
        """Commit a batch and say what became of each message."""


@dataclass(slots=True)
class Faults:
    """Faults in a row: told, counted, waited out."""

    metrics: Metrics
    pause: Callable[[float], Awaitable[None]]
    attempt: int = 0

    def tell(self, fault: Fault, seconds: float = 0.0) -> None:
        """Say what went wrong, and for how long it is waited out."""
        self.attempt += 1
        self.metrics.database_up.set(False, "intake")
        self.metrics.write_failures.labels("unavailable").inc()
        log.warning("batch not committed, trying again", extra={"reason": str(fault), "attempt": self.attempt, "seconds": seconds})

    async def wait(self, fault: Fault) -> None:
        """Say what went wrong, and wait."""
        seconds = delay_seconds(self.attempt + 1)
        self.tell(fault, seconds)
        await self.pause(seconds)

    def back(self) -> None:
        """The database takes writes: the next fault is the first of its row."""
        self.attempt = 0

    def end(self) -> None:
        """A part of the batch was committed."""
        self.back()
        self.metrics.database_up.set(True, "intake")


async def persist(
    writer: BatchWriter, batch: Sequence[Assessed], metrics: Metrics, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> list[Outcome]:
    """Commit every message of a batch, in order, and say what became of each. Returns only when all are decided."""
    outcomes: list[Outcome] = []
    faults, setbacks = Faults(metrics, pause), 0  # each setback halves what is tried: it may be more than a statement has time for
    while len(outcomes) < len(batch):
        rest = batch[len(outcomes) :]
        try:
            outcomes += await _halving(writer, rest[: max(len(batch) >> setbacks, 1)], faults)
            setbacks = max(setbacks - 1, 0)
            faults.end()
        except Lost as error:  # with a database that is there, smaller parts tell sooner whether a message is at fault
            setbacks = min(setbacks + 1, len(batch).bit_length())
            faults.tell(error)
            await until_back(writer, faults)
        except Unavailable as error:
            setbacks = min(setbacks + 1, len(batch).bit_length())
            await faults.wait(error)
    return outcomes


async def _halving(writer: BatchWriter, batch: Sequence[Assessed], faults: Faults) -> list[Outcome]:
    """Commit a batch, or its first half, or the quarantine of its first message; at least one message is decided."""
    try:
        return await writer.write(batch)
    except Refused:
        faults.metrics.write_failures.labels("refused").inc()
        if len(batch) > 1:
            return await _halving(writer, batch[: (len(batch) + 1) // 2], faults)
        return await _judge(writer, batch[0])
    except Lost as error:
        if len(batch) > 1:
            raise
        faults.tell(error)
        return await _try(writer, batch[0], faults)


async def _try(writer: BatchWriter, assessed: Assessed, faults: Faults) -> list[Outcome]:
    """One message under which the connection ended: committed, or quarantined where that is its own fault."""
    try:
        return await tried_alone(writer, partial(writer.write, [assessed]), faults)
    except Refused:
        return await _judge(writer, assessed)
    except BreaksConnection as verdict:
        return await _quarantine(writer, assessed, Reason.BREAKS_CONNECTION, str(verdict))


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
    except Refused as error:
        raise _of_the_world(error) from error
    return await _quarantine(writer, assessed, Reason.UNSTORABLE, refusal)


async def _quarantine(writer: BatchWriter, assessed: Assessed, reason: Reason, why: str) -> list[Outcome]:
    """Keep one message whole, in the place of its readings. Raises Unavailable where it is not decided by that."""
    poison = Assessed(assessed.message, rejected=Rejected(Stage.STORE, reason, why))
    try:
        outcomes = await writer.write([poison])
    except Refused as error:
        raise _of_the_world(error) from error
    log.error("message quarantined as unstorable", extra={"reason": why, "topic": repr(assessed.message.topic)})
    assessed.rejected = poison.rejected
    return outcomes


def _of_the_world(error: Refused) -> Unavailable:
    return Unavailable(f"database refuses every message: {error}")
