"""`python -m benchmarks`: readings a second to committed row, CPU per reading, memory."""

import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.bench import Bench, Usage, bench, service
from simulators.load import Load

METERS = 20_000
SINGLE_MESSAGES = 300_000
BATCH_MESSAGES = 40_000
READINGS_EACH = 20


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario: rates a second, CPU microseconds a reading by process, memory."""

    scenario: str
    readings: int
    seconds: float
    readings_per_second: float
    messages_per_second: float
    ingest_cpu_us: float
    database_cpu_us: float
    broker_cpu_us: float
    rss_mib: float


async def main() -> None:
    """Run the scenarios one after another and print a table; JSON goes to the file named on the command line."""
    with tempfile.TemporaryDirectory(prefix="meterwarden-bench-") as name:
        directory = Path(name)
        async with bench(directory, METERS) as prepared:
            results = [
                await _live(prepared, directory, "single", 1, SINGLE_MESSAGES, days_back=3),
                await _live(prepared, directory, "batch20", READINGS_EACH, BATCH_MESSAGES, days_back=2),
                await _live(prepared, directory, "batch20 again (all duplicates)", READINGS_EACH, BATCH_MESSAGES // 4, days_back=2),
                await _backlog(prepared, directory, "backlog of singles", 1, SINGLE_MESSAGES, days_back=1),
            ]
    _print(results)
    if len(sys.argv) > 1:
        report = {"machine": platform.platform(), "cpus": os.cpu_count(), "results": [asdict(result) for result in results]}
        await asyncio.to_thread(Path(sys.argv[1]).write_text, json.dumps(report, indent=2), encoding="utf-8")


async def _live(prepared: Bench, directory: Path, scenario: str, each: int, messages: int, *, days_back: int) -> Result:
    """Generator, broker, service and database at once, as in operation."""
    print(f"{scenario}: {messages:,} messages of {each}")
    load = Load(messages, each, METERS, datetime.now(UTC).replace(microsecond=0) - timedelta(days=days_back))
    async with service(prepared, directory / "service.log") as running:
        before, started = _usages(prepared, running.process.pid), time.monotonic()
        generator = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.generator", *_arguments(prepared, load))
        await running.decided(messages)
        seconds = time.monotonic() - started
        await generator.wait()
        return _result(scenario, messages, each, seconds, before, _usages(prepared, running.process.pid))


async def _backlog(prepared: Bench, directory: Path, scenario: str, each: int, messages: int, *, days_back: int) -> Result:
    """Messages wait in the broker; the service drains them alone."""
    print(f"{scenario}: {messages:,} messages of {each}")
    load = Load(messages, each, METERS, datetime.now(UTC).replace(microsecond=0) - timedelta(days=days_back))
    name = {"METERWARDEN_BROKER__CLIENT_IDENTIFIER": "bench-backlog", "METERWARDEN_BROKER__SHARE_GROUP": "bench-backlog"}
    async with service(prepared, directory / "service.log", **name):
        pass  # leaves a session at the broker, which queues from now on
    generator = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.generator", *_arguments(prepared, load))
    await generator.wait()
    started = time.monotonic()
    async with service(prepared, directory / "service.log", **name) as running:
        before = _usages(prepared, running.process.pid)
        await running.decided(messages)
        seconds = time.monotonic() - started
        return _result(scenario, messages, each, seconds, before, _usages(prepared, running.process.pid))


def _arguments(prepared: Bench, load: Load) -> list[str]:
    broker = prepared.broker
    return [str(broker.port), str(prepared.stack.password_file("simulator")), str(load.messages), str(load.readings_each),
            str(load.meters), load.start.isoformat()]  # fmt: skip


def _usages(prepared: Bench, pid: int) -> dict[str, Usage]:
    """CPU and memory of every part; the database is all of its processes."""
    postmaster, broker = prepared.stack.postgres.process, prepared.stack.mosquitto.process
    assert postmaster is not None
    assert broker is not None
    database = []
    for child in (postmaster.pid, *_children(postmaster.pid)):
        with suppress(OSError):  # a backend may end while we look
            database.append(Usage.of(child))
    total = Usage(sum(usage.cpu_seconds for usage in database), 0)
    return {"ingest": Usage.of(pid), "database": total, "broker": Usage.of(broker.pid)}


def _children(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process may end while we look
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            found += [int(stat.parent.name)] if int(fields[1]) == parent else []
    return found


def _result(scenario: str, messages: int, each: int, seconds: float, before: dict[str, Usage], after: dict[str, Usage]) -> Result:
    readings = messages * each
    cpu = {name: (after[name].cpu_seconds - before[name].cpu_seconds) / readings * 1e6 for name in after}
    return Result(
        scenario, readings, round(seconds, 2), round(readings / seconds), round(messages / seconds), round(cpu["ingest"], 2),
        round(cpu["database"], 2), round(cpu["broker"], 2), round(after["ingest"].rss_mib, 1),
    )  # fmt: skip


def _print(results: list[Result]) -> None:
    print(f"\n{'':<56}CPU us a reading")
    print(f"{'scenario':<32}{'readings/s':>12}{'messages/s':>12}{'ingest':>10}{'database':>10}{'broker':>8}{'RSS MiB':>9}")
    for r in results:
        print(
            f"{r.scenario:<32}{r.readings_per_second:>12,}{r.messages_per_second:>12,}{r.ingest_cpu_us:>10}{r.database_cpu_us:>10}"
            f"{r.broker_cpu_us:>8}{r.rss_mib:>9}"
        )


if __name__ == "__main__":
    asyncio.run(main())
