"""Intake: every message comes to rows, or to a rejection that says why; none can stop the line."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import intake
from ingest.errors import STAGE_OF, Reason, Stage
from ingest.formats import native_v1
from ingest.intake import AcceptWindow, assess
from ingest.messages import Assessed, Message, Row, SessionRow
from ingest.metering.calendar import HOUR_US, Instant, instant
from ingest.metering.registers import INTEGER_LIMIT
from ingest.registry import RegisteredMeter, Registry
from schemas.reading import MAX_READINGS
from schemas.topics import charger_session, gateway_readings, meter_reading

RECEIVED = datetime(2026, 3, 2, 0, 15, tzinfo=UTC)  # a quarter past eight in the morning in 咸宁
RECEIVED_AT = instant(RECEIVED)
MOVED_AT = instant(RECEIVED - timedelta(days=10))
FOREVER = 2**63 - 1
WINDOW = AcceptWindow(back_us=45 * 24 * HOUR_US, ahead_us=HOUR_US // 6)
MAX_PAYLOAD_BYTES = 256 * 1024
BAD = Path(__file__).parents[3] / "shared" / "corpus" / "bad"
"""A collection of hostile payloads beside the checkout; where it is absent, those written here must do."""


def _meter(
    path: str, meter: int, gateway: str | None, valid: tuple[Instant, Instant], digits: int = 0, **channels: tuple[int, int]
) -> RegisteredMeter:
    institution, medium, code = path.split("/")
    columns = [(name, *column) for name, column in channels.items()]
    return RegisteredMeter(institution, medium, code, gateway, meter, *valid, digits, columns)


def _energy(channel: int) -> tuple[int, int]:
    return channel, 3


ALWAYS = (0, FOREVER)
REGISTRY = Registry(
    1,
    [
        _meter("I1/electricity/E1", 1, "G1", ALWAYS, energy_import_kwh=_energy(10), power_kw=_energy(11)),
        _meter("I1/electricity/E6", 2, "G1", ALWAYS, digits=6, energy_import_kwh=_energy(20)),  # shows 999999.999 kWh at most
        _meter("I1/water/W1", 3, "G1", ALWAYS, digits=5, volume_m3=(30, 2)),
        _meter("I1/charger/C1", 4, None, ALWAYS, energy_import_kwh=_energy(40)),
        _meter("I2/electricity/E9", 5, "G1", ALWAYS, energy_import_kwh=_energy(50)),  # another institution's gateway G1
        _meter("I2/electricity/EM", 6, None, (0, MOVED_AT), energy_import_kwh=_energy(60)),
        _meter("I1/electricity/EM", 6, "G2", (MOVED_AT, FOREVER), energy_import_kwh=_energy(60)),
        _meter("I1/electricity/EV", 7, "G1", (0, MOVED_AT), energy_import_kwh=_energy(70)),
        _meter("I1/electricity/EV", 7, "G2", (MOVED_AT, FOREVER), energy_import_kwh=_energy(70)),
    ],
)
E1, W1, C1 = meter_reading("I1", "electricity", "E1"), meter_reading("I1", "water", "W1"), meter_reading("I1", "charger", "C1")
E6, EM, EV = (meter_reading("I1", "electricity", code) for code in ("E6", "EM", "EV"))
G1, G2, SESSION = gateway_readings("I1", "G1"), gateway_readings("I1", "G2"), charger_session("I1", "C1")
NATIVE_TOPICS = (E1, W1, C1, G1, SESSION)


def _text(at: Instant = RECEIVED_AT) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat()


def _reading(value: float = 48213.75, at: Instant = RECEIVED_AT, **more: Any) -> dict[str, Any]:
    return {"read_at": _text(at), "energy_import_kwh": value, **more}


def _water(**more: Any) -> dict[str, Any]:
    return {"medium": "water", "meter": "W1", "read_at": _text(), "volume_m3": 1807.33, **more}


def _stated(meter: str, **more: Any) -> dict[str, Any]:
    return _reading(medium="electricity", meter=meter) | more


def _session(**more: Any) -> dict[str, Any]:
    return {"session": "S7", "connector": 1, "started_at": _text(), "start_register_kwh": 230400.1} | more


def _message(topic: str, payload: Any) -> Message:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return Message(topic, raw, 1, False, 1, 0, RECEIVED_AT)


def _assess(topic: str, payload: Any) -> Assessed:
    [assessed] = assess([_message(topic, payload)], REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)
    return assessed


def _verdict(assessed: Assessed) -> tuple[str, str, list[int], int]:
    """Reason, stage, failing positions, and how many rows are kept all the same."""
    assert assessed.rejected is not None, "accepted"
    rejected = assessed.rejected
    return rejected.reason, rejected.stage, rejected.failing, len(assessed.rows)


def _reason(topic: str, payload: Any) -> str | None:
    rejected = _assess(topic, payload).rejected
    return rejected and rejected.reason


# What is accepted


def test_a_reading_becomes_one_row_a_register() -> None:
    """Channel, instant, exact integer and arrival: what storage needs, and no more."""
    assessed = _assess(E1, _reading(48213.754, power_kw=-1.5))

    assert [Row(10, RECEIVED_AT, 48_213_754, RECEIVED_AT), Row(11, RECEIVED_AT, -1500, RECEIVED_AT)] == assessed.rows
    assert assessed.rejected is None


def test_registers_take_the_decimals_of_their_channel() -> None:
    """A water register of two decimals counts in hundredths of a cubic metre."""
    assert [Row(30, RECEIVED_AT, 180_733, RECEIVED_AT)] == _assess(W1, {"read_at": _text(), "volume_m3": 1807.33}).rows


def test_a_gateway_speaks_for_all_its_media() -> None:
    """One batch, two media, each reading on its own channel, in the order of the payload."""
    assessed = _assess(G1, {"readings": [_stated("E1"), _water(), _stated("E6")]})

    assert [10, 30, 20] == [row.channel for row in assessed.rows]
    assert assessed.rejected is None


def test_a_meter_may_publish_a_batch_on_its_own_topic() -> None:
    """After an outage a meter catches up in one message."""
    ats = [RECEIVED_AT - n * HOUR_US for n in range(4)]

    assert ats == [row.read_at for row in _assess(E1, {"readings": [_reading(at=at) for at in ats]}).rows]


def test_a_session_becomes_a_session_row() -> None:
    """Energies of a session are integers too, and it has no reading rows."""
    stated = _session(stopped_at=_text(), stop_register_kwh=230420, session_energy_kwh=19.9)
    expected = SessionRow(4, "S7", 1, RECEIVED_AT, 230_400_100, RECEIVED_AT, 230_420_000, 19_900, RECEIVED_AT)
    assessed = _assess(SESSION, stated)

    assert [expected] == assessed.sessions
    assert [] == assessed.rows


def test_a_session_that_runs_has_no_end() -> None:
    """Nothing is invented for what is not known yet."""
    [row] = _assess(SESSION, _session()).sessions

    assert (None, None, None) == (row.stopped_at, row.stop_register, row.session_energy)


def test_minus_zero_and_less_than_the_smallest_double_are_zero() -> None:
    """-0.0 and 1e-400 are the number zero, written oddly."""
    payloads = [b'{"read_at": "%s", "energy_import_kwh": %s}' % (_text().encode(), zero) for zero in (b"-0.0", b"1e-400", b"-0")]

    assert [[0], [0], [0]] == [[row.value for row in _assess(E1, payload).rows] for payload in payloads]


def test_the_version_in_force_at_the_reading_counts() -> None:
    """A meter belongs to where it was registered when it was read, not to where it is now."""
    before, after = MOVED_AT - 1, MOVED_AT
    readings = [_stated("EV", read_at=_text(at)) for at in (before, after)]

    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [1], 1) == _verdict(_assess(G1, {"readings": readings}))
    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 1) == _verdict(_assess(G2, {"readings": readings}))


def test_the_order_of_versions_does_not_matter() -> None:
    """The registry finds the version in force however storage listed them."""
    versions = [
        _meter("I1/electricity/EV", 7, gateway, valid, energy_import_kwh=_energy(70))
        for gateway, valid in (("G1", (0, MOVED_AT)), ("G2", (MOVED_AT, FOREVER)))
    ]
    for registry in (Registry(1, versions), Registry(1, reversed(versions))):
        rows = [registry.row("I1/electricity/EV", at) for at in (MOVED_AT - 1, MOVED_AT)]
        assert [[True, False], [False, True]] == [
            [registry.is_under(row, registry.gateway("I1", gateway)) for gateway in ("G1", "G2")] for row in rows
        ]
        assert 1 == len(registry)


# Each reason


@pytest.mark.parametrize(
    "topic",
    ["", "/", "metering/I1/electricity/E1", "metering/I1/gas/R1/reading", "metering/I1/gateway/G1/reading",
     "metering/I1/electricity/E1/readings", "metering/I1/charger/C1/status", "metering/I1/electricity/E1/reading/",
     "Metering/I1/electricity/E1/reading", "meterwarden/quota/I1/electricity_per_area", "metering//electricity/E1/reading",
     "metering/I1/gateway//readings", "metering/I1/charger/C 1/session"],
)  # fmt: skip
def test_another_topic_is_refused(topic: str) -> None:
    """A subscription that is too wide cannot turn foreign messages into readings."""
    assert (Reason.UNKNOWN_TOPIC, Stage.IDENTIFY, [], 0) == _verdict(_assess(topic, _reading()))


@pytest.mark.parametrize("topic", NATIVE_TOPICS)
def test_an_empty_payload_is_refused(topic: str) -> None:
    """That is how a retained message is cleared; it is no reading."""
    assert (Reason.EMPTY_PAYLOAD, Stage.DECODE, [], 0) == _verdict(_assess(topic, b""))


def test_a_large_payload_is_refused_before_it_is_parsed() -> None:
    """At the limit it is still read; one byte more is not."""
    raw = json.dumps(_reading()).encode()
    fits = raw + b" " * (MAX_PAYLOAD_BYTES - len(raw))

    assert _assess(E1, fits).rejected is None
    assert (Reason.TOO_LARGE, Stage.DECODE, [], 0) == _verdict(_assess(E1, fits + b" "))


@pytest.mark.parametrize("topic", NATIVE_TOPICS)
@pytest.mark.parametrize("depth", [500, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'{"readings":[', b"]}")])
def test_deep_nesting_is_refused(topic: str, depth: int, opening: bytes, closing: bytes) -> None:
    """The parser stops long before the stack does; sizes beyond the limit are allowed here, so that it must."""
    message = _message(topic, opening * depth + b"1" + closing * depth)
    [assessed] = assess([message], REGISTRY, WINDOW, 10_000_000)

    assert (Reason.TOO_DEEP, Stage.DECODE, [], 0) == _verdict(assessed)


def test_an_unknown_meter_is_named_for_replay() -> None:
    """What is wanted is the path under which the meter would be registered."""
    assessed = _assess(meter_reading("I1", "electricity", "E404"), _reading())

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [0], 0) == _verdict(assessed)
    assert ["I1/electricity/E404"] == assessed.rejected.wanted  # type: ignore[union-attr]


def test_unknown_meters_of_a_batch_are_each_named_once_and_the_others_are_kept() -> None:
    """The good readings are stored now, the unknown ones when their meters are registered."""
    meters = ["E404", "E1", "E405", "E404"]
    assessed = _assess(G1, {"readings": [_stated(meter) for meter in meters]})

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [0, 2, 3], 1) == _verdict(assessed)
    assert ["I1/electricity/E404", "I1/electricity/E405"] == assessed.rejected.wanted  # type: ignore[union-attr]


def test_an_unknown_charger_has_no_session() -> None:
    """Sessions are tied to registered chargers like readings to meters."""
    assessed = _assess(charger_session("I1", "C404"), _session())

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [], 0) == _verdict(assessed)
    assert not assessed.sessions


def test_a_meter_of_another_institution_is_unknown_here() -> None:
    """Neither its own topic nor a gateway can reach over the institution's edge."""
    assert Reason.UNKNOWN_METER == _reason(meter_reading("I1", "electricity", "E9"), _reading())
    assert Reason.UNKNOWN_METER == _reason(G1, {"readings": [_stated("E9")]})


