"""What passes on the wire: packet identifiers delivered and acknowledged by connection, and commits held back."""

from collections import defaultdict
from typing import Any

import mqtt5

from tests.proxy import Link, Proxy, Verdict, Way

COPY = b"COPY metering.reading"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""The server's answer to COMMIT, as it goes over the wire."""


PATIENT = {"database__statement_timeout_seconds": 60}
"""For what is held back while the test looks at it: given up meanwhile, it would be tried again, and in parts."""


def hold_connects(_link: Link, way: Way, chunk: bytes) -> Verdict:
    """Nobody gets an answer to a CONNECT until `release`; connections there are go on."""
    return Verdict.HOLD if way is Way.TO_SERVER and chunk[:1] == b"\x10" else Verdict.PASS


class Wire:
    """Packet identifiers of PUBLISHes to the service and PUBACKs from it, a list a connection.

    From its making on, and only connections that carry any are numbered, in the order in which they begin to.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.delivered: dict[int, list[int]] = defaultdict(list)
        self.acknowledged: dict[int, list[int]] = defaultdict(list)
        self._numbers: dict[Link, int] = {}
        self._rest: dict[tuple[Link, Way], bytes] = defaultdict(bytes)
        proxy.watch = self._watch

    def _watch(self, link: Link, way: Way, chunk: bytes) -> Verdict:
        for packet in self._packets(link, way, chunk):
            match packet:
                case mqtt5.PublishPacket() if way is Way.TO_CLIENT and packet.packet_id:
                    self.delivered[self._number(link)].append(packet.packet_id)
                case mqtt5.PubAckPacket() if way is Way.TO_SERVER:
                    self.acknowledged[self._number(link)].append(packet.packet_id)
        return Verdict.PASS

    def _number(self, link: Link) -> int:
        return self._numbers.setdefault(link, len(self._numbers))

    def _packets(self, link: Link, way: Way, chunk: bytes) -> list[Any]:
        """Every whole packet so far; TCP keeps none together."""
        found, offset, buffer = [], 0, self._rest[link, way] + chunk
        try:
            while offset < len(buffer):
                packet, length = mqtt5.read(memoryview(buffer)[offset:])
                found.append(packet)
                offset += length
        except IndexError:  # the last one is not complete yet
            pass
        self._rest[link, way] = buffer[offset:]
        return found


class Commits:
    """Answers to the writer's commits, held back on demand: the rows are there for all to see, and the service is not told."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._before_hold: int | None = None
        proxy.watch = self._watch

    @property
    def is_holding(self) -> bool:
        """Whether an answer is withheld now."""
        return any(link.held for link in self._proxy.links)

    def hold(self, number: int) -> None:
        """Withhold the `number`-th answer from now on, and all that follows it."""
        self._before_hold = number - 1

    def release(self) -> None:
        """Hand out what was withheld, and withhold nothing any more."""
        self._before_hold = None
        self._proxy.release()

    def release_and_hold(self, number: int) -> None:
        """Hand out what was withheld, and withhold the `number`-th answer after it."""
        self._proxy.release()
        self._proxy.watch = self._watch
        self.hold(number)

    def _watch(self, link: Link, way: Way, chunk: bytes) -> Verdict:
        if way is Way.TO_SERVER and COPY in chunk:
            link.seen.add("writer")
        if self._before_hold is None or way is Way.TO_SERVER or COMMITTED not in chunk or "writer" not in link.seen:
            return Verdict.PASS
        self._before_hold -= 1
        return Verdict.HOLD if self._before_hold < 0 else Verdict.PASS
