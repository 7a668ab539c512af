"""Minutes of readings under random faults: at the end ledger and database are equal, and memory is flat.

    make soak MINUTES=20 SEED=7

One service with everything switched on, a broker and a database of its own, both behind proxies. Every few seconds something
breaks, chosen by the seed. The service is killed in the first half only: the second half shows the memory of one long life.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ingest.stack import Mosquitto, Postgres, Stack, free_port
from tests.databases import Database
from tests.faults.conftest import register_fleet
from tests.faults.gateway import IMPATIENT_SECONDS, Gateway
from tests.faults.judge import judged
from tests.faults.servers import own_database
from tests.faults.stream import Stream
from tests.proxy import Proxy, Verdict
from tests.running import Service, balances, eventually, own_broker, running_service

PER_SECOND: Final = 300
"""Messages published, about."""
PER_METER: Final = 45
"""Readings of one meter that come of it in a second, at most."""
DAYS: Final = 38
"""The readings go through so many days, as those of meters that read every minute: within what intake accepts."""
PAUSE_SECONDS: Final = (2.0, 12.0)
"""Between two faults."""
FLAT_MIB: Final = 20
"""How much the memory of one life may rise from its first to its last third."""
SHOWN_SECONDS: Final = 10


@dataclass(slots=True)
class Soak:
    """Everything that runs, what broke, and how much memory the service took."""

    rng: random.Random
    minutes: float
    service: Service
    stream: Stream
    gateway: Gateway
    broker: Mosquitto
    server: Postgres
    database: Database
    to_broker: Proxy
    to_database: Proxy
    began: float = field(default_factory=time.monotonic)
    faults: Counter[str] = field(default_factory=Counter)
    memory_mib: list[tuple[int, float]] = field(default_factory=list)

    @property
    def elapsed_minutes(self) -> float:
        """Since it began."""
        return (time.monotonic() - self.began) / 60

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.elapsed_minutes >= self.minutes


async def kill_service(soak: Soak) -> None:
    """SIGKILL, and a new process."""
    await soak.service.kill()
    await soak.service.start()


async def end_service(soak: Soak) -> None:
    """SIGTERM: it drains and ends well, unless something else is broken; then a new process."""
    await soak.service.terminate()
    await soak.service.start()


async def cut_database(soak: Soak) -> None:
    """Every connection to the database is reset."""
    await soak.to_database.cut()


async def cut_broker(soak: Soak) -> None:
    """Every connection to the broker is reset, the meters' as well."""
    await soak.to_broker.cut()


async def silence_broker(soak: Soak) -> None:
    """The connections there are go deaf; only keepalive can know."""
    soak.to_broker.forget_links()


async def silence_database(soak: Soak) -> None:
    """As a firewall does that has lost its state."""
    soak.to_database.forget_links()


async def hold_database(soak: Soak) -> None:
    """A database that takes its time to answer."""
    soak.to_database.watch = lambda *_: Verdict.HOLD
    await asyncio.sleep(soak.rng.uniform(0.2, 3))
    soak.to_database.release()


async def refuse_database(soak: Soak) -> None:
    """Nobody listens where the database was."""
    await soak.to_database.refuse()
    await asyncio.sleep(soak.rng.uniform(0.5, 5))
    await soak.to_database.resume()


async def refuse_broker(soak: Soak) -> None:
    """Nobody listens where the broker was."""
    await soak.to_broker.refuse()
    await asyncio.sleep(soak.rng.uniform(0.5, 5))
    await soak.to_broker.resume()


async def crash_database(soak: Soak) -> None:
    """Ended without a checkpoint, and recovered."""
    await asyncio.to_thread(soak.server.stop, "immediate")
    await asyncio.to_thread(soak.server.start)


async def restart_broker(soak: Soak) -> None:
    """Ended in order, its queue on disk."""
    await asyncio.to_thread(soak.broker.restart)


async def read_only(soak: Soak) -> None:
    """The database takes no writes for a while."""
    await soak.database.run("ALTER SYSTEM SET default_transaction_read_only = on")
    await soak.database.run("SELECT pg_reload_conf()")
    await asyncio.sleep(soak.rng.uniform(0.5, 3))
    await soak.database.run("ALTER SYSTEM RESET default_transaction_read_only")
    await soak.database.run("SELECT pg_reload_conf()")


async def end_backends(soak: Soak) -> None:
    """An administrator ends every session of the service."""
    await soak.database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'meterwarden_writer'")


Break = Callable[[Soak], Awaitable[None]]
OF_THE_SERVICE: Final[tuple[Break, ...]] = (kill_service, end_service)
FAULTS: Final[tuple[Break, ...]] = (
    cut_database, cut_broker, silence_broker, silence_database, hold_database, refuse_database, refuse_broker, crash_database,
    restart_broker, read_only, end_backends,
)  # fmt: skip


