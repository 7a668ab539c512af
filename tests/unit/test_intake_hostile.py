"""Hostile payloads, those written here and those collected beside the checkout: each refused for the right reason."""

import json
from pathlib import Path

import pytest

from ingest.errors import Reason
from ingest.intake import assess
from tests.unit.assessing import (
    C1,
    E1,
    G1,
    MAX_PAYLOAD_BYTES,
    NATIVE_TOPICS,
    REGISTRY,
    SESSION,
    W1,
    WINDOW,
    a_message,
    a_reading,
    assert_storable,
    assess_one,
    verdict_on,
    written,
)

BAD = Path(__file__).parents[3] / "shared" / "corpus" / "bad"
"""A collection of hostile payloads beside the checkout; where it is absent, those written here must do."""

AT = b'"read_at": "%s"' % written().encode()
GOOD = json.dumps(a_reading())
HOSTILE: dict[str, tuple[bytes, Reason]] = {
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), Reason.MALFORMED_JSON),
    "line comment": (b"// E1\n" + GOOD.encode(), Reason.MALFORMED_JSON),
    "block comment": (GOOD.replace(",", ", /* kWh */").encode(), Reason.MALFORMED_JSON),
    "single quotes": (GOOD.replace('"', "'").encode(), Reason.MALFORMED_JSON),
    "names without quotes": (GOOD.replace('"read_at"', "read_at").encode(), Reason.MALFORMED_JSON),
    "trailing comma": (GOOD.replace("}", ",}").encode(), Reason.MALFORMED_JSON),
    "semicolon": (GOOD.encode() + b";", Reason.MALFORMED_JSON),
    "two objects": (GOOD.encode() * 2, Reason.MALFORMED_JSON),
    "two lines": (GOOD.encode() + b"\n" + GOOD.encode(), Reason.MALFORMED_JSON),
    "NUL at the end, as from C": (GOOD.encode() + b"\0", Reason.MALFORMED_JSON),
    "raw line end in a string": (b'{"meter": "E\n1", ' + AT + b', "energy_import_kwh": 1}', Reason.MALFORMED_JSON),
    "hexadecimal": (b"{" + AT + b', "energy_import_kwh": 0x2F}', Reason.MALFORMED_JSON),
    "leading zeros": (b"{" + AT + b', "energy_import_kwh": 000123.4}', Reason.MALFORMED_JSON),
    "leading plus": (b"{" + AT + b', "energy_import_kwh": +1}', Reason.MALFORMED_JSON),
    "no digit before the point": (b"{" + AT + b', "energy_import_kwh": .5}', Reason.MALFORMED_JSON),
    "decimal comma": (b"{" + AT + b', "energy_import_kwh": 1,5}', Reason.MALFORMED_JSON),
    "full-width digits": (b"{" + AT + ', "energy_import_kwh": １２３}'.encode(), Reason.MALFORMED_JSON),
    "full-width comma": (GOOD.replace(", ", "，").encode(), Reason.MALFORMED_JSON),
    "None of Python": (b"{" + AT + b', "energy_import_kwh": None}', Reason.MALFORMED_JSON),
    "lone surrogate escape": (b'{"meter": "\\ud83d", ' + AT + b', "energy_import_kwh": 1}', Reason.MALFORMED_JSON),
    "HTML error page": (b"<!DOCTYPE html><title>504 Gateway Time-out</title>", Reason.MALFORMED_JSON),
    "query string": (b"meter=E1&energy=48213.75", Reason.MALFORMED_JSON),
    "comma-separated": (b"2026-03-02 08:15:00,E1,48213.75\r\n", Reason.MALFORMED_JSON),
    "modem greeting": (b"+CREG: 1\r\nOK\r\n", Reason.MALFORMED_JSON),
    "JSON in Base64": (b"eyJyZWFkX2F0IjogIjIwMjYifQ==", Reason.MALFORMED_JSON),
    "white space alone": (b" \r\n\t", Reason.MALFORMED_JSON),
    "cut in a number": (GOOD.encode()[:-2], Reason.MALFORMED_JSON),
    "digits without end": (b"{" + AT + b', "energy_import_kwh": ' + b"7" * 100_000 + b"}", Reason.MALFORMED_JSON),
    "UTF-16": (GOOD.encode("utf-16"), Reason.INVALID_UTF8),
    "GBK": ('{"名称": "总表"}'.encode("gbk"), Reason.INVALID_UTF8),
    "Latin-1": ('{"unit": "m³"}'.encode("latin-1"), Reason.INVALID_UTF8),
    "surrogate in UTF-8": (b'{"meter": "\xed\xa0\x80"}', Reason.INVALID_UTF8),
    "overlong encoding": (b'{"meter": "\xc0\xaf"}', Reason.INVALID_UTF8),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\xae\x05\x00", Reason.INVALID_UTF8),
    "Modbus frame": (b"\x01\x03\x04\x00\xbc\x61\x4e\x12\xf5", Reason.INVALID_UTF8),
    "JSON in a JSON string": (json.dumps(GOOD).encode(), Reason.WRONG_TYPE),
    "bare number": (b"48213.75", Reason.WRONG_TYPE),
    "bare null": (b"null", Reason.WRONG_TYPE),
    "list": (b"[" + GOOD.encode() + b"]", Reason.WRONG_TYPE),
    "number with unit": (json.dumps(a_reading("48213.75 kWh")).encode(), Reason.WRONG_TYPE),  # type: ignore[arg-type]
    "number with thousands": (json.dumps(a_reading("48,213.75")).encode(), Reason.WRONG_TYPE),  # type: ignore[arg-type]
    "unavailable": (json.dumps(a_reading("unavailable")).encode(), Reason.WRONG_TYPE),  # type: ignore[arg-type]
    "value null": (b"{" + AT + b', "energy_import_kwh": null}', Reason.WRONG_TYPE),
    "value true": (b"{" + AT + b', "energy_import_kwh": true}', Reason.WRONG_TYPE),
    "value list": (b"{" + AT + b', "energy_import_kwh": [48213.75]}', Reason.WRONG_TYPE),
    "value object": (b"{" + AT + b', "energy_import_kwh": {"value": 48213.75}}', Reason.WRONG_TYPE),
    "time in milliseconds": (b'{"read_at": 1772410500000, "energy_import_kwh": 1}', Reason.WRONG_TYPE),
    "meter code with NUL": (b'{"meter": "E1\\u0000", ' + AT + b', "energy_import_kwh": 1}', Reason.WRONG_TYPE),
    "meter code with a newline": (b'{"meter": "E1\\n", ' + AT + b', "energy_import_kwh": 1}', Reason.WRONG_TYPE),
    "empty object": (b"{}", Reason.MISSING_FIELD),
    "names in capitals": (GOOD.upper().replace("E+00", "+00").encode(), Reason.MISSING_FIELD),
    "name with a blank": (GOOD.replace("read_at", "read_at ").encode(), Reason.MISSING_FIELD),
    "name with NUL": (GOOD.replace('"read_at', '"\\u0000read_at').encode(), Reason.MISSING_FIELD),
    "another maker's format": (b'{"Time": "2026-03-02T08:15:00", "ENERGY": {"Total": 6.294}}', Reason.MISSING_FIELD),
    "prototype pollution": (json.dumps(a_reading() | {"__proto__": {"admin": True}}).encode(), Reason.UNKNOWN_FIELD),
    "fifteen thousand fields": (json.dumps({f"k{n}": n for n in range(15_000)} | a_reading()).encode(), Reason.UNKNOWN_FIELD),
    "minus infinity": (b"{" + AT + b', "energy_import_kwh": -Infinity}', Reason.NOT_FINITE),
    "int64 max": (json.dumps(a_reading(2**63 - 1)).encode(), Reason.OUT_OF_RANGE),
    "int64 min": (json.dumps(a_reading(-(2**63))).encode(), Reason.NEGATIVE_VALUE),
    "sentinel of a dead sensor": (json.dumps(a_reading(-32768)).encode(), Reason.NEGATIVE_VALUE),
    "SQL in the time": (json.dumps(a_reading(read_at="'); DROP TABLE metering.reading; --")).encode(), Reason.INVALID_TIME),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_payload_is_refused_for_the_right_reason(name: str) -> None:
    """What is wrong with it is said in one word that a person can act on."""
    payload, expected = HOSTILE[name]
    assessed = assess_one(E1, payload)

    assert expected == verdict_on(assessed)[0]
    assert_storable(assessed)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("topic", [W1, C1, G1, SESSION])
