"""What a broker may send: proper packets, mutated ones, any bytes, cut anywhere; and what must hold for who is fed with them."""

import asyncio
import socket
from collections import Counter
from typing import Any, Final

import mqtt5
from hypothesis import strategies as st

from ingest.broker.connection import Connection
from ingest.messages import Message
from tests.fuzz.payloads import edited

SAMPLES: Final = (
    mqtt5.ConnAckPacket(session_present=True, user_properties=[("a", "b"), ("a", "b")]),
    mqtt5.SubAckPacket(2, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]),
    mqtt5.UnsubAckPacket(1, [mqtt5.UnsubAckReasonCode.SUCCESS]),
    mqtt5.PingRespPacket(),
    mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_BUSY, reason_str="later"),
    mqtt5.AuthPacket(reason_code=mqtt5.AuthReasonCode.SUCCESS),
    mqtt5.PubAckPacket(3),
    mqtt5.PubRecPacket(4),
    mqtt5.PubRelPacket(5),
    mqtt5.PubCompPacket(6),
    mqtt5.PublishPacket("metering/I1/electricity/E1/reading", b'{"a": 1}', qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=7),
    mqtt5.PublishPacket("a", b"", retain=True, content_type="text", subscription_ids=[1, 2], user_properties=[("k", "v")]),
    mqtt5.PublishPacket("b", b"x" * 300, qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=65535, message_expiry_interval=5),
    mqtt5.ConnectPacket("another"),
    mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("#")]),
    mqtt5.UnsubscribePacket(1, ["#"]),
    mqtt5.PingReqPacket(),
)
publishes = st.builds(
    lambda number, payload: mqtt5.PublishPacket(
        "metering/I1/water/W1/reading", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number
    ),
    st.integers(1, 65535),
    st.binary(max_size=400),
)
proper = st.one_of(st.sampled_from(SAMPLES), publishes).map(lambda packet: packet.write())


@st.composite
def mislaid(draw: st.DrawFn) -> bytes:
    """A packet whose remaining length is another: too long, too short, in more bytes than needed, or without end."""
    packet = draw(proper)
    length = draw(
        st.sampled_from(
            [b"\x00", b"\x01", b"\x7f", b"\xff\x7f", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\x01", b"\x80\x80\x00", b"\x80"]
        )
    )
    return packet[:1] + length + packet[2:]


@st.composite
def doubled_property(draw: st.DrawFn) -> bytes:
    """A PUBLISH that states a property twice, which only user properties and subscription identifiers may (MQTT 5, 3.3.2.3)."""
    one = draw(st.sampled_from([b"\x01\x01", b"\x02\x00\x00\x00\x05", b"\x03\x00\x01a", b"\x08\x00\x01a", b"\x09\x00\x01a",
                                b"\x23\x00\x01", b"\x0b\x01", b"\x26\x00\x01a\x00\x01b", b"\x2a\x01", b"\x99"]))  # fmt: skip
    properties = one * draw(st.integers(1, 3))
    body = b"\x00\x01a" + b"\x00\x07" + bytes([len(properties)]) + properties + draw(st.binary(max_size=10))
    return b"\x32" + bytes([len(body)]) + body


streams = st.lists(
    st.one_of(proper, proper, edited(proper), mislaid(), doubled_property(), st.binary(max_size=30)), max_size=8
).map(b"".join)
cuts = st.lists(st.integers(1, 40), max_size=60)
"""Sizes of the pieces that a stream arrives in; what is left comes at once."""

ends: Counter[str] = Counter()
"""How connections ended, in this process."""


class Pipe(asyncio.Transport):
    """The end of a connection that remembers what was written, and whether it was closed."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__({"socket": connected})
        self.written = bytearray()
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing


def fed(pieces: list[bytes]) -> tuple[list[Message], bool, bytes]:
    """What a connection makes of pieces: its messages, whether it closed, what it sent. Once closed it reads no more."""
    with asyncio.Runner() as runner, socket.socket() as unused:
        return runner.run(_fed(pieces, unused))


async def _fed(pieces: list[bytes], unused: socket.socket) -> tuple[list[Message], bool, bytes]:
    messages: list[Message] = []
    connection, pipe = Connection(1, 30, messages.extend), Pipe(unused)
    connection.connection_made(pipe)
    for piece in pieces:
        if pipe.closing:
            break
        connection.data_received(piece)
    connection.connection_lost(None)
    return [message._replace(received_at=0) for message in messages], pipe.closing, bytes(pipe.written)


def in_pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    """The stream cut into pieces of these sizes, and the rest."""
    found, place = [], 0
    for size in sizes:
        found.append(stream[place : place + size])
        place += size
    return [piece for piece in (*found, stream[place:]) if piece]


def same_however_cut(stream: bytes, sizes: list[int]) -> None:
    """Cut anywhere, or byte by byte: the same messages, the same end, and not a byte sent of one's own accord."""
    messages, closed, sent = fed([stream] if stream else [])
    assert (messages, closed, sent) == fed(in_pieces(stream, sizes)) == fed([bytes([byte]) for byte in stream])
    assert b"" == sent, "something was acknowledged before it was committed"
    ends["closed" if closed else "open"] += 1


def all_that_is_proper_arrives(packets: list[mqtt5.PublishPacket], sizes: list[int]) -> None:
    """Whole messages, in order, once; the connection stays."""
    messages, closed, _ = fed(in_pieces(b"".join(packet.write() for packet in packets), sizes))
    assert not closed
    assert [(one.topic, one.payload, one.packet_id) for one in packets] == [
        (one.topic, one.payload, one.packet_id) for one in messages
    ]
