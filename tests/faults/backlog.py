"""A backlog at the broker: published as fast as it takes it, while the service whose session it waits in is away."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.stack import Mosquitto
from simulators.load import generate
from simulators.session import Broker


@dataclass(frozen=True, slots=True)
class Given:
    """A load of messages that are there already."""

    messages: Iterable[tuple[str, bytes]]

    def published(self) -> Iterator[tuple[str, bytes]]:
        """As the generator wants them."""
        return iter(self.messages)


async def publish_fast(broker: Mosquitto, messages: Iterable[tuple[str, bytes]]) -> int:
    """Publish with QoS 1, thousands in flight; returns how many have their PUBACK then: all."""
    measured = await generate(Given(messages), Broker("127.0.0.1", broker.port, "simulator", broker.password("simulator")))
    return measured.messages