def test_a_payload_that_names_another_institution_is_refused() -> None:
    """The broker's access list vouches for the topic; the payload may only agree."""
    for topic, payload in (
        (E1, _reading(institution="I2")),
        (G1, {"readings": [_stated("E1", institution="I2")]}),
        (gateway_readings("I2", "G1"), {"readings": [_stated("E9", institution="I1")]}),
    ):
        assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == _verdict(_assess(topic, payload))


def test_a_payload_that_names_another_meter_is_refused() -> None:
    """A cable swapped in the cabinet shows here."""
    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == _verdict(_assess(E1, _reading(meter="E6")))


def test_a_gateway_may_not_speak_for_meters_of_another_gateway() -> None:
    """Registered in the institution is not enough, nor is a gateway that no meter is registered under."""
    for gateway in ("G2", "G404"):
        verdict = _verdict(_assess(gateway_readings("I1", gateway), {"readings": [_stated("E1")]}))
        assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == verdict


def test_a_gateway_may_not_speak_for_a_meter_without_one() -> None:
    """A charger that publishes by itself has no gateway, also none of an unknown name."""
    stated = {"medium": "charger", "meter": "C1"} | _reading()

    for gateway in ("G1", "G404"):
        assert Reason.IDENTITY_MISMATCH == _reason(gateway_readings("I1", gateway), {"readings": [stated]})


