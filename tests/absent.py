"""A client with the service's rights that goes away and comes back, and what it then finds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiomqtt

from ingest.stack import Mosquitto
from tests.answers import session
from tests.published import ANSWER_SECONDS, client, topic

LAST: Final = b"last"


@asynccontextmanager
async def service(broker: Mosquitto, institution: str = "+", **options: Any) -> AsyncIterator[aiomqtt.Client]:
    """A client with the service's rights and a session that outlives it, subscribed as the service is."""
    given = {"identifier": f"away-{institution}", "clean_start": False, "properties": session(), **options}
    async with client(broker, "ingest", **given) as connected:
        await connected.subscribe(f"$share/g/metering/{institution}/#", qos=1)
        yield connected


async def delivered(connected: aiomqtt.Client, number: int) -> list[bytes]:
    """So many payloads."""
    messages = aiter(connected.messages)
    async with asyncio.timeout(ANSWER_SECONDS):
        return [bytes((await anext(messages)).payload) for _ in range(number)]


async def all_delivered(broker: Mosquitto, connected: aiomqtt.Client, institution: str) -> list[bytes]:
    """Every payload up to one that is published now."""
    async with client(broker) as last:
        await last.publish(topic(institution), LAST, qos=1)
    found: list[bytes] = []
    async with asyncio.timeout(ANSWER_SECONDS):
        async for message in connected.messages:
            if message.payload == LAST:
                return found
            found.append(message.payload)
    raise AssertionError("the connection ended")
