"""The two ways of deciding: what the usual way makes of a payload, the contract makes of it too, and of no other does it speak."""

import json
import random
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import topics
from ingest.errors import Rejection
from ingest.intake import AcceptWindow, by_contract
from ingest.messages import Message
from ingest.metering.calendar import HOUR_US, Instant, instant
from ingest.registry import RegisteredMeter, Registry
from ingest.usual import usual_rows
from schemas.publish import FOLDER
from schemas.reading import MAX_READINGS
from schemas.registers import REGISTERS as ALL_REGISTERS

TOPICS = {
    "electricity": "metering/E1/electricity/E1/reading",
    "water": "metering/E1/water/E1/reading",
    "charger": "metering/E1/charger/E1/reading",
    "gateway": "metering/E1/gateway/E1/readings",
}
MEDIA = tuple(TOPICS)
RECEIVED_AT = instant(datetime(2026, 3, 2, 0, 15, tzinfo=UTC))
WINDOW = AcceptWindow(back_us=45 * 24 * HOUR_US, ahead_us=HOUR_US // 6)
FOREVER = 2**63 - 1
BAD = Path(__file__).parents[3] / "shared" / "corpus" / "bad"
"""A collection of hostile payloads beside the checkout; where it is absent, those written here must do."""
CASES = 30_000


def _meter(
    medium: str, code: str, number: int, gateway: str, until: Instant = FOREVER, since: Instant = 0, digits: int = 7
) -> RegisteredMeter:
    """With every register but one, each with decimals of its own."""
    channels = [(name, 100 * number + n, n % 4) for n, name in enumerate(ALL_REGISTERS) if name != "energy_import_tariff_4_kwh"]
    return RegisteredMeter("E1", medium, code, gateway, number, since, until, digits, channels)


def _meters() -> list[RegisteredMeter]:
    """Of each medium: one that shows seven digits, one without limit, one that went to another gateway, one of nine digits."""
    meters = []
    for number, medium in enumerate(("electricity", "water", "charger")):
        meters += [
            _meter(medium, "E1", 10 * number + 1, "E1"),
            _meter(medium, "W-1", 10 * number + 2, "E1", digits=0),
            _meter(medium, "a.b_c", 10 * number + 3, "E1", until=RECEIVED_AT + 1),
            _meter(medium, "a.b_c", 10 * number + 3, "G2", since=RECEIVED_AT + 1),
            _meter(medium, "x" * 64, 10 * number + 4, "E1", digits=9),
        ]
    return meters


REGISTRY = Registry(1, _meters())


def _agree(medium: str, payload: bytes) -> bool:
    """Hold both ways to the same rows, to the last bit and type; returns whether the usual way spoke."""
    topic = topics.parse(TOPICS[medium])
    message = Message(TOPICS[medium], payload, 1, False, 1, 1, RECEIVED_AT)
    rows = usual_rows(topic, message, REGISTRY, WINDOW)
    if rows is None:
        return False
    try:
        assessed = by_contract(message, topic, REGISTRY, WINDOW)
    except Rejection as rejection:
        pytest.fail(f"{medium} {payload!r}: the contract refuses it, {rejection}")
    assert assessed.rejected is None, (medium, payload)
    assert repr(sorted(assessed.rows)) == repr(sorted(rows)), (medium, payload)
    return True


# What payloads are made of: the usual most often, beside it all that has ever been mistaken for it

TIMES = ["2026-03-02T08:15:00+08:00", "2026-03-02T00:15:00Z", "2026-03-02t00:15:00.5z", "2026-03-02T00:15:00.123456789-00:00",
         "2026-03-02T00:15:00.1234567890Z", "2026-03-02T00:15:00", "2026-03-02 00:15:00Z", "2026-02-31T00:00:00Z",
         "2026-03-02T00:15:00Z\n", "２０２６-03-02T08:15:00Z", "20260302T001500Z", "2026-W10-1T00:00:00Z",
         "2026-03-02T00:15:00+0800", "2026-03-02T00:15:00,5Z", "2026-03-02T24:00:00Z",
         "2026-03-02T00:15:00+08:60", "0000-00-00T00:00:00Z", "", "Z" * 5000,
         "2026-03-02T00:25:00Z", "2026-03-02T00:25:00.000001Z", "2026-01-16T00:15:00Z", "2026-01-16T00:14:59.999999Z",
         "0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"]  # fmt: skip
CODES = ["E1", "W-1", "a.b_c", "x" * 64, "x" * 65, "", "-x", ".x", "E 1", "水表", "E1\n", "E1\0", "E/1", "+", "#"]
NUMBERS = ["48213.754", "0", "0.0", "-0", "-0.0", "1", "-1", "-1.5", "7.0", "1e3", "1E-400", "-1e-400", "1e308", "1e309", "-1e309",
           "1e400", "NaN", "Infinity", "-Infinity", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
           "9223372036854775807", "9223372036854775808", "18446744073709551616", "1" * 400, "0.1" + "0" * 300 + "1", "01",
           "+1", "1.", ".5", "1_0", "0x1", "5e-324", "1.7976931348623157e308", "1.7976931348623159e308"]  # fmt: skip
ODD = ["null", "true", "false", '""', '"1"', "[]", "{}", "[1]", '{"a": 1}', '"\\ud800"', '"NaN"', '"Infinity"', "[[[[]]]]"]
NAMES = ["read_at", "seq", "institution", "meter", "medium", "energy_import_kwh", "energy_export_kwh", "energy_import_tariff_1_kwh",
         "energy_import_tariff_4_kwh", "power_kw", "volume_m3", "flow_m3_per_h", "readings"]  # fmt: skip
STRANGE_NAMES = ["", "x", "Read_at", "energy_import_kwh ", "energy_import_KWh", "__class__", "registers", "0", "read\\u005fat",
                 "read\\u0069ngs", "seq\\u0000"]  # fmt: skip
OTHER = {"water": "flow_m3_per_h"}
REGISTERS = {"electricity": ("energy_import_kwh", "energy_export_kwh", "energy_import_tariff_1_kwh", "power_kw"),
             "water": ("volume_m3", "flow_m3_per_h"), "charger": ("energy_import_kwh", "power_kw")}  # fmt: skip


class Maker:
    """Payloads as text, most of them nearly right."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def payload(self, medium: str) -> bytes:
        batch = medium == "gateway" or self.rng.random() < 0.4
        text = self._batch(medium) if batch else self._reading(medium)
        raw = text.encode(errors="surrogatepass")
        return (self._torn(raw) or b" ") if self.rng.random() < 0.1 else raw

    def _batch(self, medium: str) -> str:
        number = (
            self.rng.choice([0, 1, 1, 2, 3, 8]) if self.rng.random() < 0.9995 else self.rng.choice([MAX_READINGS, MAX_READINGS + 1])
        )
        items = [self._reading(medium)] * number if number > 8 else [self._reading(medium) for _ in range(number)]
        if self._rarely():
            items.append(self.rng.choice(ODD))
        fields = [('"readings"', f"[{','.join(items)}]")]
        if self._rarely():
            fields.append(self._field(medium))
        return self._object(fields)

    def _reading(self, topic: str) -> str:
        medium = self.rng.choice(list(REGISTERS)) if topic == "gateway" else topic
        main, *others = REGISTERS[medium]
        fields = [('"read_at"', self._time()), (f'"{main}"', self._number())]
        fields += [(f'"{name}"', self._number()) for name in others if self.rng.random() < 0.3]
        if topic == "gateway" or self.rng.random() < 0.2:
            fields += [('"medium"', f'"{medium}"'), ('"meter"', self._code())]
        if self.rng.random() < 0.2:
            fields.append(('"seq"', self.rng.choice([*NUMBERS, "null"]) if self._rarely() else "17"))
        if self.rng.random() < 0.2:
            fields.append(('"institution"', self._code()))
        if self.rng.random() < 0.3:
            self.rng.shuffle(fields)
        if self._rarely():
            fields.pop(self.rng.randrange(len(fields)))
        if self._rarely():
            fields.insert(self.rng.randrange(len(fields) + 1), self._field(medium))
        return self._object(fields)

    def _field(self, medium: str) -> tuple[str, str]:
        """Any field with any value: strange, repeated, of the wrong type or of another medium."""
        name = self.rng.choice(NAMES if self.rng.random() < 0.7 else STRANGE_NAMES)
        return f'"{name}"', self.rng.choice(
            [self._time(), self._code(), self._number(), f'"{medium}"', '"gas"', self.rng.choice(ODD)]
        )

    def _object(self, fields: list[tuple[str, str]]) -> str:
        colon = self.rng.choice([":", ": ", " :\n"])
        return "{" + ",".join(f"{name}{colon}{value}" for name, value in fields) + "}"

    def _time(self) -> str:
        return self._odd() or json.dumps(self.rng.choice(TIMES if self._rarely() else TIMES[:4]), ensure_ascii=self._rarely())

    def _code(self) -> str:
        return self._odd() or json.dumps(self.rng.choice(CODES if self._rarely() else CODES[:4]), ensure_ascii=self._rarely())

    def _number(self) -> str:
        return self._odd() or self.rng.choice(NUMBERS if self._rarely() else NUMBERS[:3])

    def _odd(self) -> str | None:
        return self.rng.choice(ODD) if self.rng.random() < 0.02 else None

    def _rarely(self) -> bool:
        return self.rng.random() < 0.1

    def _torn(self, raw: bytes) -> bytes:
        """A byte changed, lost, put in or doubled, or an end cut off."""
        at, other = (
            self.rng.randrange(len(raw) + 1),
            self.rng.choice([0, 9, 34, 44, 45, 58, 92, 125, 128, 195, 255, *b"0.eE[]{}tn"]),
        )
        return self.rng.choice(
            [raw[:at], raw[at:], raw[:at] + bytes([other]) + raw[at + 1 :], raw[:at] + bytes([other]) + raw[at:],
             raw[:at] + raw[at + 1 :], raw + raw[:at], b"\xef\xbb\xbf" + raw, raw + b" \n"]
        )  # fmt: skip


def test_both_ways_agree_on_payloads_of_every_kind(seed: int) -> None:
    """Thirty thousand payloads, right, nearly right and torn: where the usual way speaks, the contract says the same."""
    maker = Maker(random.Random(seed))
    spoke: Counter[tuple[str, bool]] = Counter()
    for number in range(CASES):
        medium = MEDIA[number % len(MEDIA)]
        spoke[medium, _agree(medium, maker.payload(medium))] += 1

    for medium in MEDIA:  # else the test would compare the contract with itself
        assert 0.1 * CASES / len(MEDIA) < spoke[medium, True] < 0.9 * CASES / len(MEDIA), spoke


@pytest.mark.parametrize("path", sorted(FOLDER.glob("examples/*/*/*.json")), ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_both_ways_agree_on_the_examples_of_the_contract(path: Path) -> None:
    """On every topic, not only their own."""
    for medium in MEDIA:
        if payload := path.read_bytes():
            _agree(medium, payload)


def test_both_ways_agree_on_hostile_payloads() -> None:
    """Those collected beside the checkout, as far as they are there."""
    for path in sorted(BAD.rglob("*")):
        if path.is_file() and (payload := path.read_bytes()):
            for medium in MEDIA:
                _agree(medium, payload)


@given(st.sampled_from(MEDIA), st.binary(min_size=1, max_size=200))
@settings(max_examples=300, deadline=None)
def test_both_ways_agree_on_any_bytes(medium: str, payload: bytes) -> None:
    """Also where nothing was meant."""
    _agree(medium, payload)


values = st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none(), st.booleans())


@given(st.sampled_from(MEDIA), st.dictionaries(st.sampled_from(NAMES), values, min_size=1))
@settings(max_examples=300, deadline=None)
def test_both_ways_agree_on_any_object(medium: str, stated: dict[str, Any]) -> None:
    """Any types under the contract's own names, alone and in a batch."""
    right = {"read_at": TIMES[0], "energy_import_kwh": 1.5, "volume_m3": 2} | stated
    for item in (stated, right):
        for payload in (item, {"readings": [item]}):
            _agree(medium, json.dumps(payload).encode())


def test_both_ways_agree_on_values_near_every_limit(seed: int) -> None:
    """Where a product is no longer the exact integer, where a register overflows, and at the smallest below nothing."""
    rng, limits = random.Random(seed), [2.0**50, 2.0**52, 1e7, 1e9, 1e10, 0.0]
    spoke = 0
    for _ in range(CASES // 6):
        limit = rng.choice(limits) / 10 ** rng.randrange(4)
        value = limit * rng.uniform(0.999, 1.001) if rng.random() < 0.5 else limit + rng.choice([-1, 1]) * rng.random() / 1000
        reading = {"read_at": TIMES[0], "medium": "electricity", "meter": "W-1", "energy_import_kwh": 1}
        payload = {"readings": [reading | {rng.choice(REGISTERS["electricity"]): value}]}
        spoke += _agree("gateway", json.dumps(payload).encode())

    assert 500 < spoke < CASES // 6 - 500


@pytest.mark.parametrize("medium", MEDIA)
def test_what_the_simulators_and_meters_usually_send_is_usual(medium: str) -> None:
    """The speed of the line rests on it."""
    main = {"water": "volume_m3"}.get(medium, "energy_import_kwh")
    named = {"medium": "electricity" if medium == "gateway" else medium, "meter": "E1"}
    full = {"read_at": TIMES[0], "seq": 4, "institution": "E1", main: 5} | named
    nulls = {"read_at": TIMES[1], "seq": None, "institution": None, main: 5.5, OTHER.get(medium, "power_kw"): None} | named
    plain = {"read_at": TIMES[1], main: 5.5} | (named if medium == "gateway" else {})
    for reading in (full, nulls, plain):
        assert medium == "gateway" or _agree(medium, json.dumps(reading).encode())
        assert _agree(medium, json.dumps({"readings": [reading] * 3}).encode())


@pytest.mark.parametrize(
    "payload", [b"", b'{"readings": 7}', b'{"readings": [], "read_at": 1}', b'{"read\\u0069ngs": []}', b"[]", b"7", b"[[]]", b'""']
)
def test_what_is_not_usual_is_left_to_the_contract(payload: bytes) -> None:
    """It alone gives reasons."""
    for medium in MEDIA:
        assert not _agree(medium, payload)


@pytest.mark.parametrize("readings", ["x", "Readings", "read\\u0069ngs"])
def test_readings_under_another_name_are_left_to_the_contract(readings: str) -> None:
    """Good ones too; only a gateway may spell the name as JSON allows."""
    for medium in MEDIA:
        reading = {"read_at": TIMES[0], {"water": "volume_m3"}.get(medium, "energy_import_kwh"): 5}
        named = {"medium": "electricity", "meter": "E1"} if medium == "gateway" else {}
        payload = f'{{"{readings}": [{json.dumps(reading | named)}]}}'

        assert (medium == "gateway" and "\\" in readings) == _agree(medium, payload.encode())


@pytest.mark.parametrize("value", ['"' + "7" * 200_000 + '"', "[" + "7," * 100_000 + "7]"])
def test_what_is_no_number_is_not_multiplied(value: str) -> None:
    """A text times a thousand is a thousand texts: a small message would take the memory of a large one."""
    payload = f'{{"read_at": "2026-03-02T00:15:00Z", "energy_import_kwh": 1, "energy_import_tariff_2_kwh": {value}}}'.encode()
    message = Message(TOPICS["electricity"], payload, 1, False, 1, 1, RECEIVED_AT)
    tracemalloc.start()
    try:
        assert usual_rows(topics.parse(message.topic), message, REGISTRY, WINDOW) is None
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 50 * len(payload)
