"""Readiness while something is away: it falls and says what is missing; the process is live all the while."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ingest.retry import CEILING_SECONDS
from tests.faults.gateway import Gateway
from tests.running import EVENTUALLY_SECONDS, Service, eventually


async def unready(service: Service, lacking: str = "broker") -> None:
    """Wait until readiness lacks this; AssertionError where the process is not live on the way."""

    async def lacks() -> bool:
        live, _ = await service.http("/livez")
        assert live == 200, f"/livez {live}\n{service.log()[-3000:]}"
        status, body = await service.http("/readyz")
        return status == 503 and not json.loads(body)[lacking]

    await eventually(lacks, f"readiness lacks the {lacking}")


async def is_connected(service: Service) -> bool:
    """Whether it is subscribed at the broker, ready or not."""
    return await service.metric("broker_connected") == 1


async def has_received(service: Service, number: int) -> bool:
    """Whether so many messages have been delivered to this process."""
    return await service.metric("messages_received_total") >= number


async def more_received(service: Service, number: int) -> None:
    """Wait until so many more have been."""
    least = number + await service.metric("messages_received_total")
    await eventually(lambda: has_received(service, least), f"{number} more received", CEILING_SECONDS + EVENTUALLY_SECONDS)


async def more_published(gateway: Gateway, number: int) -> None:
    """Wait until the broker has acknowledged so many more."""
    least = number + gateway.acknowledged
    await eventually(lambda: gateway.acknowledged >= least, f"{number} more published")


async def all_acknowledged(service: Service, seconds: float = EVENTUALLY_SECONDS) -> None:
    """Wait until nothing is in flight: each delivery of this connection has its PUBACK, and none is pending."""
    await eventually(lambda: _is_idle(service), "all acknowledged", seconds)


async def _is_idle(service: Service) -> bool:
    return await service.metric("messages_in_flight") == 0


def reasons(service: Service) -> list[str]:
    """Why there was no connection to the broker, each time, in the log's words."""
    return [line["reason"] for line in service.log_lines("no connection to the broker")]


@asynccontextmanager
async def memory_of(service: Service) -> AsyncIterator[list[float]]:
    """Its memory in MiB, sampled many times a second during the block; the first sample is from before it."""
    samples = [_resident_mib(service)]

    async def sample() -> None:
        while True:
            samples.append(_resident_mib(service))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(sample(), name="memory")
    try:
        yield samples
    finally:
        task.cancel()
        await asyncio.wait({task})


def _resident_mib(service: Service) -> float:
    """What the process holds of the machine's memory now."""
    status = Path(f"/proc/{service.pid}/status").read_text(encoding="ascii")
    [kib] = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kib) / 1024
