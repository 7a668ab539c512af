"""The storage writer alone, from memory, beside plain COPY of the same kind of rows into the same table.

Plain COPY is given the same rows, sorted, in the same batches: encode, COPY, commit. It, the writer and a writer that meets known
readings (of those that the table was filled with) take turns batch by batch, so that all see the same table and the same moment.
"copy encoded" is given bytes: all that the database takes from one connection.
"""

import gc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple, TypeVar

from benchmarks.bench import REGISTER, Bench
from benchmarks.figures import Run
from benchmarks.usage import Account
from ingest.messages import Assessed, Message, Row
from ingest.metering.calendar import instant
from ingest.storage import binary
from ingest.storage.connection import connect
from ingest.storage.queries import QUERIES
from ingest.storage.writer import Writer
from simulators.load import Load

BATCH_ROWS: Final = 10_000
READINGS_EACH: Final = 20
DUPLICATE_EVERY: Final = 100

T = TypeVar("T")
Batches = list[list[Assessed]]


class Total:
    """Of one scenario's batches: seconds, and CPU seconds of each part."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._seconds = 0.0
        self._spent: Counter[str] = Counter()

    def add(self, account: Account) -> None:
        """Another batch, which has just ended."""
        self._seconds += account.seconds
        self._spent.update(account.spent())

    def run(self, name: str, rows: int) -> Run:
        """So many rows were written."""
        cpu_us = {f"{part}_cpu_us": self._spent[part] / rows * 1e6 for part in ("ingest", "database")}
        cores = {part: max(spent, 0.0) / self._seconds for part, spent in self._spent.items()}
        return Run(name, {"rows_per_s": rows / self._seconds, **cpu_us}, cores)


async def in_turn(bench: Bench) -> list[Run]:
    """The writer, plain COPY, and the writer where every hundredth reading is known: a batch each, then the next of each."""
    batches, known = _batches(_new(bench), READINGS_EACH), _batches(await _known(bench), READINGS_EACH)
    for batch, other in zip(batches, known, strict=True):
        for at in range(0, len(batch), DUPLICATE_EVERY // READINGS_EACH):
            batch[at].rows[0] = other[at].rows[0]
    async with _writer(bench) as write, _writer(bench) as write_wary, _copier(bench) as copy:
        new = _steps("copy", write, _batches(_new(bench), READINGS_EACH))
        plain = _steps("copy plain", lambda rows: copy(binary.readings(rows)), _sorted_rows(bench))
        duplicates = _steps("copy 1 % duplicates", write_wary, batches)
        return await _measured(bench, [new, plain, duplicates])


async def encoded(bench: Bench) -> list[Run]:
    """COPY and commit of bytes that are ready."""
    async with _copier(bench) as copy:
        return await _measured(bench, [_steps("copy encoded", copy, list(map(binary.readings, _sorted_rows(bench))))])


async def singles(bench: Bench) -> list[Run]:
    """The writer: messages of one new reading."""
    async with _writer(bench) as write:
        return await _measured(bench, [_steps("copy in singles", write, _batches(_new(bench), 1))])


async def duplicates(bench: Bench) -> list[Run]:
    """The writer: every reading is known."""
    async with _writer(bench) as write:
        return await _measured(bench, [_steps("copy all duplicates", write, _batches(await _known(bench), READINGS_EACH))])


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


@asynccontextmanager
async def _writer(bench: Bench) -> AsyncIterator[Callable[[list[Assessed]], Awaitable[object]]]:
    writer = Writer(bench.writer)
    await writer.probe()  # opens the connection
    try:
        yield writer.write
    finally:
        await writer.close()


@asynccontextmanager
async def _copier(bench: Bench) -> AsyncIterator[Callable[[bytes], Awaitable[object]]]:
    connection = await connect(bench.writer)

    async def copy(rows: bytes) -> None:
        async with connection.cursor() as cursor, cursor.copy(QUERIES["copy_readings"]) as copying:
            await copying.write(rows)
        await connection.commit()

    try:
        yield copy
    finally:
        await connection.close()


class Steps(NamedTuple):
    """A scenario's batches, each ready to be written."""

    name: str
    writes: list[Callable[[], Awaitable[object]]]


def _steps(name: str, write: Callable[[T], Awaitable[object]], batches: Sequence[T]) -> Steps:
    return Steps(name, [partial(write, batch) for batch in batches])


async def _measured(bench: Bench, scenarios: Sequence[Steps]) -> list[Run]:
    """A batch of each scenario, then the next of each, the other way round."""
    totals = [Total() for _ in scenarios]
    gc.freeze()  # the batches that wait are not to be looked through
    for number, turn in enumerate(zip(*(steps.writes for steps in scenarios), strict=True)):
        pairs = list(zip(totals, turn, strict=True))
        for total, write in reversed(pairs) if number % 2 else pairs:
            account = bench.account()
            await write()
            total.add(account)
    gc.unfreeze()
    return [total.run(steps.name, bench.sizes.copy_rows) for steps, total in zip(scenarios, totals, strict=True)]