def test_gateways_of_the_same_code_in_two_institutions_are_two() -> None:
    """G1 of I2 is not G1 of I1."""
    assert None is _reason(gateway_readings("I2", "G1"), {"readings": [_stated("E9")]})
    assert Reason.UNKNOWN_METER == _reason(gateway_readings("I2", "G1"), {"readings": [_stated("E1")]})


def test_a_meter_not_registered_at_that_time_is_refused() -> None:
    """EM came to I1 ten days ago: what it counted before is not I1's."""
    assert [Row(60, MOVED_AT, 48_213_750, RECEIVED_AT)] == _assess(EM, _reading(at=MOVED_AT)).rows
    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == _verdict(_assess(EM, _reading(at=MOVED_AT - 1)))


def test_an_unknown_register_refuses_the_reading_whole() -> None:
    """No register of a reading is stored while another one is in doubt; what is wanted names it."""
    assessed = _assess(E6, _reading(power_kw=3))

    assert (Reason.UNKNOWN_REGISTER, Stage.IDENTIFY, [0], 0) == _verdict(assessed)
    assert ["I1/electricity/E6/power_kw"] == assessed.rejected.wanted  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("999999.999", None), ("1000000", Reason.OUT_OF_RANGE), ("999999.9996", Reason.OUT_OF_RANGE), ("1e308", Reason.OUT_OF_RANGE),
     ("9223372036854775807", Reason.OUT_OF_RANGE), ("123456789012345678901234567890", Reason.OUT_OF_RANGE)],
)  # fmt: skip
def test_a_value_beyond_the_display_is_refused(value: str, expected: Reason | None) -> None:
    """A register of six digits cannot show a million; the last value it shows is accepted."""
    assert expected == _reason(E6, f'{{"read_at": "{_text()}", "energy_import_kwh": {value}}}'.encode())


