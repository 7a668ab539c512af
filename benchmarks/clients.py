"""The load generator and the null consumers, as processes of their own that begin on a word."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.usage import cpu_seconds
from simulators.load import Load

MOST_SECONDS: Final = 300.0
"""A scenario that takes longer hangs."""


class Process:
    """A started process that has said it is ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Started by `_started`."""
        self._process = process

    def cpu_seconds(self) -> float:
        """CPU time so far."""
        return cpu_seconds(self._process.pid)

    def begin(self) -> None:
        """Give the word."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")

    async def told(self, most_seconds: float = MOST_SECONDS) -> dict[str, float]:
        """What it measured, once it has."""
        async with asyncio.timeout(most_seconds):
            return dict(json.loads(await _line(self._process)))


@asynccontextmanager
async def generator(bench: Bench, load: Load, kind: str = "load", *, rate: float = 0) -> AsyncIterator[Process]:
    """The load generator, ready to begin."""
    asked = {
        "kind": kind,
        "port": bench.stack.mosquitto.port,
        "password_file": str(bench.stack.password_file("simulator")),
        "messages": load.messages,
        "readings_each": load.readings_each,
        "meters": load.meters,
        "start": load.start.isoformat(),
        "rate": rate,
    }
    async with _started("benchmarks.month" if kind == "city" else "benchmarks.generator", asked) as process:
        yield process


@asynccontextmanager
async def consumer(bench: Bench, client: str, messages: int, identifier: str = "") -> AsyncIterator[Process]:
    """A null consumer (`own`, `paho`, `aiomqtt`), subscribed; `own` takes up a session that it left under its identifier."""
    asked = {
        "client": client,
        "port": bench.stack.mosquitto.port,
        "password_file": str(bench.stack.password_file("ingest")),
        "identifier": identifier or f"null-{client}-{secrets.token_hex(3)}",
        "messages": messages,
    }
    async with _started("benchmarks.consumer", asked) as process:
        yield process


@asynccontextmanager
async def _started(module: str, asked: dict[str, Any]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, json.dumps(asked), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            await _line(process)
        yield Process(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except BaseException:
            process.kill()
            await process.wait()
            raise


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process} ended with status {await process.wait()} and said nothing; its errors are above")
    return line
