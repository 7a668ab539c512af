"""`python -m benchmarks.hotpath`: CPU microseconds a reading of each step from the bytes of the socket to the committed row.

One process, one step after another, the real database behind the writer; no broker, no event loop between the steps. What is shown
is the median of all batches, of this process's own CPU time, so other load on the machine disturbs it little. `distinct`: every
reading has an instant of its own to the microsecond, as clocks of their own give it; elsewhere all meters speak of the same second.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import mqtt5
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks.bench import Bench, bench
from benchmarks.sizes import Sizes
from ingest.batching import Inbox
from ingest.broker.connection import Connection
from ingest.broker.session import Session
from ingest.broker.subscriptions import Subscriptions
from ingest.garbage import look_seldom
from ingest.messages import Message
from ingest.metrics import Metrics
from ingest.persist import persist
from ingest.present import Present, assessor
from ingest.service import count
from ingest.settings import BatchSettings, DatabaseSettings, Settings
from ingest.storage.registry import load_registry
from ingest.storage.writer import Writer
from simulators.load import Load

METERS: Final = 20_000
SOCKET_BYTES: Final = 256 * 1024
"""As much as asyncio reads from a socket at once."""
T = TypeVar("T")


class Steps:
    """CPU seconds of each step, batch by batch."""

    def __init__(self) -> None:
        """Nothing measured yet."""
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def run(self, step: str, work: Callable[[], T]) -> T:
        """Do one step of one batch."""
        started = time.process_time()
        done = work()
        self.seconds[step].append(time.process_time() - started)
        return done


async def main() -> None:
    """Measure and print; a number on the command line is how many batches each scenario takes."""
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    now = datetime.now(UTC).replace(microsecond=0)
    with tempfile.TemporaryDirectory(prefix="meterwarden-hotpath-") as name:
        async with bench(Path(name), Sizes(meters=METERS), lambda line: print(line, file=sys.stderr, flush=True)) as prepared:
            await prepared.register(METERS)
            print(f"\n{'CPU us a reading':<20}{'socket':>9}{'decide':>9}{'write':>9}{'count':>9}{'total':>9}")
            await _scenario(prepared, "single", Load(5_000 * batches, 1, METERS, now - timedelta(days=3)), 5_000)
            await _scenario(prepared, "batch20", Load(2_000 * batches, 20, METERS, now - timedelta(days=2)), 2_000)
            await _scenario(prepared, "single, distinct", Load(5_000 * batches, 1, METERS, now - timedelta(days=1)), 5_000)
            await _scenario(prepared, "batch20, distinct", Load(2_000 * batches, 20, METERS, now - timedelta(hours=9)), 2_000)


async def _scenario(prepared: Bench, name: str, load: Load, messages: int) -> None:
    settings = _settings(prepared)
    metrics = Metrics(CollectorRegistry())
    decide = assessor(Present(await load_registry(settings.database)), settings)
    writer = Writer(settings.database)
    steps = Steps()
    published = _distinct(load) if "distinct" in name else load.published()
    while wire := _wire(list(islice(published, messages))):
        session, connection, received = _line(settings, metrics)
        steps.run("socket", lambda connection=connection, wire=wire: _feed(connection, wire))  # type: ignore[misc]
        batch = await received()
        assessed = steps.run("decide", lambda batch=batch: decide(batch))  # type: ignore[misc]
        started = time.process_time()
        outcomes = await persist(writer, assessed, metrics)
        steps.seconds["write"].append(time.process_time() - started)
        assert all(outcome.stored == load.readings_each for outcome in outcomes)
        steps.run("count", lambda s=session, b=batch, a=assessed, o=outcomes: (s.ack(b), count(metrics, a, o)))  # type: ignore[misc]
    await writer.close()
    _print(name, steps, messages * load.readings_each)


def _line(settings: Settings, metrics: Metrics) -> tuple[Session, Connection, Callable[[], "asyncio.Future[list[Message]]"]]:
    """A session with a connection that has no socket: what is fed to it goes where a broker's bytes go."""
    inbox = Inbox(BatchSettings(messages=65_535, bytes=2**30, uncommitted_bytes=2**30, age_seconds=0.01))
    session = Session(settings.broker, inbox, metrics, Subscriptions(settings.broker, [], _forget), uncommitted_limit_bytes=2**30)
    connection = Connection(0, 60, session._received)

    async def received() -> list[Message]:
        session.stop()
        return [message async for batch in inbox.batches() for message in batch]

    return session, connection, lambda: asyncio.ensure_future(received())


async def _forget(_: object) -> None:
    pass


def _settings(prepared: Bench) -> Settings:
    environment = prepared.prepared.environment
    database = DatabaseSettings(
        url=SecretStr(environment["METERWARDEN_DATABASE__URL"]),
        password_file=Path(environment["METERWARDEN_DATABASE__PASSWORD_FILE"]),
    )
    return Settings(database=database)


def _wire(messages: list[tuple[str, bytes]]) -> list[bytes]:
    """PUBLISH packets as a socket brings them."""
    qos = mqtt5.QoS.AT_LEAST_ONCE
    frames = [mqtt5.PublishPacket(topic, payload, qos=qos, packet_id=n + 1).write() for n, (topic, payload) in enumerate(messages)]
    stream = b"".join(frames)
    return [stream[start : start + SOCKET_BYTES] for start in range(0, len(stream), SOCKET_BYTES)]


def _feed(connection: Connection, wire: list[bytes]) -> None:
    for data in wire:
        connection.data_received(data)


def _distinct(load: Load) -> Iterator[tuple[str, bytes]]:
    """The same load, each reading at an instant of its own within its second."""
    number = 0
    for topic, payload in load.published():
        first, *rest = payload.split(b'Z"')
        parts = [first]
        for part in rest:
            number = (number + 7_919) % 1_000_000
            parts += [b".%06d" % number, b'Z"', part]
        yield topic, b"".join(parts)


def _print(name: str, steps: Steps, readings: int) -> None:
    medians = [statistics.median(seconds) / readings * 1e6 for seconds in steps.seconds.values()]
    print(f"{name:<20}" + "".join(f"{us:>9.2f}" for us in (*medians, sum(medians))), flush=True)


if __name__ == "__main__":
    look_seldom()
    asyncio.run(main())