def test_registers_without_digits_and_instantaneous_values_end_where_doubles_stop_being_exact() -> None:
    """Below 2^52 thousandths on either side all is accepted; from there on nothing is."""
    last = (INTEGER_LIMIT - 1) / 1000

    assert [INTEGER_LIMIT - 1] == [row.value for row in _assess(E1, _reading(last)).rows]
    assert [0, 1 - INTEGER_LIMIT] == [row.value for row in _assess(E1, _reading(0, power_kw=-last)).rows]
    for beyond in (_reading(INTEGER_LIMIT / 1000), _reading(0, power_kw=-INTEGER_LIMIT / 1000), _reading(0, power_kw=1e300)):
        assert (Reason.OUT_OF_RANGE, Stage.VALIDATE, [0], 0) == _verdict(_assess(E1, beyond))


def test_a_session_register_beyond_the_limit_is_refused() -> None:
    """Each of the three energies of a session is held to the same limit."""
    for name in ("start_register_kwh", "stop_register_kwh", "session_energy_kwh"):
        assert (Reason.OUT_OF_RANGE, Stage.VALIDATE, [], 0) == _verdict(_assess(SESSION, _session(**{name: 1e13})))


@pytest.mark.parametrize(
    ("read_at", "expected"),
    [
        ("2026-03-02T08:15:00", Reason.NAIVE_TIME),
        ("2026-03-02 08:15", Reason.NAIVE_TIME),
        ("2026-02-29T08:15:00+08:00", Reason.INVALID_TIME),
        ("2026-03-02T24:30:00+08:00", Reason.INVALID_TIME),
        ("2026-03-02T08:15:60+08:00", Reason.INVALID_TIME),
        ("2026-03-02T08:15:00+24:00", Reason.INVALID_TIME),
        ("0001-01-01T00:00:00+08:00", Reason.INVALID_TIME),
        ("9999-12-31T23:59:59-08:00", Reason.INVALID_TIME),
        ("0000-01-01T00:00:00Z", Reason.INVALID_TIME),
        ("２０２６-03-02T08:15:00+08:00", Reason.INVALID_TIME),
        ("1970-01-01T00:00:00Z", Reason.TOO_OLD),
        ("2096-02-29T00:00:00Z", Reason.TIME_IN_FUTURE),
        ("9999-12-31T23:59:59Z", Reason.TIME_IN_FUTURE),
    ],
)
def test_a_time_that_cannot_be_is_refused(read_at: str, expected: Reason) -> None:
    """Naive, impossible, long past and yet to come are four faults with four names."""
    expected_verdict = (expected, STAGE_OF.get(expected, Stage.DECODE))

    for topic, payload in ((E1, _reading(read_at=read_at)), (G1, {"readings": [_stated("E1", read_at=read_at)]})):
        assert expected_verdict == _verdict(_assess(topic, payload))[:2]
    for name in ("started_at", "stopped_at"):
        assert expected_verdict == _verdict(_assess(SESSION, _session(**{name: read_at})))[:2]


