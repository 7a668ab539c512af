"""Payloads that Hypothesis draws: the contract's examples, mutated; JSON written by hand, with all it leaves open; any bytes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import strategies as st

from schemas.topics import charger_session, charger_status, gateway_readings, gateway_status, meter_reading
from tests.databases import ROOT

RECEIVED: Final = datetime(2026, 3, 2, 0, 15, tzinfo=UTC)
EXAMPLES: Final = sorted(path.read_bytes() for path in (ROOT / "schemas" / "examples").glob("*/*/*"))
READING_TOPICS: Final = (
    meter_reading("I1", "electricity", "E1"), meter_reading("I1", "water", "W1"), meter_reading("I1", "charger", "C1"),
    gateway_readings("I1", "G1"), charger_session("I1", "C1"),
)  # fmt: skip
STATUS_TOPICS: Final = (charger_status("I1", "C1"), gateway_status("I1", "G1"))
MOST_EDITS: Final = 4

odd_topics = st.one_of(
    st.lists(
        st.sampled_from(["metering", "I1", "electricity", "E1", "reading", "readings", "gateway", "session", "", "+", "#", "\0"]),
        max_size=8,
    ).map("/".join),
    st.text(max_size=40),
    st.sampled_from(STATUS_TOPICS),
)


@st.composite
def edited(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """Some bytes with a few edits: bytes flipped, dropped, doubled, put in; or cut off at any place."""
    edited_bytes = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, MOST_EDITS))):
        place = draw(st.integers(0, max(len(edited_bytes) - 1, 0)))
        width = draw(st.integers(0, 12))
        match draw(st.sampled_from(["replace", "insert", "drop", "double", "cut"])):
            case "replace":
                edited_bytes[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                edited_bytes[place:place] = draw(st.one_of(st.binary(max_size=8), st.sampled_from(TOKENS)))
            case "drop":
                del edited_bytes[place : place + width]
            case "double":
                edited_bytes[place:place] = edited_bytes[place : place + width]
            case "cut":
                del edited_bytes[place:]
    return bytes(edited_bytes)


TOKENS: Final = (
    b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"1e-999", b'"', b"\\", b"\\u0000", b"\\ud800", b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b",", b":", b'"readings"', b'"readings":[', b'"read_at":', "\u202e".encode(),
    "\U0001f50c".encode(),
)  # fmt: skip
NUMBERS: Final = (
    "0", "-0", "-0.0", "1", "1.5", "-1", "1e3", "1e308", "1e309", "-1e400", "5e-324", "1e-400", "NaN", "Infinity", "-Infinity",
    "01", "+1",
    "0x1F", ".5", "1.", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "999999.999",
    "9" * 400, "9" * 5000, "0." + "3" * 2000, "1e" + "9" * 300,
)  # fmt: skip
NAMES: Final = (
    "read_at", "seq", "institution", "meter", "medium", "energy_import_kwh", "energy_export_kwh", "power_kw", "volume_m3",
    "flow_m3_per_h",
    "readings", "session", "connector", "connectors", "started_at", "start_register_kwh", "stopped_at", "stop_register_kwh",
    "session_energy_kwh", "status", "since", "scheme", "code", "connected_at", "__proto__", "", "\0",
)  # fmt: skip
WORDS: Final = (
    "I1",
    "E1",
    "W1",
    "C1",
    "electricity",
    "water",
    "charger",
    "online",
    "available",
    "ocpp1.6",
    "Charging",
    "S-1",
    "a" * 64,
)


def _offset(minutes: int) -> str:
    return (RECEIVED + timedelta(minutes=minutes)).isoformat()


times = st.one_of(
    st.integers(-100_000, 60).map(_offset),
    st.sampled_from(["0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-02-29T00:00:00Z",
                     "2026-03-01T23:59:60Z", "2026-03-01T24:00:00Z", "2026-03-01T00:00:00", "2026-03-01T00:00:00.123456789Z",
                     "2026-03-01t00:00:00z", "2026-03-01T00:00:00+99:59", "2026-03-01T00:00:00-00:00"]),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
)  # fmt: skip


def _quoted(text: str) -> str:
    """As a JSON string; what JSON cannot hold is escaped, a lone surrogate too."""
    return json.dumps(text)


strings = st.one_of(
    times.map(_quoted),
    st.sampled_from(WORDS).map(_quoted),
    st.text(max_size=20).map(_quoted),
    st.text(max_size=20).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from([r'"\ud800"', r'"\u0000"', '"\n"', r'"\x"', '"', "'a'", '"' + "é" * 3000 + '"']),
)
numbers = st.one_of(
    st.sampled_from(NUMBERS), st.floats().map(repr), st.integers().map(str), st.integers(0, 10**9).map(lambda n: str(n / 1000))
)
literals = st.one_of(strings, numbers, st.sampled_from(["null", "true", "false", "None", "nan"]))
names = st.one_of(st.sampled_from(NAMES).map(_quoted), strings)


def _object(pairs: list[tuple[str, str]]) -> str:
    """A name may stand in it twice."""
    return "{" + ",".join(f"{name}:{text}" for name, text in pairs) + "}"


values = st.recursive(
    literals,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6).map(lambda items: "[" + ",".join(items) + "]"),
        st.lists(st.tuples(names, inner), max_size=8).map(_object),
    ),
    max_leaves=25,
)


PROPER: Final = (
    ("electricity", "E1", "energy_import_kwh"), ("water", "W1", "volume_m3"), ("charger", "C1", "energy_import_kwh"),
)  # fmt: skip
recent = st.integers(-70_000, 30).map(_offset).map(_quoted)
shown = st.integers(0, 10**9).map(lambda thousandths: str(thousandths / 1000))


@st.composite
def readings(draw: st.DrawFn) -> str:
    """A proper reading with none, one or two things wrong in it: a field that is missing, doubled, foreign or holds anything."""
    medium, meter, register = draw(st.sampled_from(PROPER))
    fields = [('"read_at"', draw(recent)), (f'"{register}"', draw(shown))]
    if draw(st.booleans()):
        fields += [('"medium"', f'"{medium}"'), ('"meter"', f'"{meter}"')]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        place = draw(st.integers(0, len(fields) - 1)) if fields else 0
        match draw(st.sampled_from(["drop", "double", "spoil", "add"])):
            case "drop":
                del fields[place : place + 1]
            case "double":
                fields += fields[place : place + 1]
            case "spoil":
                fields[place : place + 1] = [
                    (name, draw(st.one_of(literals, times.map(_quoted)))) for name, _ in fields[place : place + 1]
                ]
            case "add":
                fields.append((draw(names), draw(literals)))
    return _object(fields)


batches = st.lists(readings(), max_size=6).map(lambda items: '{"readings":[' + ",".join(items) + "]}")
nested = st.tuples(st.sampled_from(["[", '{"readings":[', '{"a":', '[{"readings":', " ", '"']), st.integers(1, 60_000)).map(
    lambda drawn: (drawn[0] * drawn[1])[: 2**18]
)
written = st.one_of(readings(), readings(), batches, batches, values, nested).map(lambda text: text.encode(errors="surrogatepass"))
payloads = st.one_of(
    edited(st.sampled_from(EXAMPLES)), st.sampled_from(EXAMPLES), written, edited(written), st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-16")),
)  # fmt: skip
