"""Batches as intake decides them, for a writer on a real database, and what stands there afterwards."""

from datetime import UTC, datetime

from ingest.errors import Reason, Stage
from ingest.messages import Assessed, Message, Rejected, Row
from ingest.metering.calendar import HOUR_US, instant
from ingest.storage.writer import Writer
from tests.databases import Database

START = instant(datetime(2026, 3, 2, tzinfo=UTC))

Given = tuple[int, float, int]
"""Channel, hours after `START`, value."""


def row(given: Given) -> Row:
    channel, hours, value = given
    return Row(channel, START + int(hours * HOUR_US), value, START)


def said(*given: Given, payload: bytes = b"{}") -> Assessed:
    """One message with these readings."""
    return Assessed(Message("t", payload, 1, False, 1, 1, START), [row(one) for one in given])


def rejected(payload: bytes, *given: Given, topic: str = "t") -> Assessed:
    """A message to be kept in quarantine, with its good readings."""
    message = Message(topic, payload, 1, True, 1, 1, START)
    return Assessed(message, [row(one) for one in given], rejected=Rejected(Stage.DECODE, Reason.WRONG_TYPE, "why", [3], ["I/x/y"]))


async def written(writer: Writer, *batch: Assessed) -> list[tuple[str, int, int, int]]:
    """The outcomes of a batch."""
    return [tuple(outcome) for outcome in await writer.write(batch)]


async def readings(database: Database) -> list[Given]:
    """Every stored reading but the one that makes a writer look first."""
    rows = await database.rows("SELECT channel, read_at, value FROM metering.reading WHERE channel <> 99 ORDER BY 1, 2")
    return [(channel, (instant(at) - START) // HOUR_US, value) for channel, at, value in rows]


async def conflicts(database: Database) -> list[Given]:
    """Every kept other value."""
    rows = await database.rows("SELECT channel, read_at, value FROM metering.conflict ORDER BY 1, 2, 3")
    return [(channel, (instant(at) - START) // HOUR_US, value) for channel, at, value in rows]


async def marks(database: Database) -> list[list[tuple[int, int]]]:
    """Each mark as its channel-hours after `START`, the fixture's own left out."""
    rows = await database.rows("SELECT channel, utc_hour FROM metering.mark ORDER BY mark")
    first = START // HOUR_US
    found = [[(channel, hour - first) for channel, hour in zip(*one, strict=True)] for one in rows]
    return [one for one in found if one != [(99, 0)]]
