"""Intake: every message comes to rows or to a rejection, each reading for itself, none of another's company."""

import json
import math

import pytest

from ingest.errors import Reason, Stage
from ingest.intake import assess
from ingest.messages import Row, SessionRow
from ingest.metering.calendar import HOUR_US
from schemas.reading import MAX_READINGS
from tests.unit.assessing import (
    E1,
    G1,
    MAX_PAYLOAD_BYTES,
    NATIVE_TOPICS,
    RECEIVED_AT,
    REGISTRY,
    SESSION,
    W1,
    WINDOW,
    a_message,
    a_reading,
    a_session,
    assess_one,
    of_meter,
    of_water,
    verdict_on,
    written,
)


def test_a_reading_becomes_one_row_a_register() -> None:
    """Channel, instant, exact integer and arrival: what storage needs, and no more."""
    assessed = assess_one(E1, a_reading(48213.754, power_kw=-1.5))

    assert [Row(10, RECEIVED_AT, 48_213_754, RECEIVED_AT), Row(11, RECEIVED_AT, -1500, RECEIVED_AT)] == assessed.rows
    assert assessed.rejected is None


def test_registers_take_the_decimals_of_their_channel() -> None:
    """A water register of two decimals counts in hundredths of a cubic metre."""
    assert [Row(30, RECEIVED_AT, 180_733, RECEIVED_AT)] == assess_one(W1, {"read_at": written(), "volume_m3": 1807.33}).rows


def test_a_gateway_speaks_for_all_its_media() -> None:
    """One batch, two media, each reading on its own channel, in the order of the payload."""
    assessed = assess_one(G1, {"readings": [of_meter("E1"), of_water(), of_meter("E6")]})

    assert [10, 30, 20] == [row.channel for row in assessed.rows]
    assert assessed.rejected is None


def test_a_meter_may_publish_a_batch_on_its_own_topic() -> None:
    """After an outage a meter catches up in one message."""
    ats = [RECEIVED_AT - n * HOUR_US for n in range(4)]

    assert ats == [row.read_at for row in assess_one(E1, {"readings": [a_reading(at=at) for at in ats]}).rows]


def test_a_session_becomes_a_session_row() -> None:
    """Energies of a session are integers too, and it has no reading rows."""
    stated = a_session(stopped_at=written(), stop_register_kwh=230420, session_energy_kwh=19.9)
    expected = SessionRow(4, "S7", 1, RECEIVED_AT, 230_400_100, RECEIVED_AT, 230_420_000, 19_900, RECEIVED_AT)
    assessed = assess_one(SESSION, stated)

    assert [expected] == assessed.sessions
    assert [] == assessed.rows


def test_a_session_that_runs_has_no_end() -> None:
    """Nothing is invented for what is not known yet."""
    [row] = assess_one(SESSION, a_session()).sessions

    assert (None, None, None) == (row.stopped_at, row.stop_register, row.session_energy)


def test_minus_zero_and_less_than_the_smallest_double_are_zero() -> None:
    """-0.0 and 1e-400 are the number zero, written oddly."""
    payloads = [b'{"read_at": "%s", "energy_import_kwh": %s}' % (written().encode(), zero) for zero in (b"-0.0", b"1e-400", b"-0")]

    assert [[0], [0], [0]] == [[row.value for row in assess_one(E1, payload).rows] for payload in payloads]


@pytest.mark.parametrize("topic", NATIVE_TOPICS)
def test_an_empty_payload_is_refused(topic: str) -> None:
    """That is how a retained message is cleared; it is no reading."""
    assert (Reason.EMPTY_PAYLOAD, Stage.DECODE, [], 0) == verdict_on(assess_one(topic, b""))


def test_a_large_payload_is_refused_before_it_is_parsed() -> None:
    """At the limit it is still read; one byte more is not."""
    raw = json.dumps(a_reading()).encode()
    fits = raw + b" " * (MAX_PAYLOAD_BYTES - len(raw))

    assert assess_one(E1, fits).rejected is None
    assert (Reason.TOO_LARGE, Stage.DECODE, [], 0) == verdict_on(assess_one(E1, fits + b" "))


