"""The line from broker to database, beside consumers that only receive: in turn, so that ratios are taken pair by pair.

A load generator publishes at QoS 1 as fast as the broker takes it, while the consumer runs; rates are from its first publish to the
last message done.
"""

from collections.abc import AsyncIterator, Set
from typing import Final

from benchmarks.bench import Bench, service
from benchmarks.clients import consumer, generator
from benchmarks.figures import Run

CLIENTS: Final = {"null": "own", "paho": "paho", "aiomqtt": "aiomqtt"}
NAMES: Final = ("generator", "null", "paho", "aiomqtt", "single", "batch20")
BATCH: Final = 20


async def run(bench: Bench, wanted: Set[str]) -> AsyncIterator[Run]:
    """Every wanted scenario, the whole row again and again."""
    await bench.register(bench.sizes.meters)
    sizes = bench.sizes
    for repeat in range(sizes.repeats):
        if "generator" in wanted and repeat == 0:
            yield await _generator("generator", bench, sizes.messages, 1)
            yield await _generator("generator batch20", bench, sizes.batch_messages, BATCH)
        for name in ("null", "single", "paho", "batch20", "aiomqtt"):
            if name not in wanted or (name == "aiomqtt" and repeat):
                continue
            if name == "single":
                yield await live(name, bench, sizes.messages, 1)
            elif name == "batch20":
                yield await live(name, bench, sizes.batch_messages, BATCH)
            else:
                yield await null(name, bench, sizes.aiomqtt_messages if name == "aiomqtt" else sizes.messages)


async def _generator(name: str, bench: Bench, messages: int, each: int) -> Run:
    """The generator's own ceiling: a broker that has nobody to deliver to."""
    async with generator(bench, bench.load(messages, each)) as publishing:
        account = bench.account(generator=publishing.cpu_seconds)
        publishing.begin()
        told, cores = await publishing.told(), account.cores()
    figures = {
        "messages_per_s": told["messages_per_s"],
        "readings_per_s": told["messages_per_s"] * each,
        "ceiling_messages_per_s": told["ceiling_per_s"],
        "generator_cpu_us": told["cpu_us"],
    }
    return Run(name, figures, cores)


async def null(name: str, bench: Bench, messages: int) -> Run:
    """A consumer that acknowledges and discards."""
    async with generator(bench, bench.load(messages)) as publishing, consumer(bench, CLIENTS[name], messages) as consuming:
        account = bench.account(ingest=consuming.cpu_seconds, generator=publishing.cpu_seconds)
        publishing.begin()
        told = await consuming.told()
        rate, cores = messages / account.seconds, account.cores()
        await publishing.told()
    return Run(name, {"messages_per_s": rate, "ingest_cpu_us": told["cpu_us"]}, cores)


async def live(name: str, bench: Bench, messages: int, each: int) -> Run:
    """Generator, broker, service and database at once, as in operation: to the committed row."""
    async with service(bench) as running, generator(bench, bench.load(messages, each)) as publishing:
        account = bench.account(ingest=running.cpu_seconds, generator=publishing.cpu_seconds)
        publishing.begin()
        await running.acknowledged(messages)
        rate, cores = messages / account.seconds, account.cores()
        figures = {"messages_per_s": rate, "readings_per_s": rate * each, **account.cpu_us(messages * each)}
        await publishing.told()
        return Run(name, {**figures, "rss_mib": running.rss_mib}, cores)
