"""The proxy that faults are made with: whoever it refuses or cuts off is gone, at whatever instant they came."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from ingest.stack import free_port
from tests.proxy import Proxy
from tests.running import eventually

TURNS = range(8)
"""Of the event loop, from a connection that the kernel has taken to one that is forwarded: fewer than these."""


class Server:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.connections = 0
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the client goes."""
        self.connections += 1
        try:
            while more := await reader.read(4096):
                self.heard += more
        except OSError:
            pass
        writer.transport.abort()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, Proxy]]:
    """A server, and a proxy before it."""
    found = Server()
    async with (
        await asyncio.start_server(found.serve, "127.0.0.1", 0) as listener,
        Proxy(listener.sockets[0].getsockname()[1], free_port()) as proxy,
    ):
        yield found, proxy


async def turns(number: int) -> None:
    """Let the event loop turn so many times."""
    for _ in range(number):
        await asyncio.sleep(0)


def has_ended(client: socket.socket) -> bool:
    """Whether the other end is gone."""
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("number", TURNS)
async def test_whoever_comes_while_it_begins_to_refuse_is_not_served(server: tuple[Server, Proxy], number: int) -> None:
    """A link that outlived it would be a way to a server that nobody is to reach."""
    _, proxy = server
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.setblocking(False)
        await turns(number)
        await proxy.refuse()
        await eventually(lambda: has_ended(client), "cut off")
        assert [] == proxy.links


@pytest.mark.parametrize("number", TURNS)
async def test_what_a_client_said_before_it_was_cut_off_arrives_at_once_or_never(server: tuple[Server, Proxy], number: int) -> None:
    """Later it could overtake the client's next connection."""
    found, proxy = server
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"first")
        await turns(number)
        await proxy.refuse()
        heard = found.heard
        await proxy.resume()
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"second")
        await eventually(lambda: found.heard.endswith(b"second"), "the second")
    assert found.heard in (heard + b"second", b"firstsecond")
