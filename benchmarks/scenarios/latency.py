"""From the publisher's stamp to the commit, at a quarter of what single reached.

The stamp is the reading's own time, taken as it is handed over to be written; the commit's time is the database's
(track_commit_timestamp). One clock: all run on this machine.
"""

import math
from collections.abc import AsyncIterator, Set
from datetime import datetime
from typing import Final

from benchmarks.bench import Bench, Service, service
from benchmarks.clients import generator
from benchmarks.figures import Run
from benchmarks.scenarios import line

PART: Final = 4
LATENCIES: Final = """
    SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY seconds * 1000) FROM (
        SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - read_at)::float8 AS seconds
        FROM metering.reading WHERE read_at >= %(since)s AND received_at >= %(since)s AND channel > 0
    ) AS committed
"""


async def run(bench: Bench, _wanted: Set[str]) -> AsyncIterator[Run]:
    """A run of its own for the full rate, then one at a quarter of it."""
    await bench.fill()
    async with service(bench) as running:
        full = await line.live("latency at full rate", bench, running, bench.sizes.messages, 1)
        yield full
        yield await _paced(bench, running, math.ceil(full.figures["messages_per_s"] / PART))


async def _paced(bench: Bench, running: Service, rate: float) -> Run:
    messages = bench.sizes.latency_messages
    load = bench.load(messages)
    async with generator(bench, load, "stamped", rate=rate) as publishing:
        account = bench.account(ingest=running.cpu_seconds, generator=publishing.cpu_seconds)
        since = await _now(bench)
        publishing.begin()
        await running.acknowledged(messages)
        figures, cores = {"readings_per_s": messages / account.seconds, **account.cpu_us(messages)}, account.cores()
        await publishing.told()
    p50, p99, longest = (await bench.execute(LATENCIES, {"since": since}))[0][0]
    return Run("latency", {**figures, "p50_ms": p50, "p99_ms": p99, "longest_ms": longest}, cores)


async def _now(bench: Bench) -> datetime:
    now: datetime = (await bench.execute("SELECT clock_timestamp()"))[0][0]
    return now