def test_a_session_that_stops_before_it_starts_is_refused() -> None:
    """One that stops the instant it starts has charged nothing, but has been."""
    assert [RECEIVED_AT] == [row.stopped_at for row in _assess(SESSION, _session(stopped_at=_text())).sessions]
    for stopped_at in (RECEIVED_AT - 1, RECEIVED_AT - HOUR_US):
        assessed = _assess(SESSION, _session(stopped_at=_text(stopped_at)))
        assert (Reason.INVALID_TIME, Stage.DECODE, [], 0) == _verdict(assessed)
        assert not assessed.sessions


def test_the_accept_window_holds_at_its_very_edges() -> None:
    """The edge itself is inside, a microsecond beyond it is not; judged by the arrival, never by a clock."""
    oldest, newest = RECEIVED_AT - WINDOW.back_us, RECEIVED_AT + WINDOW.ahead_us
    expected = {oldest: None, newest: None, oldest - 1: Reason.TOO_OLD, newest + 1: Reason.TIME_IN_FUTURE}

    assert expected == {at: _reason(E1, _reading(at=at)) for at in expected}


def test_readings_of_a_batch_are_each_judged_by_their_own_instant() -> None:
    """Whether or not the one before had the same: one too old, or none at all, is so however often it comes."""
    old, none, good = _text(0), "2026-02-30T00:00:00Z", _text()
    assessed = _assess(
        E1, {"readings": [_reading(read_at=at) for at in (old, old, good, old, good, none, none, _text(RECEIVED_AT - 1))]}
    )

    assert (Reason.TOO_OLD, Stage.VALIDATE, [0, 1, 3, 5, 6], 3) == _verdict(assessed)
    assert [RECEIVED_AT, RECEIVED_AT, RECEIVED_AT - 1] == [row.read_at for row in assessed.rows]


def test_digits_beyond_the_microsecond_are_cut_off() -> None:
    """Nanoseconds do not push a reading over the edge of the window."""
    newest = _text(RECEIVED_AT + WINDOW.ahead_us)

    assert None is _reason(E1, _reading(read_at=newest.replace("+00:00", ".000000999Z")))


def test_the_time_is_judged_before_the_registry_is_asked() -> None:
    """A meter that is unknown and hopelessly late is not kept waiting for its registration."""
    assert Reason.TOO_OLD == _reason(meter_reading("I1", "electricity", "E404"), _reading(at=0))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400])
def test_what_is_not_a_finite_number_is_refused(value: str) -> None:
    """Nothing that a double cannot hold is guessed at."""
    for name in ("energy_import_kwh", "power_kw"):
        stated = json.dumps(_reading(1, power_kw=1) | {name: "?"}).replace('"?"', value).encode()
        assert (Reason.NOT_FINITE, Stage.DECODE, [], 0) == _verdict(_assess(E1, stated))


