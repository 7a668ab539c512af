"""The line from broker to database, consumers that only receive, the writer alone: in turn, so that ratios are taken pair by pair.

A row of scenarios runs forwards, then backwards, and so on: tables grow, machines warm up, and no side of a pair may gain by it.
Those that are held against each other stand close together. What takes long for its worth runs only in the rows in the middle.

A load generator publishes at QoS 1 as fast as the broker takes it, while the consumer runs; rates are from its first publish to the
last message done.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Set
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from benchmarks.bench import Bench, Service, service
from benchmarks.clients import consumer, generator
from benchmarks.figures import Run
from benchmarks.scenarios import backlog, copy
from benchmarks.sizes import Sizes

CLIENTS: Final = {"null": "own", "paho": "paho", "aiomqtt": "aiomqtt"}
NAMES: Final = ("copy", "generator", "null", "paho", "aiomqtt", "single", "batch20", "backlog")
BATCH: Final = 20


class Part(NamedTuple):
    """Of a row: the scenario, what is to be wanted for it, and how it runs (some with others), if not beside the service.

    `often`: in every row. `extra`: it is only shown beside what was asked for.
    """

    name: str
    wanted: str
    alone: Callable[[Bench], Awaitable[list[Run]]] | None
    often: bool = True
    extra: bool = False


def schedule(wanted: Set[str], sizes: Sizes) -> Iterator[Part]:
    """The parts in the order they run."""
    for number in range(sizes.rows):
        is_inner = abs(2 * number - (sizes.rows - 1)) < sizes.inner_rows
        for part in reversed(ROW) if number % 2 else ROW:
            if part.wanted in wanted and (part.often or is_inner) and (sizes.extras or not part.extra):
                yield part


async def run(bench: Bench, wanted: Set[str]) -> AsyncIterator[Run]:
    """Row after row; what follows each other and needs the service shares one."""
    await bench.fill()
    for alone, group in groupby(schedule(wanted, bench.sizes), lambda part: part.alone is not None):
        if alone:
            for part in group:
                assert part.alone is not None
                for one in await part.alone(bench):
                    yield one
        else:
            async with service(bench) as running:
                for part in group:
                    yield await live(part.name, bench, running, *_load(part.name, bench))


def _load(name: str, bench: Bench) -> tuple[int, int]:
    """Messages, and readings in each."""
    return (bench.sizes.batch_messages, BATCH) if name.endswith("batch20") else (bench.sizes.messages, 1)


async def ceiling(name: str, bench: Bench) -> list[Run]:
    """The generator's own: a broker that has nobody to deliver to."""
    messages, each = _load(name, bench)
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
    return [Run(name, figures, cores)]


async def null(name: str, bench: Bench) -> list[Run]:
    """A consumer that acknowledges and discards."""
    sizes = bench.sizes
    messages = {"null": sizes.messages, "paho": sizes.paho_messages, "aiomqtt": sizes.aiomqtt_messages}[name]
    async with generator(bench, bench.load(messages)) as publishing, consumer(bench, CLIENTS[name], messages) as consuming:
        account = bench.account(ingest=consuming.cpu_seconds, generator=publishing.cpu_seconds)
        publishing.begin()
        told = await consuming.told()
        rate, cores = messages / account.seconds, account.cores()
        await publishing.told()
    return [Run(name, {"messages_per_s": rate, "ingest_cpu_us": told["cpu_us"]}, cores)]


async def live(name: str, bench: Bench, running: Service, messages: int, each: int) -> Run:
    """Generator, broker, service and database at once, as in operation: to the committed row."""
    async with generator(bench, bench.load(messages, each)) as publishing:
        account = bench.account(ingest=running.cpu_seconds, generator=publishing.cpu_seconds)
        publishing.begin()
        await running.acknowledged(messages)
        rate, cores = messages / account.seconds, account.cores()
        figures = {"messages_per_s": rate, "readings_per_s": rate * each, **account.cpu_us(messages * each)}
        await publishing.told()
        return Run(name, {**figures, "rss_mib": running.rss_mib}, cores)


ROW: Final = (
    Part("generator", "generator", partial(ceiling, "generator"), often=False),
    Part("generator batch20", "generator", partial(ceiling, "generator batch20"), often=False),
    Part("aiomqtt", "aiomqtt", partial(null, "aiomqtt"), often=False),
    Part("backlog null", "backlog", backlog.drained_by_null, often=False, extra=True),
    Part("paho", "paho", partial(null, "paho"), often=False),
    Part("backlog", "backlog", backlog.drained_by_service, often=False),
    Part("null", "null", partial(null, "null")),
    Part("single", "single", None),
    Part("batch20", "batch20", None),
    Part("copy", "copy", copy.in_turn),
    Part("copy encoded", "copy", copy.encoded, often=False, extra=True),
    Part("copy in singles", "copy", copy.singles, often=False, extra=True),
    Part("copy all duplicates", "copy", copy.duplicates, often=False, extra=True),
)
"""Held against each other: paho, backlog and null with single; batch20 with copy."""