async def soak(minutes: float, seed: int) -> bool:
    """Run it; True where nothing was lost or doubled and memory stayed flat."""
    print(f"soak of {minutes:g} minutes, seed {seed}: preparing the servers", flush=True)
    with tempfile.TemporaryDirectory() as name, Stack.create(with_prometheus=False, say=lambda _: None) as stack:
        directory = Path(name)
        with own_broker(stack.programs) as broker:
            broker.start()
            async with own_database(stack, directory) as (server, database):
                return await _with_servers(minutes, seed, directory, broker, server, database)


async def _with_servers(
    minutes: float, seed: int, directory: Path, broker: Mosquitto, server: Postgres, database: Database
) -> bool:
    step_seconds = max(int(DAYS * 86_400 / (minutes * 60 * PER_METER)), 1)
    stream = Stream(await register_fleet(database, directory), seed, first_second=-DAYS * 86_400, step_seconds=step_seconds)
    async with Proxy(broker.port, free_port()) as to_broker, Proxy(server.port, free_port()) as to_database:
        settings = {
            "broker_port": to_broker.port, "database_port": to_database.port, "settlement__enabled": True, "canary__enabled": True,
            "broker__keepalive_seconds": 5, "settlement__round_seconds": 0.5, "database__statement_timeout_seconds": 5,
        }  # fmt: skip
        async with running_service(database, broker, directory, **settings) as service:
            running = Soak(
                random.Random(seed), minutes, service, stream,
                Gateway(broker, port=to_broker.port, puback_seconds=IMPATIENT_SECONDS), broker, server, database,
                to_broker, to_database,
            )  # fmt: skip
            await _run(running)
            return await _judge(running)


async def _run(running: Soak) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_publish(running), name="gateway")
        tasks.create_task(_break(running), name="faults")
        tasks.create_task(_watch(running), name="watch")


async def _publish(running: Soak) -> None:
    while not running.is_over:
        due = time.monotonic() + 1
        await running.gateway.publish(running.stream.take(PER_SECOND))
        await asyncio.sleep(max(due - time.monotonic(), 0))


async def _break(running: Soak) -> None:
    """One fault after the other; the last minute is left for the recovery of the last one."""
    while running.elapsed_minutes < running.minutes - min(1.0, running.minutes / 4):
        await asyncio.sleep(running.rng.uniform(*PAUSE_SECONDS))
        first_half = running.elapsed_minutes < running.minutes / 2
        fault = running.rng.choice((*FAULTS, *OF_THE_SERVICE) if first_half else FAULTS)
        running.faults[fault.__name__] += 1
        await fault(running)


async def _watch(running: Soak) -> None:
    """Memory every second, a line every ten."""
    shown = 0.0
    while not running.is_over:
        pid = running.service.pid
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            running.memory_mib.append((pid, resident_mib(pid)))
        metrics = await running.service.metrics()
        assert not metrics or balances(metrics), f"the accounts do not balance: {metrics}"
        if time.monotonic() - shown > SHOWN_SECONDS:
            shown = time.monotonic()
            _show(running)
        await asyncio.sleep(1)


def _show(running: Soak) -> None:
    memory = running.memory_mib[-1][1] if running.memory_mib else 0
    print(
        f"{running.elapsed_minutes:5.1f} of {running.minutes:g} min  published {running.stream.ledger.published:>9,}  "
        f"faults {running.faults.total():>4}  RSS {memory:5.0f} MiB",
        flush=True,
    )


async def _judge(running: Soak) -> bool:
    """Wait for quiet, stop the service, hold the database against the ledger and against a rebuild."""
    print("time is up: waiting until all is stored", flush=True)
    await running.service.ready()
    account = await judged(running.database, running.stream.ledger, seconds=180, rebuilt=False)
    await eventually(lambda: _is_settled(running.database), "settled", 180)
    status = await running.service.terminate()
    account = await judged(running.database, running.stream.ledger, seconds=180)
    rise = memory_rise_mib(running.memory_mib)
    print(f"faults: {', '.join(f'{name} {number}' for name, number in sorted(running.faults.items()))}")
    print(f"account: {account}")
    highest = max(memory for _, memory in running.memory_mib)
    print(f"memory of the longest life: {rise:+.1f} MiB from its first to its last third, {highest:.0f} MiB at most")
    print(f"SIGTERM at the end: status {status}")
    agrees = account.is_balanced and rise < FLAT_MIB and status == 0
    print("ledger and database are equal, memory is flat" if agrees else "NOT AS IT SHOULD BE")
    return agrees


async def _is_settled(database: Database) -> bool:
    return not await database.rows("SELECT FROM metering.mark LIMIT 1")


def resident_mib(pid: int) -> float:
    """What a process holds in memory."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def memory_rise_mib(samples: list[tuple[int, float]]) -> float:
    """From the first to the last third of the longest life, by medians."""
    longest = Counter(pid for pid, _ in samples).most_common(1)[0][0]
    of_one = [memory for pid, memory in samples if pid == longest]
    third = max(len(of_one) // 3, 1)
    return statistics.median(of_one[-third:]) - statistics.median(of_one[:third])


def main() -> None:
    """Exit status 1 where something was lost, doubled, or grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    raise SystemExit(0 if asyncio.run(soak(arguments.minutes, arguments.seed)) else 1)


if __name__ == "__main__":
    main()
