"""Servers, service and registry for a scenario, and what is read off a process."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from psycopg import AsyncConnection

from ingest.stack import Stack, free_port
from ingest.storage.bootstrap import Prepared, prepare
from simulators.load import GATEWAY, INSTITUTION
from simulators.session import Broker

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

FLEET = """
    WITH region AS (
        INSERT INTO metering.region (code, name, timezone) VALUES ('BENCH', 'bench', 'Asia/Shanghai') RETURNING region
    ), institution AS (
        INSERT INTO metering.institution (code, name, region) SELECT %(institution)s, 'load', region FROM region
        RETURNING institution
    ), meter AS (
        INSERT INTO metering.meter (medium, code)
        SELECT 'electricity', 'L' || lpad(n::text, 6, '0') FROM generate_series(1, %(meters)s) AS n RETURNING meter
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


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and resident MiB of a process."""

    cpu_seconds: float
    rss_mib: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """As the kernel counts it now."""
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return cls((int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


@dataclass(frozen=True, slots=True)
class Bench:
    """A migrated database with a fleet of meters, and a broker."""

    stack: Stack
    prepared: Prepared

    @property
    def broker(self) -> Broker:
        """The broker, as the simulator."""
        return Broker("127.0.0.1", self.stack.mosquitto.port, "simulator", self.stack.mosquitto.password("simulator"))

    async def rows(self) -> int:
        """Readings stored."""
        async with await AsyncConnection.connect(
            self.prepared.uri_with_password("meterwarden_owner"), autocommit=True
        ) as connection:
            cursor = await connection.execute("SELECT count(*) FROM metering.reading")
            return int((await cursor.fetchall())[0][0])

    def environment(self, port: int, **settings: str) -> dict[str, str]:
        """The service's environment; every service has a session of its own at the broker."""
        name = f"bench-{secrets.token_hex(3)}"
        return {
            **os.environ,
            **self.prepared.environment,
            "METERWARDEN_BROKER__PORT": str(self.stack.mosquitto.port),
            "METERWARDEN_BROKER__USERNAME": "ingest",
            "METERWARDEN_BROKER__PASSWORD_FILE": str(self.stack.password_file("ingest")),
            "METERWARDEN_BROKER__CLIENT_IDENTIFIER": name,
            "METERWARDEN_BROKER__SHARE_GROUP": name,
            "METERWARDEN_HTTP__PORT": str(port),
            "METERWARDEN_SETTLEMENT__ENABLED": "false",
            **settings,
        }


@asynccontextmanager
async def bench(directory: Path, meters: int) -> AsyncIterator[Bench]:
    """Servers with a fleet of `meters` registered meters."""
    with Stack.create(with_prometheus=False, say=print) as stack:
        prepared = await prepare(stack.postgres.url(), "meterwarden", directory / "passwords")
        async with await AsyncConnection.connect(prepared.uri_with_password("meterwarden_owner"), autocommit=True) as connection:
            await connection.execute(FLEET, {"institution": INSTITUTION, "gateway": GATEWAY, "meters": meters})
        yield Bench(stack, prepared)


class Service:
    """The service as a process, and its counters."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        """A started process."""
        self.process = process
        self._port = port

    async def ready(self) -> None:
        """Wait until /readyz says so."""
        async with asyncio.timeout(30), aiohttp.ClientSession() as client:
            while True:
                try:
                    async with client.get(f"http://127.0.0.1:{self._port}/readyz") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def counters(self) -> dict[str, float]:
        """Every sample of /metrics."""
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{self._port}/metrics") as response:
            lines = (line for line in (await response.text()).splitlines() if not line.startswith("#"))
            return {name: float(number) for name, number in (line.rsplit(" ", 1) for line in lines)}

    async def decided(self, messages: int) -> None:
        """Wait until so many messages are committed."""
        async with asyncio.timeout(300):
            while (await self.counters())["meterwarden_messages_acknowledged_total"] < messages:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def service(bench: Bench, log: Path, **settings: str) -> AsyncIterator[Service]:
    """The service, ready; ended in order."""
    port = free_port()
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest", "run", env=bench.environment(port, **settings), stdout=output, stderr=output
        )
    try:
        running = Service(process, port)
        await running.ready()
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