@pytest.mark.parametrize("topic", NATIVE_TOPICS)
@pytest.mark.parametrize("depth", [500, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'{"readings":[', b"]}")])
def test_deep_nesting_is_refused(topic: str, depth: int, opening: bytes, closing: bytes) -> None:
    """The parser stops long before the stack does; sizes beyond the limit are allowed here, so that it must."""
    message = a_message(topic, opening * depth + b"1" + closing * depth)
    [assessed] = assess([message], REGISTRY, WINDOW, 10_000_000)

    assert (Reason.TOO_DEEP, Stage.DECODE, [], 0) == verdict_on(assessed)


def test_good_readings_are_kept_beside_bad_ones() -> None:
    """The first bad reading gives the reason; every bad one gives its position."""
    readings = [
        of_meter("E1"),
        of_meter("E6", energy_import_kwh=-1),
        of_meter("E404"),
        of_water(),
        of_meter("E1", read_at="2026-03-02T08:15:00"),
        of_meter("E6", energy_import_kwh=math.nan),
        of_meter("E6", energy_import_kwh=1e6),
        7,
        of_meter("E1", read_at=written(RECEIVED_AT - 1)),
    ]
    assessed = assess_one(G1, {"readings": readings})

    assert (Reason.NEGATIVE_VALUE, Stage.DECODE, [1, 2, 4, 5, 6, 7], 3) == verdict_on(assessed)
    assert [10, 30, 10] == [row.channel for row in assessed.rows]
    assert ["I1/electricity/E404"] == assessed.rejected.wanted  # type: ignore[union-attr]


def test_the_first_bad_reading_gives_the_reason_whatever_stage_it_failed_at() -> None:
    """Readings refused early in the line and late in it are told apart by position alone."""
    late, early = of_meter("E404"), of_meter("E1", energy_import_kwh=-1)

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [0, 1], 0) == verdict_on(assess_one(G1, {"readings": [late, early]}))
    assert (Reason.NEGATIVE_VALUE, Stage.DECODE, [0, 1], 0) == verdict_on(assess_one(G1, {"readings": [early, late]}))


def test_a_batch_holds_so_many_readings_and_no_more() -> None:
    """At the limit a batch is taken whole; above it it is refused whole."""
    readings = [a_reading(at=RECEIVED_AT - n) for n in range(MAX_READINGS + 1)]
    limit = 10_000_000
    [full] = assess([a_message(E1, {"readings": readings[:-1]})], REGISTRY, WINDOW, limit)
    [over] = assess([a_message(E1, {"readings": readings})], REGISTRY, WINDOW, limit)

    assert MAX_READINGS == len(full.rows)
    assert (Reason.WRONG_TYPE, Stage.DECODE, [], 0) == verdict_on(over)


def test_a_number_of_four_hundred_digits_has_one_reason_alone_and_in_a_batch() -> None:
    """The reason depends on the reading, not on its company; the good reading beside it is kept."""
    good, huge = (b'{"read_at": "%s", "energy_import_kwh": %s}' % (written().encode(), digits) for digits in (b"9", b"9" * 400))

    assert (Reason.NOT_FINITE, Stage.DECODE, [], 0) == verdict_on(assess_one(E1, huge))
    assert (Reason.NOT_FINITE, Stage.DECODE, [1], 1) == verdict_on(assess_one(E1, b'{"readings": [%s, %s]}' % (good, huge)))


def test_outcomes_come_in_the_order_of_the_batch() -> None:
    """Each message has one, and it is its own."""
    batch = [a_message(topic, payload) for topic, payload in ((E1, a_reading(1)), ("x", b""), (W1, b""), (E1, a_reading(2)))]

    assert batch == [assessed.message for assessed in assess(batch, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)]
