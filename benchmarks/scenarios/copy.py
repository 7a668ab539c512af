"""The storage writer alone, from memory, beside plain COPY of the same kind of rows into the same table.

Plain COPY is given the same rows, sorted, in the same batches: encode, COPY, commit. "copy encoded" is given bytes: all that the
database takes from one connection. The variants run in turn, each on rows of its own, so that all of them see the table grow.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from typing import Final, TypeVar

from benchmarks.bench import Bench
from benchmarks.figures import Run
from ingest.messages import Assessed, Message, Row
from ingest.metering.calendar import instant
from ingest.storage import binary
from ingest.storage.connection import connect
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer

BATCH_ROWS: Final = 10_000
READINGS_EACH: Final = 20
DUPLICATE_EVERY: Final = 100
REGISTER: Final = 1_000

T = TypeVar("T")
Batches = list[list[Assessed]]


async def run(bench: Bench, _wanted: Set[str]) -> AsyncIterator[Run]:
    """Every variant in turn."""
    await bench.register(bench.sizes.meters)
    for _ in range(bench.sizes.copy_repeats):
        fresh = _batches(bench, READINGS_EACH)
        yield await _written("copy", bench, fresh)
        yield await _copied("copy plain", bench, _batches(bench, READINGS_EACH), encoded=False)
        yield await _copied("copy encoded", bench, _batches(bench, READINGS_EACH), encoded=True)
        yield await _written("copy in singles", bench, _batches(bench, 1))
        yield await _written("copy 1 % duplicates", bench, _with_duplicates(_batches(bench, READINGS_EACH), fresh))
        yield await _written("copy all duplicates", bench, fresh)


def _batches(bench: Bench, each: int) -> Batches:
    """Batches of messages with `each` readings, as intake assesses them: all meters at one instant, then at the next."""
    load = bench.load(bench.sizes.copy_rows)
    start, meters = instant(load.start), load.meters
    rows = [
        Row(number % meters + 1, start + number // meters * 1_000_000, REGISTER + number, start) for number in range(load.messages)
    ]
    messages = [Assessed(Message("", b"", 1, False, 1, 1, start), rows[at : at + each]) for at in range(0, len(rows), each)]
    per_batch = max(BATCH_ROWS // each, 1)
    return [messages[at : at + per_batch] for at in range(0, len(messages), per_batch)]


def _with_duplicates(batches: Batches, stored: Batches) -> Batches:
    """The same batches, but every hundredth reading is one that was stored before."""
    for batch, other in zip(batches, stored, strict=True):
        for at in range(0, len(batch), DUPLICATE_EVERY // READINGS_EACH):
            batch[at].rows[0] = other[at].rows[0]
    return batches


async def _written(name: str, bench: Bench, batches: Batches) -> Run:
    writer = Writer(bench.writer)
    await writer.probe()  # opens the connection
    try:
        return await _measured(name, bench, batches, writer.write)
    finally:
        await writer.close()


async def _copied(name: str, bench: Bench, batches: Batches, *, encoded: bool) -> Run:
    rows = [sorted(row for assessed in batch for row in assessed.rows) for batch in batches]
    connection = await connect(bench.writer)

    async def copy(binary_rows: bytes) -> None:
        async with connection.cursor() as cursor, cursor.copy(QUERIES["copy_readings"]) as copying:
            await copying.write(binary_rows)
        await connection.commit()

    async def encode_and_copy(batch: list[Row]) -> None:
        await copy(binary.readings(batch))

    try:
        if encoded:
            return await _measured(name, bench, list(map(binary.readings, rows)), copy)
        return await _measured(name, bench, rows, encode_and_copy)
    finally:
        await connection.close()


async def _measured(name: str, bench: Bench, batches: Sequence[T], write: Callable[[T], Awaitable[object]]) -> Run:
    rows = bench.sizes.copy_rows
    account = bench.account()
    for batch in batches:
        await write(batch)
    return Run(name, {"rows_per_s": rows / account.seconds, **account.cpu_us(rows)}, account.cores())
