"""Messages -> batches: full, or old enough, or the stream has ended.

The session puts lists in, the line takes batches out. Nothing is awaited per message, and no read is ever cancelled.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import accumulate

from ingest.messages import Message
from ingest.settings import BatchSettings

OVERHEAD_BYTES = 200
"""What a message takes in memory beside its payload, about."""
PART_BYTES = 64 * 1024
"""So much is decided in one go, in a millisecond or two: whoever waits for the loop waits that long."""


def size_bytes(message: Message) -> int:
    """What a message counts towards the limits."""
    return len(message.payload) + OVERHEAD_BYTES


def total_bytes(messages: Sequence[Message]) -> int:
    """What messages count towards the limits: asked three times of each message, hence no call a message."""
    return sum([len(message[1]) for message in messages]) + OVERHEAD_BYTES * len(messages)


def parts(batch: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """A batch in parts of about `PART_BYTES`, of messages of its mean size."""
    at_once = max(PART_BYTES * len(batch) // total_bytes(batch), 1)
    return (batch[first : first + at_once] for first in range(0, len(batch), at_once))


class Inbox:
    """What was received and not yet taken."""

    def __init__(self, limits: BatchSettings) -> None:
        """Empty and open."""
        self._limits = limits
        self._messages: list[Message] = []
        self._bytes = 0
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def put(self, messages: list[Message], size: int) -> None:
        """Add messages in the order received; `size` is their bytes."""
        self._messages += messages
        self._bytes += size
        if len(self._messages) >= self._limits.messages or self._bytes >= self._limits.bytes:
            self._ready.set()
        elif self._timer is None and self._messages:
            self._timer = asyncio.get_running_loop().call_later(self._limits.age_seconds, self._ready.set)

    def close(self) -> None:
        """No more will come: what is there is taken at once, then the stream ends."""
        self._closed = True
        self._ready.set()

    async def batches(self) -> AsyncIterator[list[Message]]:
        """Batches in the order received, until the inbox is closed and empty."""
        while True:
            await self._ready.wait()
            if self._messages:
                yield self._take()
            elif self._closed:
                return
            else:
                self._rest()

    def _take(self) -> list[Message]:
        batch = self._messages[: self._fitting()]
        self._messages = self._messages[len(batch) :]
        self._bytes -= total_bytes(batch)
        self._rest()
        return batch

    def _fitting(self) -> int:
        """How many of the oldest messages fit a batch; at least one."""
        most = self._limits.messages
        if self._bytes <= self._limits.bytes:
            return most
        sizes = accumulate(map(size_bytes, self._messages[:most]))
        return max(sum(size <= self._limits.bytes for size in sizes), 1)

    def _rest(self) -> None:
        """Wait again, with a fresh age for what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closed:
            self._ready.clear()
        self.put([], 0)
