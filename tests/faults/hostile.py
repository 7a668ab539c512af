"""Bytes that a reading topic may be sent by broken, foreign and hostile clients, each with the reasons that fit it.

Drawn from the seed and from the contract's own examples: proper payloads cut, flipped, nested, bloated and rewritten; other
encodings and other formats.
"""

import gzip
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ingest.errors import Reason
from tests.databases import ROOT
from tests.published import at

EXAMPLES: Final = ROOT / "schemas" / "examples"
BROKER_LIMIT: Final = 1_048_576
"""The broker's `max_packet_size`; a message's own topic and properties count too."""
ANY: Final = frozenset(Reason) - {Reason.DECODER_ERROR, Reason.UNSTORABLE}
"""What may fit bytes nobody can foresee: whatever is not a fault of ours."""
NOT_JSON: Final = frozenset({Reason.MALFORMED_JSON, Reason.INVALID_UTF8})
NO_READING: Final = frozenset({*NOT_JSON, Reason.WRONG_TYPE, Reason.MISSING_FIELD, Reason.EMPTY_PAYLOAD, Reason.UNKNOWN_FIELD})


class Bytes(NamedTuple):
    """A payload, what it is, and why it may be rejected on a topic whose readings it does not hold."""

    name: str
    payload: bytes
    fitting: frozenset[Reason]


