"""What the steps of the demonstration share: the servers, the processes beside them, what they count."""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import SecretStr

from ingest.settings import DatabaseSettings
from ingest.stack import Stack
from ingest.storage.bootstrap import Prepared
from ingest.storage.connection import connected
from ingest.storage.registry_checks import Files
from ingest.storage.registry_csv import read_files
from ingest.storage.registry_import import Difference, apply_registry

Say = Callable[[str], None]


class DemoFailed(Exception):  # noqa: N818 - says what happened
    """A part of the demonstration ended or hung; the text says which, and where its log is."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the steps of the demonstration share."""

    stack: Stack
    prepared: Prepared
    directory: Path
    environment: dict[str, str]
    metrics_port: int
    fleet: tuple[str, ...]
    say: Say

    @property
    def reader_url(self) -> str:
        """The database, as its reader."""
        return self.prepared.uri_with_password("meterwarden_reader")


_METRICS: Final = {
    "received": "meterwarden_messages_received_total",
    "stored": 'meterwarden_messages_total{outcome="stored"}',
    "duplicate": 'meterwarden_messages_total{outcome="duplicate"}',
    "rejected": 'meterwarden_messages_total{outcome="rejected"}',
    "in_flight": "meterwarden_messages_in_flight",
    "canaries": "meterwarden_canary_latency_seconds_count",
    "readings_stored": 'meterwarden_readings_total{outcome="stored"}',
    "marks": "meterwarden_settlement_marks_waiting",
}


async def counters(running: Running) -> dict[str, float]:
    """The service's own counters, from one scrape."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{running.metrics_port}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
    return {name: float(lines[metric]) for name, metric in _METRICS.items()}


async def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    async with connected(DatabaseSettings(url=SecretStr(url)), autocommit=True) as connection:
        return await (await connection.execute(query)).fetchall()


async def import_registry(running: Running) -> tuple[Files, Difference]:
    """Import the registry's files as they stand now."""
    files = read_files(running.directory / "registry")
    writer = DatabaseSettings(url=SecretStr(running.prepared.uri_with_password("meterwarden_writer")))
    async with connected(writer) as connection:
        return files, await apply_registry(connection, files, dry_run=False)


async def simulate(running: Running, *arguments: str, shown: bool = True, check: bool = True) -> tuple[int, list[str]]:
    """Run `meterwarden simulate …`, its output shown as it comes. Raises DemoFailed where it must succeed and does not."""
    process = await asyncio.create_subprocess_exec(
        *meterwarden("simulate", *arguments), env=running.environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    async for line in process.stdout:
        lines.append(line.decode(errors="replace").rstrip())
        if shown:
            running.say(lines[-1])
    status = await process.wait()
    if check and status:
        raise DemoFailed("\n".join([f"meterwarden simulate {arguments[0]} ended with status {status}", *lines[-5:]]))
    return status, lines


def meterwarden(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ingest", *arguments)


async def until(holds: Callable[[], Any], seconds: float, otherwise: str, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            raise DemoFailed(with_log(otherwise, log))
        await asyncio.sleep(0.25)


def with_log(text: str, log: Path) -> str:
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]
    return "\n".join([text, "the end of its log:", *last])
