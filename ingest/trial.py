"""One message under which the connection to the database ends: is it the message, or the world?

A message that the server dies of looks like a network that fails. What tells them apart is what else fails. Before each attempt
`CONNECTIONS` new connections are made, one after the other; each commits a probe, is left idle for a while, and commits another.
The message is written alone, on the last of them. Only where all of them hold and the message's own write ends its connection,
`LOSSES` times without one exception, and all hold once more after the last, is it the message. A connection that ends beside it
clears the message: the count begins anew. A database that is away decides nothing: it is waited for, since a server that dies of a
message has to recover first.

Of messages written over a network that ends one transaction in six, the worst share there is, one in 1,500,000 that come to this
would be convicted. A server that ends for reasons of its own would have to end within the milliseconds of a message's write,
`LOSSES` times in a row, and never in the better part of a second beside it.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from ingest.errors import Lost, Refused, Unavailable

LOSSES: Final = 5
"""So often a message ends its connection before it is at fault."""
CONNECTIONS: Final = 3
"""So many hold beside each of its losses; it is written on the last of them."""
IDLE_SECONDS: Final = 0.25
"""How long each of them is left alone between its two probes."""

T = TypeVar("T")
Fault = Unavailable | Refused


class Setbacks(Protocol):
    """Who is told what goes wrong, and says how long to wait then."""

    def tell(self, fault: Fault, /) -> None:
        """Take note of a fault."""

    async def wait(self, fault: Fault) -> None:
        """Take note, and wait before the next attempt: longer for each in a row."""

    def back(self) -> None:
        """The database takes writes: the next fault is the first of its row."""

    def pause(self, seconds: float, /) -> Awaitable[None]:
        """Wait for so long."""


class Probing(Protocol):
    """What opens a connection when it has none, and commits on it. Raises Unavailable, Lost or Refused."""

    async def probe(self) -> None:
        """Commit a transaction as a message's would be, leaving nothing behind."""

    async def close(self) -> None:
        """Close the connection; the next probe opens another one."""


class BreaksConnection(Exception):  # noqa: N818 - a verdict on a message, not a fault of the program
    """The message's fault: its connection ends whenever it is written, and no other does."""


async def tried_alone(writer: Probing, write: Callable[[], Awaitable[T]], setbacks: Setbacks) -> T:
    """What `write` returns, which writes one message alone, once the connection outlives it.

    Raises BreaksConnection where the message is at fault, and what else `write` raises. Waits for the world as long as it takes.
    """
    losses, loss = 0, ""
    while True:
        await until_back(writer, setbacks)
        fault = await _fault_beside(writer, setbacks)
        if fault is not None:
            losses = 0
            await setbacks.wait(fault)
        elif losses == LOSSES:
            raise BreaksConnection(f"{loss} ({LOSSES} times, each right after probes that committed on the same connection)")
        else:
            try:
                return await write()
            except Lost as error:
                losses, loss = losses + 1, str(error)
                setbacks.tell(error)


async def until_back(writer: Probing, setbacks: Setbacks) -> None:
    """Wait until a probe commits."""
    while (fault := await _fault(writer)) is not None:
        await setbacks.wait(fault)
    setbacks.back()


async def _fault_beside(writer: Probing, setbacks: Setbacks) -> Fault | None:
    """What goes wrong on new connections, in use or idle, while no message is written."""
    for _ in range(CONNECTIONS):
        await writer.close()
        fault = await _fault(writer)
        if fault is None:
            await setbacks.pause(IDLE_SECONDS)
            fault = await _fault(writer)
        if fault is not None:
            return fault
    return None


async def _fault(writer: Probing) -> Fault | None:
    try:
        await writer.probe()
    except (Unavailable, Refused) as fault:
        return fault
    return None
