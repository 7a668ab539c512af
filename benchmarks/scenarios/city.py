"""A city's closed month through the broker, settled as it comes, and what people then ask of it.

The simulated city at the census' size, without faults: a back-fill as after a long outage. Its quotas are the simulator's samples.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Final

from psycopg import AsyncConnection

from benchmarks.bench import Bench, service
from benchmarks.clients import generator
from benchmarks.figures import Run
from ingest.storage.bootstrap import prepare
from ingest.storage.connection import connected
from ingest.storage.registry_csv import read_files
from ingest.storage.registry_import import apply_registry
from simulators import fleet, registry
from simulators.load import Load
from simulators.month import Month

SEED: Final = 1
ASKED: Final = 7
MOST_SECONDS: Final = 3_600.0
SETTLED_SECONDS: Final = 1.0
"""How often to ask whether all is settled."""
PROGRESS_SECONDS: Final = 30.0
PROGRESS: Final = """
    SELECT approximate_row_count('metering.reading'), (SELECT coalesce(sum(cardinality(channel)), 0) FROM metering.mark)
"""
SIZES: Final = """
    SELECT hypertable_size('metering.reading'), hypertable_size('metering.consumption_hour'), pg_database_size(current_database()),
           (SELECT count(*) FROM metering.reading WHERE channel > 0), (SELECT count(*) FROM metering.quota_level)
"""
BOARD: Final = "SELECT * FROM meterwarden.quota_status WHERE period_kind = 'month' ORDER BY used_ratio DESC NULLS LAST"
UNIT: Final = """
    SELECT institution.code FROM metering.meter_version JOIN metering.institution USING (institution)
    GROUP BY institution.code ORDER BY count(*) DESC, 1 LIMIT 1
"""
UNIT_MONTH: Final = """
    SELECT * FROM meterwarden.consumption_day
    WHERE institution = %(unit)s AND day >= %(first)s AND day < %(last)s ORDER BY meter, day
"""


async def run(bench: Bench, _wanted: Set[str]) -> AsyncIterator[Run]:
    """Register, publish, settle, ask."""
    own = replace(bench, prepared=await prepare(bench.stack.postgres.url(), "city", bench.directory / "passwords"))
    month = Month.last_closed(datetime.now(UTC))
    await _register(own, month)
    load = Load(1, 1, bench.sizes.institutions, datetime.now(UTC))
    accept = {"METERWARDEN_INTAKE__ACCEPT_DAYS_BACK": "75", "METERWARDEN_SETTLEMENT__ENABLED": "true"}
    async with service(own, settings=accept) as running, generator(own, load, "city") as publishing:
        account = own.account(ingest=running.cpu_seconds, generator=publishing.cpu_seconds)
        publishing.begin()
        async with _progress(own):
            told = await publishing.told(MOST_SECONDS)
            published_s = account.seconds
            await running.acknowledged(int(told["messages"]))
            stored_s = account.seconds
            await _settled(own)
        seconds, cores, rss = account.seconds, account.cores(), running.rss_mib
        reading_bytes, hour_bytes, database_bytes, readings, levels = (await own.execute(SIZES))[0]
        cpu_us = account.cpu_us(readings)
    yield Run("city", {
        "readings_per_s": readings / seconds, "readings": readings, "messages": told["messages"], "published_s": published_s,
        "stored_s": stored_s, "settled_s": seconds, **cpu_us, "rss_mib": rss,
        "reading_mib": reading_bytes / 2**20, "reading_bytes_a_row": reading_bytes / readings,
        "consumption_hour_mib": hour_bytes / 2**20, "database_mib": database_bytes / 2**20, "quota_levels": levels,
        **await _asked(own, month),
    }, cores)  # fmt: skip


@asynccontextmanager
async def _progress(bench: Bench) -> AsyncIterator[None]:
    """Say from time to time how far it has come."""

    async def say() -> None:
        started = time.monotonic()
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            stored, waiting = (await bench.execute(PROGRESS))[0]
            seconds = time.monotonic() - started
            bench.say(f"  {seconds:.0f} s: about {stored:,} readings stored, {waiting:,} channel-hours not settled")

    saying = asyncio.create_task(say())
    try:
        yield
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying


async def _register(bench: Bench, month: Month) -> None:
    started = time.monotonic()
    directory = bench.directory / "city"
    await asyncio.to_thread(lambda: registry.write(fleet.build(bench.sizes.institutions, SEED, month), directory))
    files = read_files(directory)
    async with connected(bench.writer.model_copy(update={"statement_timeout_seconds": 600})) as connection:
        await apply_registry(connection, files, dry_run=False)
    seconds = time.monotonic() - started
    bench.say(f"registry of {len(files['institutions']):,} institutions and {len(files['meters']):,} meters: {seconds:.0f} s")


async def _settled(bench: Bench) -> None:
    """Wait until no mark waits."""
    async with asyncio.timeout(MOST_SECONDS):
        while (await bench.execute("SELECT EXISTS (SELECT FROM metering.mark)"))[0][0]:
            await asyncio.sleep(SETTLED_SECONDS)


async def _asked(bench: Bench, month: Month) -> dict[str, float]:
    """Milliseconds, median, of what a reader asks: the board of all units, and every day and meter of the largest unit's month."""
    unit = (await bench.execute(UNIT))[0][0]
    given = {"unit": unit, "first": month.first_day, "last": month.next.first_day}
    url = bench.prepared.uri_with_password("meterwarden_reader")
    async with await AsyncConnection.connect(url, autocommit=True) as reader:
        return {"board_ms": await _milliseconds(reader, BOARD, {}), "unit_month_ms": await _milliseconds(reader, UNIT_MONTH, given)}


async def _milliseconds(reader: AsyncConnection[tuple[object, ...]], query: str, parameters: dict[str, str]) -> float:
    took = []
    for _ in range(ASKED):
        started = time.perf_counter()
        await (await reader.execute(query, parameters)).fetchall()
        took.append(time.perf_counter() - started)
    return median(took) * 1000