def test_good_readings_are_kept_beside_bad_ones() -> None:
    """The first bad reading gives the reason; every bad one gives its position."""
    readings = [
        _stated("E1"),
        _stated("E6", energy_import_kwh=-1),
        _stated("E404"),
        _water(),
        _stated("E1", read_at="2026-03-02T08:15:00"),
        _stated("E6", energy_import_kwh=math.nan),
        _stated("E6", energy_import_kwh=1e6),
        7,
        _stated("E1", read_at=_text(RECEIVED_AT - 1)),
    ]
    assessed = _assess(G1, {"readings": readings})

    assert (Reason.NEGATIVE_VALUE, Stage.DECODE, [1, 2, 4, 5, 6, 7], 3) == _verdict(assessed)
    assert [10, 30, 10] == [row.channel for row in assessed.rows]
    assert ["I1/electricity/E404"] == assessed.rejected.wanted  # type: ignore[union-attr]


def test_the_first_bad_reading_gives_the_reason_whatever_stage_it_failed_at() -> None:
    """Readings refused early in the line and late in it are told apart by position alone."""
    late, early = _stated("E404"), _stated("E1", energy_import_kwh=-1)

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [0, 1], 0) == _verdict(_assess(G1, {"readings": [late, early]}))
    assert (Reason.NEGATIVE_VALUE, Stage.DECODE, [0, 1], 0) == _verdict(_assess(G1, {"readings": [early, late]}))


def test_a_batch_holds_so_many_readings_and_no_more() -> None:
    """At the limit a batch is taken whole; above it it is refused whole."""
    readings = [_reading(at=RECEIVED_AT - n) for n in range(MAX_READINGS + 1)]
    limit = 10_000_000
    [full] = assess([_message(E1, {"readings": readings[:-1]})], REGISTRY, WINDOW, limit)
    [over] = assess([_message(E1, {"readings": readings})], REGISTRY, WINDOW, limit)

    assert MAX_READINGS == len(full.rows)
    assert (Reason.WRONG_TYPE, Stage.DECODE, [], 0) == _verdict(over)


def test_a_meter_may_be_called_readings() -> None:
    """`readings` is a meter code like any other."""
    registry = Registry(1, [_meter("I1/electricity/readings", 1, None, ALWAYS, energy_import_kwh=_energy(10))])
    message = _message(meter_reading("I1", "electricity", "readings"), _reading(meter="readings"))
    [assessed] = assess([message], registry, WINDOW, MAX_PAYLOAD_BYTES)

    assert 1 == len(assessed.rows)


def test_a_number_of_four_hundred_digits_has_one_reason_alone_and_in_a_batch() -> None:
    """The reason depends on the reading, not on its company; the good reading beside it is kept."""
    good, huge = (b'{"read_at": "%s", "energy_import_kwh": %s}' % (_text().encode(), digits) for digits in (b"9", b"9" * 400))

    assert (Reason.NOT_FINITE, Stage.DECODE, [], 0) == _verdict(_assess(E1, huge))
    assert (Reason.NOT_FINITE, Stage.DECODE, [1], 1) == _verdict(_assess(E1, b'{"readings": [%s, %s]}' % (good, huge)))


@pytest.mark.parametrize(("before", "after"), [(6, 5), (5, 6), (0, 5), (5, 0)])
def test_the_display_of_the_version_in_force_decides_what_it_can_show(before: int, after: int) -> None:
    """A new meter head of five digits does not refuse what the old one of six has shown, nor the other way round."""
    versions = [
        _meter("I1/electricity/E1", 1, None, (0, MOVED_AT), digits=before, energy_import_kwh=_energy(10)),
        _meter("I1/electricity/E1", 1, None, (MOVED_AT, FOREVER), digits=after, energy_import_kwh=_energy(10)),
    ]
    batch = [_message(E1, _reading(123_456, at=at)) for at in (MOVED_AT - 1, MOVED_AT)]
    for registry in (Registry(1, versions), Registry(1, reversed(versions))):
        reasons = [one.rejected and one.rejected.reason for one in assess(batch, registry, WINDOW, MAX_PAYLOAD_BYTES)]
        assert [Reason.OUT_OF_RANGE if digits == 5 else None for digits in (before, after)] == reasons


