"""The disk under the database is full: its tables cannot grow, nor its log, and it may not even start until there is room."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from ingest.stack import Postgres, Stack
from tests.databases import Database
from tests.faults.conftest import Judge, register_fleet
from tests.faults.outage import RECOVERY_SECONDS, SMALL_BATCHES, is_unready, stands_still, survived
from tests.faults.servers import own_database
from tests.faults.stream import Stream
from tests.running import Service, eventually, own_directory, running_service

SIZE_MIB = 256
MORE_THAN_A_SEGMENT = "SELECT pg_logical_emit_message(false, 'full', repeat('x', 64 * 1024 * 1024))"


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own, gone at the end; the test is skipped where none can be mounted."""
    with own_directory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0755", "tmpfs", str(place)]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return ballast


async def test_a_full_disk_under_tables_and_log_is_waited_for(stack: Stack, tmp_path: Path, judge: Judge, seed: int) -> None:
    """Batches are refused for want of room, then the server itself goes down; with room again everything comes after."""
    with small_disk() as disk:
        async with own_database(stack, tmp_path, disk) as (server, database):
            stream = Stream(await register_fleet(database, tmp_path), seed)
            async with (
                running_service(database, stack.mosquitto, tmp_path, **SMALL_BATCHES) as service,
                survived(service, stack.mosquitto, stream, database, judge),
            ):
                ballast = fill(disk)
                await stands_still(service)
                assert any("No space left" in line["reason"] for line in service.log_lines("batch not committed, trying again"))
                await _crash_for_want_of_log(database)
                await eventually(lambda: is_unready(service), "unready")
                ballast.unlink()
                await eventually(lambda: _is_back(server, service), "the server runs", RECOVERY_SECONDS)


async def _is_back(server: Postgres, service: Service) -> bool:
    """Whether batches are committed again; the server is started where it has given up.

    One that gives up stands for a while, and its own file of state calls it ready meanwhile: only a commit tells.
    """
    await asyncio.to_thread(server.start)
    return await service.is_ready()


async def _crash_for_want_of_log(database: Database) -> None:
    with pytest.raises(psycopg.OperationalError):
        await database.run(MORE_THAN_A_SEGMENT)
