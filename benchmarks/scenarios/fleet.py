"""What the number of registered meters costs: CPU a reading and memory at one message rate, and the start to ready.

The messages are of meters far apart in the registry. The rate leaves the machine time to spare; batches are small then, so that a
reading costs more than at full rate, at every size alike. The fleets are up side by side, each with a database and a service of its
own, and are heard in turn, so that ratios are taken pair by pair.
"""

import json
import time
from collections.abc import AsyncIterator, Set
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final, NamedTuple

from benchmarks.bench import Bench, Service, service
from benchmarks.clients import generator
from benchmarks.figures import Run
from benchmarks.generator import fleet_code
from ingest.registry import CANARY
from ingest.storage.bootstrap import prepare
from schemas import topics

HEARD_BEFORE: Final = 20_000
"""So many meters, or all, are heard before anything is measured: the service remembers a topic that it has seen."""
HURRIED: Final = 2
"""Times the rate at which that is done."""


class Fleet(NamedTuple):
    """A fleet's database, and its service."""

    bench: Bench
    service: Service


async def run(bench: Bench, wanted: Set[str]) -> AsyncIterator[Run]:
    """The fleets in turn, up and down; only the largest where only the start is wanted."""
    sizes = bench.sizes.fleets if "fleet" in wanted else bench.sizes.fleets[-1:]
    async with AsyncExitStack() as stack:
        fleets = []
        for meters in sizes:
            own = await _registered(bench, meters)
            began = time.monotonic()
            running = await stack.enter_async_context(service(own, settings=_heard(own)))
            if "start" in wanted and meters == sizes[-1]:
                seconds = time.monotonic() - began
                yield Run(f"start {meters}", {"ready_s": seconds, "ready_cpu_s": running.cpu_seconds(), "rss_mib": running.rss_mib})
            fleets.append(Fleet(own, running))
        if "fleet" in wanted:
            async for one in _in_turn(fleets, bench.sizes.fleet_repeats):
                yield one


async def _in_turn(fleets: list[Fleet], repeats: int) -> AsyncIterator[Run]:
    for fleet in fleets:
        sizes = fleet.bench.sizes
        await _paced(fleet, max(min(sizes.meters, HEARD_BEFORE), sizes.fleet_messages), HURRIED * sizes.fleet_rate)
    for repeat in range(repeats):
        for fleet in reversed(fleets) if repeat % 2 else fleets:
            yield await _paced(fleet, fleet.bench.sizes.fleet_messages, fleet.bench.sizes.fleet_rate)


async def _registered(bench: Bench, meters: int) -> Bench:
    bench.say(f"registering {meters:,} meters")
    prepared = await prepare(bench.stack.postgres.url(), f"fleet_{meters}", bench.directory / "passwords")
    sizes = replace(bench.sizes, meters=meters)
    own = replace(bench, prepared=prepared, sizes=sizes, institution=fleet_code(meters), registered=0, filled=None)
    await own.register(meters)
    return own


def _heard(bench: Bench) -> dict[str, str]:
    """Settings of a service that hears its own fleet, and its canary."""
    filters = [topics.meter_reading(institution, "+", "+") for institution in (bench.institution, CANARY[0])]
    return {"METERWARDEN_BROKER__FILTERS": json.dumps(filters)}


async def _paced(fleet: Fleet, messages: int, rate: float) -> Run:
    bench, running = fleet
    async with generator(bench, bench.load(messages), "spread", rate=rate) as publishing:
        account = bench.account(ingest=running.cpu_seconds, generator=publishing.cpu_seconds)
        publishing.begin()
        await running.acknowledged(messages)
        rate, cores = messages / account.seconds, account.cores()
        figures = {"readings_per_s": rate, **account.cpu_us(messages), "rss_mib": running.rss_mib}
        await publishing.told()
        return Run(f"fleet {bench.sizes.meters}", figures, cores)