@pytest.mark.parametrize("code", ["E" * 65, "E" * 10_000, "", ".", "-1", "E 1", "表1"])
def test_a_code_that_can_never_be_registered_is_not_wanted(code: str) -> None:
    """Codes have at most 64 letters: a longer one waits for nothing, and must fit the index of what is waited for."""
    for topic, payload in (
        (meter_reading("I1", "electricity", code), _reading()),
        (meter_reading(code, "electricity", "E1"), _reading()),
        (gateway_readings("I1", code), {"readings": [_stated("E1")]}),
        (charger_session("I1", code), _session()),
    ):
        assessed = _assess(topic, payload)
        assert (Reason.UNKNOWN_TOPIC, Stage.IDENTIFY, [], 0) == _verdict(assessed)
        assert [] == assessed.rejected.wanted  # type: ignore[union-attr]


# No message can stop the line


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([_text(), "E1", "W1", "water", "I2"])
)
names = st.one_of(
    st.sampled_from(["readings", "read_at", "energy_import_kwh", "volume_m3", "medium", "meter", "session", "started_at", "seq"]),
    st.text(max_size=4),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)), max_leaves=12
)
good_fields = st.sampled_from([_reading(), _stated("E1"), _water(), _session()])


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
    assessed = _assess(topic, payload)

    assert assessed.rows or assessed.sessions or assessed.rejected
    assert all(-INTEGER_LIMIT < row.value < INTEGER_LIMIT and row.channel > 0 for row in assessed.rows)
    if assessed.rejected is not None:
        _assert_storable(assessed)
        assert Reason.DECODER_ERROR != assessed.rejected.reason
        assert sorted(set(assessed.rejected.failing)) == assessed.rejected.failing


@given(st.text(max_size=40).filter(lambda topic: topic != "I1"), payloads)
@settings(max_examples=300, deadline=None)
def test_any_foreign_topic_gives_a_rejection(topic: str, payload: bytes) -> None:
    """Whatever the broker lets through."""
    assert _assess(topic, payload).rejected is not None
    assert _assess(f"metering/{topic}/electricity/E1/reading", payload).rejected is not None


def _assert_storable(assessed: Assessed) -> None:
    """PostgreSQL takes no NUL, and UTF-8 no lone surrogate."""
    assert assessed.rejected is not None
    for kept in (assessed.rejected.detail, *assessed.rejected.wanted):
        assert "\0" not in kept
        kept.encode()


@pytest.mark.parametrize("strange", ["\0", "a\0b", "\ud800", "\udfff x", "水\0表"])
def test_foreign_text_is_kept_as_the_database_can_take_it(strange: str) -> None:
    """Topics and field names end up in words kept with the message, never as a NUL or a lone surrogate."""
    for assessed in (
        _assess(strange, _reading()),
        _assess(meter_reading("I1", "electricity", strange), _reading()),
        _assess(meter_reading(strange, "electricity", "E1"), _reading(institution="I1")),
        _assess(gateway_readings("I1", strange), {"readings": [_stated("E1")]}),
        _assess(charger_session(strange, "C1"), _session()),
        _assess(E1, json.dumps({strange: 1} | _reading()).encode()),
        _assess(E1, json.dumps(_reading(read_at=strange)).encode()),
        _assess(G1, json.dumps({"readings": [_stated("E1", medium=strange)]}).encode()),
    ):
        _assert_storable(assessed)


def test_the_explanation_of_a_schema_fault_is_short() -> None:
    """The message is kept whole; the words about it need not repeat it."""
    detail = _assess(E1, _reading(**{"x" * 100_000: 1})).rejected.detail  # type: ignore[union-attr]

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
    batch = [_message(E1, _reading(value)) for value in (12, 13, 14, 13)]
    before, first, between, second = assess(batch, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)

    assert [12_000, 14_000] == [row.value for assessed in (before, between) for row in assessed.rows]
    assert (Reason.DECODER_ERROR, Stage.DECODE, [], 0) == _verdict(first)
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
    payload = {"readings": [_stated("E1"), _water(), _stated("E1", seq="not usual")]}

    assert (Reason.DECODER_ERROR, Stage.DECODE, [], 0) == _verdict(_assess(G1, payload))


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
    assessed = _assess(G1, {"readings": [_stated("E1"), _water()]})

    assert (assessed.rejected is None) == (len(assessed.rows) == 2)


