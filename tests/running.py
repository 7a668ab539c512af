"""The service as its users run it, a process of its own, and servers of a test's own."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
import aiomqtt
from psycopg.conninfo import make_conninfo

from ingest.stack import Mosquitto, Programs, free_port, places
from tests.databases import Database
from tests.published import ANSWER_SECONDS, forget_session

T = TypeVar("T")
EVENTUALLY_SECONDS: Final = 90.0
"""Ends a wait for what never comes. On a machine that is ten times slower what takes a second or two is no failure."""
POLL_SECONDS: Final = 0.02


async def eventually(holds: Callable[[], Awaitable[T] | T], what: str = "", seconds: float = EVENTUALLY_SECONDS) -> T:
    """The first true answer; AssertionError with the last one where none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = holds()
        found: Any = await answer if isinstance(answer, Awaitable) else answer
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or holds} (last answer: {found!r})")
        await asyncio.sleep(POLL_SECONDS)


@dataclass(slots=True)
class Service:
    """`python -m ingest run`, with the environment it was given; may be killed and started again."""

    environment: dict[str, str]
    port: int
    log_path: Path
    _process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        """Start the process; it may take a while to be ready."""
        with self.log_path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ingest", "run",
                env=self.environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    async def kill(self) -> None:
        """SIGKILL: nothing is drained, flushed or said goodbye to."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        return await self._end(signal.SIGTERM)

    async def status(self) -> int:
        """Wait for the process to end by itself; returns the exit status."""
        assert self._process is not None
        async with asyncio.timeout(EVENTUALLY_SECONDS):
            return await self._process.wait()

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self.status()

    @property
    def pid(self) -> int:
        """The process as of now: another one after every `start`."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def http(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages; status 0 where nothing listens."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as client,
                client.get(f"http://127.0.0.1:{self.port}{path}") as response,
            ):
                return response.status, await response.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0, ""

    async def is_ready(self) -> bool:
        """Whether /readyz says so now. A process that has ended never will be: AssertionError with the end of its log."""
        assert self.is_running, f"the service has ended\n{self.log()[-3000:]}"
        return (await self.http("/readyz"))[0] == 200

    async def ready(self) -> None:
        """Wait until it is."""
        try:
            await eventually(self.is_ready, "ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from error

    async def unready(self) -> dict[str, bool]:
        """What readiness lacks or has; the page must answer 503, and the process be live."""
        status, body = await self.http("/readyz")
        live, _ = await self.http("/livez")
        assert (status, live) == (503, 200), f"/readyz {status}, /livez {live}"
        return dict(json.loads(body))

    async def metrics(self) -> dict[str, float]:
        """One scrape: samples by name with labels, `meterwarden_` left out."""
        _, body = await self.http("/metrics")
        lines = (line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#"))
        return {name.removeprefix("meterwarden_"): float(value) for name, value in lines}

    async def metric(self, name: str) -> float:
        """One sample of a scrape; 0 while nothing listens yet."""
        return (await self.metrics()).get(name, 0.0)

    async def counted(self, **least: float) -> dict[str, float]:
        """Wait until every named count has been reached, none in flight; returns that scrape. Names as in `COUNTS`."""

        async def reached() -> dict[str, float] | None:
            metrics = await self.metrics()
            counts = {name: metrics.get(sample, -1) for name, sample in COUNTS.items()}
            return metrics if counts["in_flight"] == 0 and all(counts[name] >= least[name] for name in least) else None

        try:
            return await eventually(reached, f"counted {least}")
        except AssertionError as error:
            shown = {name: (await self.metrics()).get(sample) for name, sample in COUNTS.items()}
            raise AssertionError(f"{error}\n{shown}\n{self.log()[-3000:]}") from error

    def log(self) -> str:
        """Everything it has said, in all its lives."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def log_lines(self, message: str) -> list[dict[str, Any]]:
        """The log's events with this text."""
        lines = []
        for line in self.log().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                lines.append(json.loads(line))
        return [line for line in lines if line.get("message") == message]


COUNTS: Final = {
    "received": "messages_received_total",
    "stored": 'messages_total{outcome="stored"}',
    "duplicate": 'messages_total{outcome="duplicate"}',
    "rejected": 'messages_total{outcome="rejected"}',
    "in_flight": "messages_in_flight",
    "acknowledged": "messages_acknowledged_total",
}


def balances(metrics: Mapping[str, float]) -> bool:
    """The accounting identity of one scrape."""
    count = {name: metrics[sample] for name, sample in COUNTS.items()}
    return count["received"] == count["stored"] + count["duplicate"] + count["rejected"] + count["in_flight"]


def service_of(
    database: Database,
    broker: Mosquitto,
    directory: Path,
    *,
    broker_port: int | None = None,
    database_port: int | None = None,
    **settings: object,
) -> Service:
    """A service not started yet, with a client identifier of its own, subscribed plainly. The ports may be a proxy's.

    `settings` are names after METERWARDEN_, in lower case: `batch__messages=10`.
    """
    port, name = free_port(), f"test-{secrets.token_hex(6)}"
    password_file = directory / f"{name}.password"
    password_file.write_text(broker.password("ingest"), encoding="utf-8")
    url = database.writer_url if database_port is None else make_conninfo(database.writer_url, port=database_port)
    given = {
        "database__url": url,
        "database__statement_timeout_seconds": 5,
        "broker__port": broker_port or broker.port,
        "broker__username": "ingest",
        "broker__password_file": password_file,
        "broker__client_identifier": name,
        "http__port": port,
        "settlement__enabled": False,
        "canary__enabled": False,
        "shutdown_grace_seconds": 45,
        **settings,
    }
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("METERWARDEN_")},
        **{f"METERWARDEN_{key.upper()}": str(value) for key, value in given.items()},
    }
    return Service(environment, port, directory / f"{name}.log")


@asynccontextmanager
async def running_service(
    database: Database, broker: Mosquitto, directory: Path, *, until_ready: bool = True, **settings: Any
) -> AsyncIterator[Service]:
    """The service as a process, ready unless told otherwise, ended at the end of the block; the broker forgets its session."""
    service = service_of(database, broker, directory, **settings)
    await service.start()
    try:
        if until_ready:
            await service.ready()
        yield service
    finally:
        if service.is_running:
            await service.kill()
        with contextlib.suppress(aiomqtt.MqttError):  # the test may have stopped the broker for good
            await forget_session(broker, service.environment["METERWARDEN_BROKER__CLIENT_IDENTIFIER"])


@contextmanager
def own_directory() -> Iterator[Path]:
    """A directory that the servers' user can reach, gone at the end."""
    directory = places.fresh_run_directory()
    try:
        yield directory
    finally:
        places.remove(directory)


@contextmanager
def own_broker(programs: Programs, **options: Any) -> Iterator[Mosquitto]:
    """A broker of the test's own, not started yet, that it may stop and kill."""
    with own_directory() as directory:
        broker = Mosquitto.create(programs, directory / "mosquitto", **options)
        try:
            yield broker
        finally:
            broker.stop()
