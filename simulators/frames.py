"""MQTT 5 frames of a load: PUBLISH as bytes ready to send, and whatever the broker answers, as packets."""

import struct
from functools import lru_cache
from typing import Final

import mqtt5

PUBLISH_QOS_1: Final = b"\x32"
MOST_IDENTIFIERS: Final = 65_535
MOST_OPENINGS: Final = 1 << 17
"""Beginnings of frames kept, one a topic and payload size."""

_IDENTIFIERS: Final = tuple(struct.pack(">HB", identifier, 0) for identifier in range(MOST_IDENTIFIERS + 1))
"""Packet identifier and empty properties, encoded beforehand."""


def publish(topic: str, payload: bytes, identifier: int) -> bytes:
    """A PUBLISH at QoS 1 without properties; `identifier` from 1 to 65,535."""
    return b"".join((_opening(topic, len(payload)), _IDENTIFIERS[identifier], payload))


def packets(buffer: bytes) -> tuple[list[mqtt5.Packet], bytes]:
    """Every whole packet in the bytes received so far, and the rest of them; raises ValueError where they are not MQTT."""
    found, offset, view = [], 0, memoryview(buffer)
    try:
        while offset < len(buffer):
            packet, length = mqtt5.read(view[offset:])
            found.append(packet)
            offset += length
    except IndexError:  # the last packet is not complete yet
        pass
    return found, buffer[offset:]


@lru_cache(MOST_OPENINGS)
def _opening(topic: str, payload_bytes: int) -> bytes:
    """All that comes before the packet identifier."""
    name = topic.encode()
    remaining = 2 + len(name) + 3 + payload_bytes
    return PUBLISH_QOS_1 + variable_byte_integer(remaining) + struct.pack(">H", len(name)) + name


def variable_byte_integer(number: int) -> bytes:
    """The number in 7-bit digits, the lowest first (MQTT 5, 1.5.5)."""
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)
