"""The main job on real embedded servers: a fleet publishes a month, the service settles it, units over quota are flagged.

Everything is started as a user would: the service and the simulator are processes of their own, Prometheus scrapes and evaluates
the shipped rules (every second, without `for`), and the simulator's ledger judges the result at the end.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from ingest.alerts import rules, without_waiting
from ingest.demo.running import DemoFailed, Running, Say, import_registry, meterwarden, simulate, until, with_log
from ingest.demo.shown import show
from ingest.stack import Stack, free_port
from ingest.storage.bootstrap import prepare
from ingest.words import words

ACCEPT_DAYS_BACK: Final = "75"
"""The last closed month begins up to 62 days ago."""


async def demo(institutions: int, seed: int, scenario: str, *, keep: bool, say: Say) -> bool:
    """Run it all; True where ledger, database, counters and alerts agree. Raises DemoFailed, StackError."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="meterwarden-demo-") as name:
        stack = Stack.create(say=say, rules=without_waiting(rules()), evaluation_interval="1s", scrape_interval="1s")
        with stack:
            say(words("servers are up", "服务器已启动") + f" ({time.monotonic() - started:.1f} s)")
            running = await _prepare(stack, Path(name), institutions, seed, say)
            async with _service(running):
                agrees = await show(running, scenario)
                if keep:
                    await _hold(running)
    return agrees


async def _prepare(stack: Stack, directory: Path, institutions: int, seed: int, say: Say) -> Running:
    """Database and registry, ready for the service."""
    prepared = await prepare(stack.postgres.url(), "meterwarden", directory / "passwords")
    port = free_port()
    environment = {
        **os.environ,
        **prepared.environment,
        "METERWARDEN_BROKER__HOST": "127.0.0.1",
        "METERWARDEN_BROKER__PORT": str(stack.mosquitto.port),
        "METERWARDEN_BROKER__USERNAME": "ingest",
        "METERWARDEN_BROKER__PASSWORD_FILE": str(stack.password_file("ingest")),
        "METERWARDEN_HTTP__PORT": str(port),
        "METERWARDEN_INTAKE__ACCEPT_DAYS_BACK": ACCEPT_DAYS_BACK,
        "METERWARDEN_INTAKE__REPLAY_SECONDS": "2",
        "METERWARDEN_CANARY__EVERY_SECONDS": "3600",  # one flight, so that the deliveries can be compared with the ledger
        "METERWARDEN_CANARY__WITHIN_SECONDS": "7200",
        "METERWARDEN_SETTLEMENT__ROUND_SECONDS": "0.5",
    }
    fleet = ("--institutions", str(institutions), "--seed", str(seed))
    running = Running(stack, prepared, directory, environment, port, fleet, say)
    await simulate(running, "registry", str(directory / "registry"), *fleet, shown=False)
    files, difference = await import_registry(running)
    say(words(
        f"registry: {len(files['institutions'])} institutions, {len(files['meters'])} meters; {len(difference.added)} rows",
        f"台账: {len(files['institutions'])} 家机构, {len(files['meters'])} 块表, 示例定额 (共 {len(difference.added)} 行)",
    ))  # fmt: skip
    return running


@asynccontextmanager
async def _service(running: Running) -> AsyncIterator[None]:
    """The service as a process of its own, scraped by Prometheus; drained and ended at the end of the block."""
    log = running.directory / "service.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *meterwarden("run"), env=running.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        await until(lambda: _is_ready(running, process), 30, "the service did not become ready", log)
        assert running.stack.prometheus is not None
        running.stack.prometheus.scrape("meterwarden", running.metrics_port)
        running.say(words("service is ready", "服务已就绪"))
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _is_ready(running: Running, process: asyncio.subprocess.Process) -> bool:
    if process.returncode is not None:
        raise DemoFailed(with_log(f"the service ended with status {process.returncode}", running.directory / "service.log"))
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{running.metrics_port}/readyz") as response:
            return response.status == 200
    return False


async def _hold(running: Running) -> None:
    prometheus = running.stack.prometheus
    assert prometheus is not None
    running.say(words("left running until Ctrl-C:", "保持运行, 按 Ctrl-C 结束:"))
    running.say(f"  metrics     http://127.0.0.1:{running.metrics_port}/metrics")
    running.say(f"  Prometheus  http://127.0.0.1:{prometheus.port}/classic/alerts")
    running.say(f"  database    psql '{running.reader_url}'")
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
