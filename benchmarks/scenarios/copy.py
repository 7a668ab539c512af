"""The storage writer alone, from memory, beside plain COPY of the same kind of rows into the same table.

Plain COPY is given the same rows, sorted, in the same batches: encode, COPY, commit. "copy encoded" is given bytes: all that the
database takes from one connection. Each run has rows of its own, and its turn from line.py; known readings are those that the table
was filled with.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from benchmarks.bench import REGISTER, Bench
from benchmarks.figures import Run
from ingest.messages import Assessed, Message, Row
from ingest.metering.calendar import instant
from ingest.storage import binary
from ingest.storage.connection import Connection, connect
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer
from simulators.load import Load

BATCH_ROWS: Final = 10_000
READINGS_EACH: Final = 20
DUPLICATE_EVERY: Final = 100

T = TypeVar("T")
Batches = list[list[Assessed]]


async def written(name: str, bench: Bench) -> Run:
    """The writer: messages of twenty new readings."""
    return await _written(name, bench, _batches(_new(bench), READINGS_EACH))


async def written_singles(name: str, bench: Bench) -> Run:
    """The writer: messages of one new reading."""
    return await _written(name, bench, _batches(_new(bench), 1))


async def written_with_duplicates(name: str, bench: Bench) -> Run:
    """The writer: every hundredth reading is known."""
    batches, known = _batches(_new(bench), READINGS_EACH), _batches(await _known(bench), READINGS_EACH)
    for batch, other in zip(batches, known, strict=True):
        for at in range(0, len(batch), DUPLICATE_EVERY // READINGS_EACH):
            batch[at].rows[0] = other[at].rows[0]
    return await _written(name, bench, batches)


async def written_again(name: str, bench: Bench) -> Run:
    """The writer: every reading is known."""
    return await _written(name, bench, _batches(await _known(bench), READINGS_EACH))


async def copied(name: str, bench: Bench) -> Run:
    """Plain COPY: encode, COPY, commit."""
    connection = await connect(bench.writer)
    try:
        return await _measured(name, bench, _sorted_rows(bench), lambda rows: _copy(connection, binary.readings(rows)))
    finally:
        await connection.close()


async def copied_encoded(name: str, bench: Bench) -> Run:
    """COPY and commit of bytes that are ready."""
    connection = await connect(bench.writer)
    try:
        encoded = list(map(binary.readings, _sorted_rows(bench)))
        return await _measured(name, bench, encoded, lambda rows: _copy(connection, rows))
    finally:
        await connection.close()


def _new(bench: Bench) -> Load:
    return bench.load(bench.sizes.copy_rows)


async def _known(bench: Bench) -> Load:
    filled = await bench.fill()
    return Load(bench.sizes.copy_rows, 1, filled.meters, filled.start)


def _batches(load: Load, each: int) -> Batches:
    """Batches of messages with `each` readings, as intake assesses them: all meters at one instant, then at the next."""
    start, meters = instant(load.start), load.meters
    rows = [Row(number % meters + 1, start + number // meters * 1_000_000, REGISTER, start) for number in range(load.messages)]
    messages = [Assessed(Message("", b"", 1, False, 1, 1, start), rows[at : at + each]) for at in range(0, len(rows), each)]
    per_batch = max(BATCH_ROWS // each, 1)
    return [messages[at : at + per_batch] for at in range(0, len(messages), per_batch)]


def _sorted_rows(bench: Bench) -> list[list[Row]]:
    return [sorted(row for assessed in batch for row in assessed.rows) for batch in _batches(_new(bench), READINGS_EACH)]


async def _copy(connection: Connection, encoded: bytes) -> None:
    async with connection.cursor() as cursor, cursor.copy(QUERIES["copy_readings"]) as copying:
        await copying.write(encoded)
    await connection.commit()


async def _written(name: str, bench: Bench, batches: Batches) -> Run:
    writer = Writer(bench.writer)
    await writer.probe()  # opens the connection
    try:
        return await _measured(name, bench, batches, writer.write)
    finally:
        await writer.close()


async def _measured(name: str, bench: Bench, batches: Sequence[T], write: Callable[[T], Awaitable[object]]) -> Run:
    rows = bench.sizes.copy_rows
    account = bench.account()
    for batch in batches:
        await write(batch)
    return Run(name, {"rows_per_s": rows / account.seconds, **account.cpu_us(rows)}, account.cores())
