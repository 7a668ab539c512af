"""Servers, fleets and the service for the scenarios."""

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import aiomqtt
from psycopg import AsyncConnection
from pydantic import SecretStr

from benchmarks.sizes import Sizes
from benchmarks.usage import Account, cpu_seconds, rss_mib, tree_cpu_seconds
from ingest.metering.calendar import instant, moment
from ingest.settings import DatabaseSettings
from ingest.stack import Stack, free_port
from ingest.storage.bootstrap import Prepared, prepare
from ingest.storage.readings import CHUNK_US
from simulators.load import GATEWAY, INSTITUTION, Load

READY_SECONDS: Final = 120.0
DONE_SECONDS: Final = 300.0
LONGEST_POLL_SECONDS: Final = 0.2
SHORTEST_POLL_SECONDS: Final = 0.02
NO_SETTINGS: Final[Mapping[str, str]] = {}
SERVER_EXTRA: Final = "\ntrack_commit_timestamp = on  # the latency scenario reads from it when a row was committed\n"

FLEET: Final = """
    WITH region AS (
        INSERT INTO metering.region (code, name, timezone) VALUES ('BENCH', 'bench', 'Asia/Shanghai')
        ON CONFLICT (code) DO UPDATE SET name = excluded.name RETURNING region
    ), institution AS (
        INSERT INTO metering.institution (code, name, region) SELECT %(institution)s, 'load', region FROM region
        ON CONFLICT (code) DO UPDATE SET name = excluded.name RETURNING institution
    ), meter AS (
        INSERT INTO metering.meter (medium, code)
        SELECT 'electricity', 'L' || lpad(n::text, greatest(6, length(n::text)), '0')
        FROM generate_series(%(first)s::int, %(last)s::int) AS n RETURNING meter
    ), channel AS (
        INSERT INTO metering.channel (meter, register, kind, unit, decimals)
        SELECT meter, 'energy_import_kwh', 'cumulative', 'kWh', 3 FROM meter
    ), version AS (
        INSERT INTO metering.meter_version (meter, valid_from, institution, gateway, role, ratio_milli, rated_capacity,
            register_digits, quantum_milli, interval_s)
        SELECT meter, '2020-01-01', institution, %(gateway)s, 'sub', 1000, 100000, 9, 10, 60 FROM meter, institution
    )
    UPDATE metering.registry_version SET version = version + 1
"""
REGISTER: Final = 1_000
"""What every meter shows in the readings that are put in by SQL or by the writer alone."""
FILL: Final = """
    INSERT INTO metering.reading (read_at, value, received_at, channel)
    SELECT at, %(register)s, %(first)s, channel
    FROM generate_series(%(first)s::timestamptz, %(last)s::timestamptz, %(step)s) AS at,
         generate_series(1, %(meters)s::int) AS channel
"""


