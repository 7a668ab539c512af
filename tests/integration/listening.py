"""A session with a real broker, without a database: what it received, and what it was told to remember."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from ingest.batching import size_bytes
from ingest.broker.session import Session
from ingest.broker.subscriptions import Subscriptions
from ingest.messages import Message
from ingest.metrics import Metrics
from ingest.settings import BrokerSettings
from ingest.stack import Mosquitto
from tests.published import institution_code, topic
from tests.running import eventually

UNLIMITED = 2**40


@dataclass
class Kept:
    """An inbox that keeps the lists as they come."""

    lists: list[list[Message]] = field(default_factory=list)
    closed: bool = False

    def put(self, messages: list[Message], size: int) -> None:
        """As the session calls it: never with an empty list, and with the right size."""
        assert messages
        assert size == sum(map(size_bytes, messages))
        self.lists.append(messages)

    def close(self) -> None:
        """No more will come."""
        self.closed = True

    @property
    def messages(self) -> list[Message]:
        """Everything received, in order."""
        return [one for each in self.lists for one in each]


@dataclass
class Running:
    """A session with what it was given and what it remembered."""

    session: Session
    inbox: Kept
    metrics: Metrics
    remembered: list[list[str]]

    def sample(self, name: str) -> float:
        """One metric."""
        return self.metrics.registry.get_sample_value(f"meterwarden_{name}") or 0.0

    async def connected(self) -> None:
        """Wait until it is."""
        await eventually(lambda: bool(self.metrics.connected), "connected")

    async def received(self, number: int) -> list[Message]:
        """Wait for so many messages."""
        await eventually(lambda: len(self.inbox.messages) >= number, f"{number} received")
        return self.inbox.messages


def settings_of(broker: Mosquitto, directory: Path, **more: object) -> BrokerSettings:
    """Settings for a broker, with names nobody else uses and topics of one institution; no ping comes in between, none is late."""
    name, file = f"test-{secrets.token_hex(6)}", directory / "password"
    file.write_text(broker.password("ingest"), encoding="utf-8")
    given = {
        "port": broker.port, "username": "ingest", "password_file": file, "client_identifier": name,
        "filters": (f"metering/{institution_code()}/#",), "connect_timeout_seconds": 60, "keepalive_seconds": 600,
    }  # fmt: skip
    return BrokerSettings.model_validate({**given, **more})


def topic_of(settings: BrokerSettings) -> str:
    """A topic under the session's filter."""
    return topic(settings.filters[0].split("/")[1])


@asynccontextmanager
async def running(
    settings: BrokerSettings, *, known: Sequence[str] = (), limit: int = UNLIMITED, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[Running]:
    """A session, stopped in order at the end of the block."""
    inbox, metrics, remembered = Kept(), Metrics(CollectorRegistry()), list[list[str]]()

    async def keep(filters: Sequence[str]) -> None:
        remembered.append(list(filters))

    session = Session(settings, inbox, metrics, Subscriptions(settings, known, keep), uncommitted_limit_bytes=limit, clock=clock)
    async with asyncio.timeout(600), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(session.run())
        try:
            yield Running(session, inbox, metrics, remembered)
        finally:
            session.stop()
            session.close()
            async with asyncio.timeout(60):
                await asyncio.wait({task})


def numbers(messages: Sequence[Message]) -> list[int]:
    """The payloads, as numbers."""
    return [int(one.payload) for one in messages]


def payloads(count: int, begin: int = 0) -> list[bytes]:
    """Distinct payloads, in order."""
    return [str(n).encode() for n in range(begin, begin + count)]
