"""What the number of registered meters costs: CPU a reading and memory at one message rate, and the start to ready.

The messages are of meters far apart in the registry. The rate leaves the machine time to spare; batches are small then, so that a
reading costs more than at full rate, at every size alike.
"""

import time
from collections.abc import AsyncIterator, Set
from dataclasses import replace
from typing import Final

from benchmarks.bench import Bench, Service, service
from benchmarks.clients import generator
from benchmarks.figures import Run
from ingest.storage.bootstrap import prepare

REPEATS: Final = 2


async def run(bench: Bench, wanted: Set[str]) -> AsyncIterator[Run]:
    """From the smallest fleet to the largest, in a database of their own; the largest also when only the start is wanted."""
    prepared = await prepare(bench.stack.postgres.url(), "fleet", bench.directory / "passwords")
    own = replace(bench, prepared=prepared, registered=0)
    sizes = bench.sizes.fleets if "fleet" in wanted else bench.sizes.fleets[-1:]
    for meters in sizes:
        bench.say(f"registering {meters:,} meters")
        await own.register(meters)
        began = time.monotonic()
        async with service(own) as running:
            if "start" in wanted and meters == sizes[-1]:
                seconds = time.monotonic() - began
                yield Run(f"start {meters}", {"ready_s": seconds, "ready_cpu_s": running.cpu_seconds(), "rss_mib": running.rss_mib})
            for _ in range(REPEATS if "fleet" in wanted else 0):
                yield await _paced(own, meters, running)


async def _paced(bench: Bench, meters: int, running: Service) -> Run:
    sizes = bench.sizes
    load = replace(bench.load(sizes.fleet_messages), meters=meters)
    async with generator(bench, load, "spread", rate=sizes.fleet_rate) as publishing:
        account = bench.account(ingest=running.cpu_seconds, generator=publishing.cpu_seconds)
        publishing.begin()
        await running.acknowledged(sizes.fleet_messages)
        rate, cores = sizes.fleet_messages / account.seconds, account.cores()
        figures = {"readings_per_s": rate, **account.cpu_us(sizes.fleet_messages), "rss_mib": running.rss_mib}
        await publishing.told()
        return Run(f"fleet {meters}", figures, cores)