def test_a_hostile_payload_is_refused_on_every_other_topic_too(topic: str, name: str) -> None:
    """The reason may differ with what is expected there; a row never comes of it, nor an error of ours."""
    assessed = assess_one(topic, HOSTILE[name][0])

    assert verdict_on(assessed)[0] != Reason.DECODER_ERROR
    assert [] == [*assessed.rows, *assessed.sessions]


def test_of_a_name_that_stands_twice_the_last_counts() -> None:
    """RFC 8259 leaves it open; alone, in a good batch and in one that is taken apart it is the same."""
    twice = b'{"energy_import_kwh": 1, ' + AT + b', "energy_import_kwh": 2}'

    assert [2000] == [row.value for row in assess_one(E1, twice).rows]
    assert [2000] == [row.value for row in assess_one(E1, b'{"readings": [' + twice + b"]}").rows]
    assert [2000] == [row.value for row in assess_one(E1, b'{"readings": [' + twice + b', {"read_at": 1}]}').rows]


CORPUS = sorted(BAD.glob("*.json")) if BAD.is_dir() else []


@pytest.mark.skipif(not CORPUS, reason="the collection of hostile payloads is not beside this checkout")
@pytest.mark.parametrize("topic", NATIVE_TOPICS)
def test_collected_hostile_payloads_are_refused(topic: str) -> None:
    """Bad messages of many makers: each is refused for some reason of its own, none with an error of ours."""
    messages = [a_message(topic, _collected(path)) for path in CORPUS]
    assessed = assess(messages, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)

    assert [] == [path.name for path, one in zip(CORPUS, assessed, strict=True) if one.rejected is None or one.rows or one.sessions]
    assert Reason.DECODER_ERROR not in {one.rejected.reason for one in assessed if one.rejected}


def _collected(path: Path) -> bytes:
    case = json.loads(path.read_text(encoding="utf-8"))
    return bytes.fromhex(case["payload_hex"]) if case.get("payload_hex") else (case.get("payload") or "").encode()
