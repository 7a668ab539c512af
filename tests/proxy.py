"""A TCP proxy between the service and a server, that breaks connections as a network does.

It can cut every connection, refuse new ones, go deaf (accept and swallow), and look at what passes: hold it back, drop it, or cut
the connection at just that byte.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Self


class Way(Enum):
    """Where bytes are going."""

    TO_SERVER = auto()
    TO_CLIENT = auto()


class Verdict(Enum):
    """What becomes of bytes that a `watch` has seen."""

    PASS = auto()
    HOLD = auto()
    """Kept, with all that follows on this way of this connection, until `release`."""
    DROP = auto()
    CUT = auto()
    """Dropped, and the connection with them, on both sides."""


class Link:
    """One connection through the proxy; `seen` is what `watch` wants to remember of it."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.seen: set[str] = set()
        self.held: dict[Way, list[bytes]] = {}
        self.deaf = False
        self.swallowed = False
        self.is_cut = False
        self.ends: dict[Way, asyncio.StreamWriter] = {Way.TO_CLIENT: client}

    def cut(self) -> None:
        """Both sides see the connection reset."""
        self.is_cut = True
        for end in self.ends.values():
            end.transport.abort()


Watch = Callable[[Link, Way, bytes], Verdict]


def _pass(_link: Link, _way: Way, _chunk: bytes) -> Verdict:
    return Verdict.PASS


class Proxy:
    """Listens on `port` and forwards to `server_port`, both on loopback; an `async with` runs it."""

    def __init__(self, server_port: int, port: int) -> None:
        self.port = port
        self.watch: Watch = _pass
        self.deaf = False
        self.accepted = 0
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._links: dict[Link, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self.resume()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.refuse()

    @property
    def links(self) -> list[Link]:
        """The connections there are now, oldest first."""
        return list(self._links)

    async def resume(self) -> None:
        """Accept and forward again. A connection that lost bytes to deafness is cut: they would be missing for ever."""
        self.deaf = False
        for link in self.links:
            if link.swallowed:
                link.cut()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """Cut every connection and let nobody connect."""
        listener, self._listener = self._listener, None
        if listener is not None:
            for each in listener.sockets:
                asyncio.get_running_loop().remove_reader(each.fileno())
            await asyncio.sleep(0)  # asyncio neither serves nor closes what it has accepted but not yet attached to its server
            listener.close()
        await self.cut()
        if listener is not None:
            await listener.wait_closed()

    async def cut(self) -> None:
        """Reset every connection there is; new ones are welcome."""
        tasks = list(self._links.values())
        for link in self.links:
            link.cut()
        if tasks:
            await asyncio.wait(tasks, timeout=60)

    def go_deaf(self) -> None:
        """From now on accept whoever comes and swallow what they send; nobody hears anything."""
        self.deaf = True

    def forget_links(self) -> None:
        """Go deaf on the connections there are, as a firewall that lost its state: neither side hears of the other's end either.

        New ones work.
        """
        for link in self.links:
            link.deaf = True

    def release(self) -> None:
        """Forward what was held back, in order, and hold nothing any more."""
        self.watch = _pass
        for link in self.links:
            for way, chunks in link.held.items():
                link.ends[way].write(b"".join(chunks))
            link.held.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None:  # accepted just before `refuse`, which did not know of it yet
            writer.transport.abort()
            return
        self.accepted += 1
        link = Link(writer)
        task = asyncio.current_task()
        assert task is not None
        self._links[link] = task
        try:
            await self._forward(link, reader)
        except OSError:
            pass  # reset, on either side
        finally:
            link.cut()
            del self._links[link]

    async def _forward(self, link: Link, client: asyncio.StreamReader) -> None:
        if self.deaf:
            await self._pump(link, Way.TO_SERVER, client)
            return
        server, link.ends[Way.TO_SERVER] = await asyncio.open_connection("127.0.0.1", self._server_port)
        if link.is_cut:  # meanwhile: what the client had said by then must not arrive behind its next connection
            return
        pumps = [
            asyncio.create_task(self._pump(link, Way.TO_SERVER, client), name="proxy.to_server"),
            asyncio.create_task(self._pump(link, Way.TO_CLIENT, server), name="proxy.to_client"),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if link.deaf:
                await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            await self._flush(link)

    async def _flush(self, link: Link) -> None:
        """An orderly end of one side reaches the other with everything sent before it."""
        for end in link.ends.values():
            if not end.transport.is_closing():
                end.close()
                async with asyncio.timeout(60):
                    await end.wait_closed()

    async def _pump(self, link: Link, way: Way, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65536):
            if self.deaf or link.deaf:
                link.swallowed = True
                continue
            if way in link.held:
                link.held[way].append(chunk)
                continue
            match self.watch(link, way, chunk):
                case Verdict.PASS:
                    link.ends[way].write(chunk)
                    await link.ends[way].drain()
                case Verdict.HOLD:
                    link.held[way] = [chunk]
                case Verdict.DROP:
                    pass
                case Verdict.CUT:
                    link.cut()
                    return