def _weeks_ago() -> datetime:
    """The beginning of a chunk four or five weeks ago: all that is stored in one benchmark lies in that chunk."""
    return moment(instant(datetime.now(UTC) - timedelta(days=28)) // CHUNK_US * CHUNK_US)


@dataclass(slots=True)
class Bench:
    """Running servers, a migrated database with a fleet of registered meters, and how much is to be done."""

    stack: Stack
    directory: Path
    sizes: Sizes
    say: Callable[[str], None]
    prepared: Prepared
    institution: str = INSTITUTION
    registered: int = 0
    filled: Load | None = None
    """The readings that were there before anything was measured."""
    _next: datetime = field(default_factory=_weeks_ago)

    @property
    def writer(self) -> DatabaseSettings:
        """The database as the service reaches it."""
        return DatabaseSettings(url=SecretStr(self.prepared.uri_with_password("meterwarden_writer")))

    async def register(self, meters: int) -> None:
        """Have so many meters registered; never fewer than before."""
        if meters > self.registered:
            first, last = self.registered + 1, meters
            await self.execute(FLEET, {"institution": self.institution, "gateway": GATEWAY, "first": first, "last": last})
            await self.execute("ANALYZE metering.meter, metering.meter_version, metering.channel")
            self.registered = meters

    async def fill(self) -> Load:
        """Have the fleet registered and the table as deep as where it is measured: rates fall by half while its index grows."""
        if self.filled is None:
            await self.register(self.sizes.meters)
            load = self.load(self.sizes.stored_rows)
            last = load.start + load.duration()
            given = {"register": REGISTER, "first": load.start, "last": last, "step": load.interval, "meters": load.meters}
            await self.execute(FILL, given)
            self.filled = load
        return self.filled

    async def execute(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement as the owner of the database; its rows, if it has any."""
        url = self.prepared.uri_with_password("meterwarden_owner")
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall() if cursor.description else []

    def load(self, messages: int, readings_each: int = 1) -> Load:
        """A load over the fleet whose readings nobody has sent before."""
        load = Load(messages, readings_each, self.sizes.meters, self._next)
        self._next += load.duration() + load.interval
        return load

    def account(self, **processes: Callable[[], float]) -> Account:
        """An account of broker, database (all its processes) and others by name; without `ingest` this process plays its part."""
        broker, database = self.stack.mosquitto.process, self.stack.postgres.process
        assert broker is not None
        assert database is not None
        servers = {"broker": lambda: cpu_seconds(broker.pid), "database": lambda: tree_cpu_seconds(database.pid)}
        return Account({**servers, **processes}, own=None if processes else "ingest")

    async def broker_version(self) -> str:
        """As the broker states it."""
        async with self.broker_client("bench-version", "simulator") as client:
            await client.subscribe("$SYS/broker/version")
            async for message in client.messages:
                return bytes(message.payload).decode().removeprefix("mosquitto version ")
        return ""

    def broker_client(self, identifier: str, user: str = "ingest") -> aiomqtt.Client:
        """A client that begins a session anew."""
        return aiomqtt.Client(
            "127.0.0.1", self.stack.mosquitto.port, username=user, password=self.stack.mosquitto.password(user),
            identifier=identifier, clean_start=True, protocol=aiomqtt.ProtocolVersion.V5,
        )  # fmt: skip


@asynccontextmanager
async def bench(directory: Path, sizes: Sizes, say: Callable[[str], None]) -> AsyncIterator[Bench]:
    """Servers, with the fleet registered."""
    stack = Stack.create(with_prometheus=False, say=say)
    with (stack.postgres.data_directory / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write(SERVER_EXTRA)
    with stack:
        prepared = await prepare(stack.postgres.url(), "meterwarden", directory / "passwords")
        try:
            yield Bench(stack, directory, sizes, say, prepared)
        finally:
            stack.postgres.stop("immediate")  # its last checkpoint would write gigabytes that nobody reads


class Service:
    """`meterwarden run` as a process, and its counters."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, identifier: str) -> None:
        """A started process."""
        self.process, self.identifier = process, identifier
        self._port = port
        self._acknowledged_before = 0.0

    def cpu_seconds(self) -> float:
        """CPU time so far."""
        return cpu_seconds(self.process.pid)

    @property
    def rss_mib(self) -> float:
        """Resident memory now."""
        return rss_mib(self.process.pid)

    async def ready(self) -> None:
        """Wait until /readyz says so. From then on acknowledged messages count."""
        async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as client:
            while not await self._is_ready(client):
                await asyncio.sleep(SHORTEST_POLL_SECONDS)
        self._acknowledged_before = await self._acknowledged()

    async def begun(self) -> float:
        """Wait for the first acknowledged messages of a service that is not ready yet; how many there are. The others count."""
        async with asyncio.timeout(READY_SECONDS):
            while not self._acknowledged_before:
                with suppress(aiohttp.ClientError):
                    self._acknowledged_before = await self._acknowledged()
                await asyncio.sleep(SHORTEST_POLL_SECONDS)
        return self._acknowledged_before

    async def acknowledged(self, messages: int) -> None:
        """Wait until so many more messages are committed and acknowledged than at the last such wait, or the beginning.

        It asks seldom while far from there: every question costs the service a millisecond or two.
        """
        started = time.monotonic()
        async with asyncio.timeout(DONE_SECONDS):
            while (done := await self._acknowledged() - self._acknowledged_before) < messages:
                per_second = done / (time.monotonic() - started)
                left = (messages - done) / per_second if per_second else LONGEST_POLL_SECONDS
                await asyncio.sleep(min(max(left / 2, SHORTEST_POLL_SECONDS), LONGEST_POLL_SECONDS))
        self._acknowledged_before += messages

    async def _is_ready(self, client: aiohttp.ClientSession) -> bool:
        if self.process.returncode is not None:
            raise RuntimeError("the service has ended; its log is above")
        try:
            async with client.get(f"http://127.0.0.1:{self._port}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def _acknowledged(self) -> float:
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{self._port}/metrics") as response:
            lines = (await response.text()).splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("meterwarden_messages_acknowledged_total "))


@asynccontextmanager
async def service(
    bench: Bench, identifier: str = "", *, until_ready: bool = True, keep: bool = False, settings: Mapping[str, str] = NO_SETTINGS
) -> AsyncIterator[Service]:
    """The service, ready unless told otherwise, ended in order. The broker then forgets its session, unless told to keep it."""
    port, log = free_port(), bench.directory / "service.log"
    identifier = identifier or f"bench-{secrets.token_hex(3)}"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest", "run",
            env={**_environment(bench, port, identifier), **settings}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        running = Service(process, port, identifier)
        if until_ready:
            await running.ready()
        yield running
    except BaseException:
        bench.say("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]))
        raise
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
        if not keep:
            async with bench.broker_client(identifier):
                pass


def _environment(bench: Bench, port: int, identifier: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("METERWARDEN_")},
        **bench.prepared.environment,
        "METERWARDEN_BROKER__PORT": str(bench.stack.mosquitto.port),
        "METERWARDEN_BROKER__USERNAME": "ingest",
        "METERWARDEN_BROKER__PASSWORD_FILE": str(bench.stack.password_file("ingest")),
        "METERWARDEN_BROKER__CLIENT_IDENTIFIER": identifier,
        "METERWARDEN_HTTP__PORT": str(port),
        "METERWARDEN_SETTLEMENT__ENABLED": "false",
        "METERWARDEN_CANARY__EVERY_SECONDS": "3600",  # it flies once, before the service is ready
        "METERWARDEN_CANARY__WITHIN_SECONDS": "7200",
    }
