"""No message can stop the line: any bytes, any topic, any fault of a decoder end in rows or in a rejection."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import intake
from ingest.errors import Reason, Stage
from ingest.formats import native_v1
from ingest.intake import assess
from ingest.metering.calendar import Instant
from ingest.metering.registers import INTEGER_LIMIT
from schemas.topics import charger_session, gateway_readings, meter_reading
from tests.unit.assessing import (
    E1,
    G1,
    MAX_PAYLOAD_BYTES,
    NATIVE_TOPICS,
    REGISTRY,
    WINDOW,
    a_message,
    a_reading,
    a_session,
    assert_storable,
    assess_one,
    of_meter,
    of_water,
    verdict_on,
    written,
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([written(), "E1", "W1", "water", "I2"]),
)
names = st.one_of(
    st.sampled_from(["readings", "read_at", "energy_import_kwh", "volume_m3", "medium", "meter", "session", "started_at", "seq"]),
    st.text(max_size=4),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)), max_leaves=12
)
good_fields = st.sampled_from([a_reading(), of_meter("E1"), of_water(), a_session()])


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """A good payload with some of its fields replaced, in or out of a batch, perhaps with a byte changed."""
    fields = draw(good_fields) | draw(st.dictionaries(names, values, max_size=2))
    stated = {"readings": [draw(good_fields), fields]} if draw(st.booleans()) else fields
    raw = bytearray(json.dumps(stated).encode())
    if draw(st.booleans()):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


payloads = st.one_of(st.binary(max_size=200), values.map(lambda value: json.dumps(value).encode()), bent())


@given(st.sampled_from(NATIVE_TOPICS), payloads)
@settings(max_examples=500, deadline=None)
def test_any_bytes_give_rows_or_a_rejection(topic: str, payload: bytes) -> None:
    """Nothing raises, nothing vanishes, what is kept fits the database."""
    assessed = assess_one(topic, payload)

    assert assessed.rows or assessed.sessions or assessed.rejected
    assert all(-INTEGER_LIMIT < row.value < INTEGER_LIMIT and row.channel > 0 for row in assessed.rows)
    if assessed.rejected is not None:
        assert_storable(assessed)
        assert Reason.DECODER_ERROR != assessed.rejected.reason
        assert sorted(set(assessed.rejected.failing)) == assessed.rejected.failing


@given(st.text(max_size=40).filter(lambda topic: topic != "I1"), payloads)
@settings(max_examples=300, deadline=None)
def test_any_foreign_topic_gives_a_rejection(topic: str, payload: bytes) -> None:
    """Whatever the broker lets through."""
    assert assess_one(topic, payload).rejected is not None
    assert assess_one(f"metering/{topic}/electricity/E1/reading", payload).rejected is not None


@pytest.mark.parametrize("strange", ["\0", "a\0b", "\ud800", "\udfff x", "水\0表"])
def test_foreign_text_is_kept_as_the_database_can_take_it(strange: str) -> None:
    """Topics and field names end up in words kept with the message, never as a NUL or a lone surrogate."""
    for assessed in (
        assess_one(strange, a_reading()),
        assess_one(meter_reading("I1", "electricity", strange), a_reading()),
        assess_one(meter_reading(strange, "electricity", "E1"), a_reading(institution="I1")),
        assess_one(gateway_readings("I1", strange), {"readings": [of_meter("E1")]}),
        assess_one(charger_session(strange, "C1"), a_session()),
        assess_one(E1, json.dumps({strange: 1} | a_reading()).encode()),
        assess_one(E1, json.dumps(a_reading(read_at=strange)).encode()),
        assess_one(G1, json.dumps({"readings": [of_meter("E1", medium=strange)]}).encode()),
    ):
        assert_storable(assessed)


def test_the_explanation_of_a_schema_fault_is_short() -> None:
    """The message is kept whole; the words about it need not repeat it."""
    detail = assess_one(E1, a_reading(**{"x" * 100_000: 1})).rejected.detail  # type: ignore[union-attr]

    assert len(detail) <= 500


@pytest.mark.parametrize("way", ["items", "decode"])
def test_a_decoder_that_raises_harms_only_its_own_message(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A fault of the program becomes that message's rejection, found again by its digest; its neighbours are stored."""
    sound = getattr(native_v1, way)

    def faulty(medium: str, payload: bytes) -> Any:
        if b"13" in payload:
            raise ZeroDivisionError("\ud800 \0")
        return sound(medium, payload)

    monkeypatch.setattr(native_v1, way, faulty)
    if way == "decode":
        monkeypatch.setattr(intake, "usual_rows", lambda *_: None)
    batch = [a_message(E1, a_reading(value)) for value in (12, 13, 14, 13)]
    before, first, between, second = assess(batch, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)

    assert [12_000, 14_000] == [row.value for assessed in (before, between) for row in assessed.rows]
    assert (Reason.DECODER_ERROR, Stage.DECODE, [], 0) == verdict_on(first)
    assert first.rejected == second.rejected
    kind, _, digest = first.rejected.detail.partition(", traceback digest ")  # type: ignore[union-attr]
    assert "ZeroDivisionError" == kind
    assert 16 == len(bytes.fromhex(digest)) * 2


@pytest.mark.parametrize("fault", [RecursionError, MemoryError, KeyError, UnicodeError, AssertionError])
def test_no_kind_of_error_in_the_decoder_gets_out(monkeypatch: pytest.MonkeyPatch, fault: type[Exception]) -> None:
    """Also half-made rows of the message are dropped with it."""
    stated = native_v1._stated

    def faulty(position: int, item: Any) -> Any:
        if position == 1:
            raise fault
        return stated(position, item)

    monkeypatch.setattr(native_v1, "_stated", faulty)
    payload = {"readings": [of_meter("E1"), of_water(), of_meter("E1", seq="not usual")]}

    assert (Reason.DECODER_ERROR, Stage.DECODE, [], 0) == verdict_on(assess_one(G1, payload))


@pytest.mark.parametrize("fault", [RecursionError, MemoryError, KeyError, UnicodeError, AssertionError])
def test_no_kind_of_error_in_the_quick_way_gets_out(monkeypatch: pytest.MonkeyPatch, fault: type[Exception]) -> None:
    """It is that message's rejection, or the contract decides: rows half made are never stored."""
    find, found = REGISTRY.row, []

    def faulty(path: str, read_at: Instant) -> int | None:
        found.append(path)
        if len(found) == 2:
            raise fault
        return find(path, read_at)

    monkeypatch.setattr(REGISTRY, "row", faulty)
    assessed = assess_one(G1, {"readings": [of_meter("E1"), of_water()]})

    assert (assessed.rejected is None) == (len(assessed.rows) == 2)