def foreign() -> list[Bytes]:
    """Proper payloads of other formats, and text in other encodings."""
    text = _proper(1).decode()
    many = frozenset({*NOT_JSON, Reason.WRONG_TYPE})
    return [
        Bytes("nothing", b"", frozenset({Reason.EMPTY_PAYLOAD})),
        Bytes("a byte order mark", b"\xef\xbb\xbf" + text.encode(), NOT_JSON),
        *(Bytes(f"as {name}", text.encode(name), NOT_JSON) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        Bytes("NUL behind it", text.encode() + b"\0", NOT_JSON),
        Bytes("only NUL", b"\0" * 100, NOT_JSON),
        Bytes("twice", text.encode() * 2, NOT_JSON),
        Bytes("XML", b"<?xml version='1.0'?><reading at='2026-01-01'>1.0</reading>", NOT_JSON),
        Bytes("CSV", b"2026-01-01T00:00:00Z;48213.754;kWh\r\n", NOT_JSON),
        Bytes("gzip", gzip.compress(text.encode(), mtime=0), NOT_JSON),
        Bytes("gzip of a megabyte", gzip.compress(bytes(1 << 24), mtime=0), NOT_JSON),
        Bytes("CBOR", b"\xa2\x67read_at\x742026-01-01T00:00:00Z\x71energy_import_kwh\xfb" + struct.pack(">d", 1), NOT_JSON),
        Bytes("MessagePack", b"\x82\xa7read_at\xb42026-01-01T00:00:00Z\xa5power\xcb" + struct.pack(">d", 1), NOT_JSON),
        Bytes("protobuf", b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01", NOT_JSON),
        Bytes("Sparkplug", b"\x08\xb0\x81\x86\xfe\xea1\x12/\n\x14input/Energy Total\x18\xb0\x81\x86\xfe\xea1 \x0a", NOT_JSON),
        Bytes("SenML", b'[{"bn":"urn:dev:1","n":"energy","u":"kWh","v":1.0}]', many),
        Bytes("a number", b"48213.754", many),
        Bytes("a word", b'"unavailable"', many),
        Bytes("null", b"null", many),
        Bytes("an empty object", b"{}", NO_READING),
        Bytes("nested lists", b"[" * 100_000, frozenset({Reason.TOO_DEEP, *NOT_JSON})),
        Bytes("nested objects", b'{"a":' * 20_000 + b"1" + b"}" * 20_000, frozenset({Reason.TOO_DEEP})),
        Bytes("fifteen thousand keys", json.dumps({f"k{n}": n for n in range(15_000)}).encode(), NO_READING),
        Bytes("just below the broker's limit", b" " * (BROKER_LIMIT - 200) + _proper(2), frozenset({Reason.TOO_LARGE})),
    ]  # fmt: skip


def misshapen() -> list[Bytes]:
    """A proper electricity reading with one thing wrong in it; on its own topic, for exactly these reasons."""
    numbers = {
        "NaN": Reason.NOT_FINITE, "Infinity": Reason.NOT_FINITE, "-Infinity": Reason.NOT_FINITE, "1e400": Reason.NOT_FINITE,
        "-1e400": Reason.NOT_FINITE, "1e308": Reason.OUT_OF_RANGE, "1000000": Reason.OUT_OF_RANGE,
        "9" * 4000: Reason.NOT_FINITE, "9" * 6000: Reason.MALFORMED_JSON, "9007199254740993": Reason.OUT_OF_RANGE,
        "-5e-324": Reason.NEGATIVE_VALUE, '"1.0"': Reason.WRONG_TYPE, "[1]": Reason.WRONG_TYPE, "true": Reason.WRONG_TYPE,
        "01": Reason.MALFORMED_JSON, "+1": Reason.MALFORMED_JSON, "0x1F": Reason.MALFORMED_JSON, "1,5": Reason.MALFORMED_JSON,
        "１": Reason.MALFORMED_JSON, "": Reason.MALFORMED_JSON,
    }  # fmt: skip
    times = {
        "2026-02-30T00:00:00Z": Reason.INVALID_TIME, "2026-13-01T00:00:00Z": Reason.INVALID_TIME,
        "2026-01-01T25:00:00Z": Reason.INVALID_TIME, "2026-01-01": Reason.INVALID_TIME, "": Reason.INVALID_TIME,
        "0000-01-01T00:00:00Z": Reason.INVALID_TIME, "9999-12-31T23:59:59-14:00": Reason.INVALID_TIME,
        "9999-12-31T23:59:59Z": Reason.TIME_IN_FUTURE, "1970-01-01T00:00:00Z": Reason.TOO_OLD,
        "2026-01-01T00:00:00\\u0000Z": Reason.INVALID_TIME, "\\ud800": Reason.MALFORMED_JSON,
        "٢٠٢٦-01-01T00:00:00Z": Reason.INVALID_TIME,
    }  # fmt: skip
    numbered = [(f"energy {text[:20]}", _written(text), reason) for text, reason in numbers.items()]
    timed = [(f"time {text}", _written("1", text), reason) for text, reason in times.items()]
    return [Bytes(name, text.encode(), frozenset({reason})) for name, text, reason in (*numbered, *timed)]


def proper() -> list[bytes]:
    """Odd but proper electricity readings, each of a second of its own: what they say is stored."""
    numbers = ("5e-324", "-0.0", "1E2", "0.1e1", "1.0000000000000000000001", "999999.999", "0.30000000000000004", "1" + "0" * 5)
    return [_written(number, at(second).isoformat()).encode() for second, number in enumerate(numbers)]


def mutated(rng: random.Random, number: int) -> Iterator[Bytes]:
    """Examples of the contract, cut off or with bits flipped, bytes doubled, dropped or drawn at random."""
    examples = sorted(path.read_bytes() for path in EXAMPLES.glob("*/valid/*"))
    for n in range(number):
        payload = bytearray(rng.choice(examples))
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.randrange(len(payload))
            match rng.randrange(5):
                case 0:
                    del payload[max(place, 1) :]
                case 1:
                    payload[place] ^= 1 << rng.randrange(8)
                case 2:
                    payload[place:place] = payload[place : place + rng.randrange(20)]
                case 3:
                    payload[place:place] = rng.randbytes(rng.randrange(1, 8))
                case 4 if len(payload) > 1:
                    del payload[place]
        yield Bytes(f"mutated {n}", bytes(payload), ANY)


def examples() -> list[Bytes]:
    """The contract's own examples, good and bad."""
    return [Bytes(f"{path.parts[-3]}/{path.name}", path.read_bytes(), ANY) for path in sorted(EXAMPLES.glob("*/*/*"))]


def below(directory: Path) -> list[Bytes]:
    """Every file below a directory that the broker takes."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.stat().st_size < BROKER_LIMIT - 200]
    return [Bytes(str(path.relative_to(directory)), path.read_bytes(), ANY) for path in files]


def _proper(second: int) -> bytes:
    return _written("1", at(second).isoformat()).encode()


def _written(energy: str, read_at: str | None = None) -> str:
    return f'{{"read_at": "{at(0).isoformat() if read_at is None else read_at}", "energy_import_kwh": {energy}}}'
