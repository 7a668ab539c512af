"""Messages wait at the broker; a consumer comes back and drains them: the service, beside the null consumer.

Rates are from the first messages done to the last: how long a process takes to start is another figure (fleet.py). When it is their
turn, line.py says.
"""

import secrets

from benchmarks.bench import Bench, service
from benchmarks.clients import consumer, generator
from benchmarks.figures import Run


async def drained_by_service(bench: Bench) -> list[Run]:
    """The service's drain."""
    messages, identifier = bench.sizes.backlog_messages, f"backlog-{secrets.token_hex(3)}"
    async with service(bench, identifier, keep=True):
        pass  # leaves a session at the broker, which queues from now on
    await _publish(bench, messages)
    async with service(bench, identifier, until_ready=False) as running:
        left = max(messages - await running.begun(), 0)
        account = bench.account(ingest=running.cpu_seconds)
        await running.acknowledged(int(left))
        figures = {"readings_per_s": left / account.seconds, **account.cpu_us(max(left, 1)), "rss_mib": running.rss_mib}
        return [Run("backlog", figures, account.cores())]


async def drained_by_null(bench: Bench) -> list[Run]:
    """The null consumer's drain."""
    messages, identifier = bench.sizes.backlog_messages, f"backlog-null-{secrets.token_hex(3)}"
    async with consumer(bench, "own", 0, identifier):
        pass
    await _publish(bench, messages)
    async with consumer(bench, "own", messages, identifier) as consuming:
        told = await consuming.told()
    return [Run("backlog null", {"messages_per_s": told["drained_per_s"], "ingest_cpu_us": told["cpu_us"]})]


async def _publish(bench: Bench, messages: int) -> None:
    async with generator(bench, bench.load(messages)) as publishing:
        publishing.begin()
        await publishing.told()