def test_outcomes_come_in_the_order_of_the_batch() -> None:
    """Each message has one, and it is its own."""
    batch = [_message(topic, payload) for topic, payload in ((E1, _reading(1)), ("x", b""), (W1, b""), (E1, _reading(2)))]

    assert batch == [assessed.message for assessed in assess(batch, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)]


# Hostile payloads, written for this test

AT = b'"read_at": "%s"' % _text().encode()
GOOD = json.dumps(_reading())
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
    "number with unit": (json.dumps(_reading("48213.75 kWh")).encode(), Reason.WRONG_TYPE),  # type: ignore[arg-type]
    "number with thousands": (json.dumps(_reading("48,213.75")).encode(), Reason.WRONG_TYPE),  # type: ignore[arg-type]
    "unavailable": (json.dumps(_reading("unavailable")).encode(), Reason.WRONG_TYPE),  # type: ignore[arg-type]
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
    "prototype pollution": (json.dumps(_reading() | {"__proto__": {"admin": True}}).encode(), Reason.UNKNOWN_FIELD),
    "fifteen thousand fields": (json.dumps({f"k{n}": n for n in range(15_000)} | _reading()).encode(), Reason.UNKNOWN_FIELD),
    "minus infinity": (b"{" + AT + b', "energy_import_kwh": -Infinity}', Reason.NOT_FINITE),
    "int64 max": (json.dumps(_reading(2**63 - 1)).encode(), Reason.OUT_OF_RANGE),
    "int64 min": (json.dumps(_reading(-(2**63))).encode(), Reason.NEGATIVE_VALUE),
    "sentinel of a dead sensor": (json.dumps(_reading(-32768)).encode(), Reason.NEGATIVE_VALUE),
    "SQL in the time": (json.dumps(_reading(read_at="'); DROP TABLE metering.reading; --")).encode(), Reason.INVALID_TIME),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_payload_is_refused_for_the_right_reason(name: str) -> None:
    """What is wrong with it is said in one word that a person can act on."""
    payload, expected = HOSTILE[name]
    assessed = _assess(E1, payload)

    assert expected == _verdict(assessed)[0]
    _assert_storable(assessed)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("topic", [W1, C1, G1, SESSION])
def test_a_hostile_payload_is_refused_on_every_other_topic_too(topic: str, name: str) -> None:
    """The reason may differ with what is expected there; a row never comes of it, nor an error of ours."""
    assessed = _assess(topic, HOSTILE[name][0])

    assert _verdict(assessed)[0] != Reason.DECODER_ERROR
    assert [] == [*assessed.rows, *assessed.sessions]


def test_of_a_name_that_stands_twice_the_last_counts() -> None:
    """RFC 8259 leaves it open; alone, in a good batch and in one that is taken apart it is the same."""
    twice = b'{"energy_import_kwh": 1, ' + AT + b', "energy_import_kwh": 2}'

    assert [2000] == [row.value for row in _assess(E1, twice).rows]
    assert [2000] == [row.value for row in _assess(E1, b'{"readings": [' + twice + b"]}").rows]
    assert [2000] == [row.value for row in _assess(E1, b'{"readings": [' + twice + b', {"read_at": 1}]}').rows]


CORPUS = sorted(BAD.glob("*.json")) if BAD.is_dir() else []


@pytest.mark.skipif(not CORPUS, reason="the collection of hostile payloads is not beside this checkout")
@pytest.mark.parametrize("topic", NATIVE_TOPICS)
def test_collected_hostile_payloads_are_refused(topic: str) -> None:
    """Bad messages of many makers: each is refused for some reason of its own, none with an error of ours."""
    messages = [_message(topic, _collected(path)) for path in CORPUS]
    assessed = assess(messages, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)

    assert [] == [path.name for path, one in zip(CORPUS, assessed, strict=True) if one.rejected is None or one.rows or one.sessions]
    assert Reason.DECODER_ERROR not in {one.rejected.reason for one in assessed if one.rejected}


def _collected(path: Path) -> bytes:
    case = json.loads(path.read_text(encoding="utf-8"))
    return bytes.fromhex(case["payload_hex"]) if case.get("payload_hex") else (case.get("payload") or "").encode()
