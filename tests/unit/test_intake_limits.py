"""What a value and a time may be: shown by the register, exact, finite, and neither too old nor yet to come."""

import json

import pytest

from ingest.errors import STAGE_OF, Reason, Stage
from ingest.intake import assess
from ingest.metering.calendar import HOUR_US
from ingest.metering.registers import INTEGER_LIMIT
from ingest.registry import Registry
from schemas.topics import meter_reading
from tests.unit.assessing import (
    E1,
    E6,
    FOREVER,
    G1,
    MAX_PAYLOAD_BYTES,
    MOVED_AT,
    RECEIVED_AT,
    SESSION,
    WINDOW,
    a_message,
    a_reading,
    a_session,
    assess_one,
    energy,
    of_meter,
    reason_of,
    registered,
    verdict_on,
    written,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("999999.999", None), ("1000000", Reason.OUT_OF_RANGE), ("999999.9996", Reason.OUT_OF_RANGE), ("1e308", Reason.OUT_OF_RANGE),
     ("9223372036854775807", Reason.OUT_OF_RANGE), ("123456789012345678901234567890", Reason.OUT_OF_RANGE)],
)  # fmt: skip
def test_a_value_beyond_the_display_is_refused(value: str, expected: Reason | None) -> None:
    """A register of six digits cannot show a million; the last value it shows is accepted."""
    assert expected == reason_of(E6, f'{{"read_at": "{written()}", "energy_import_kwh": {value}}}'.encode())


def test_registers_without_digits_and_instantaneous_values_end_where_doubles_stop_being_exact() -> None:
    """Below 2^52 thousandths on either side all is accepted; from there on nothing is."""
    last = (INTEGER_LIMIT - 1) / 1000

    assert [INTEGER_LIMIT - 1] == [row.value for row in assess_one(E1, a_reading(last)).rows]
    assert [0, 1 - INTEGER_LIMIT] == [row.value for row in assess_one(E1, a_reading(0, power_kw=-last)).rows]
    for beyond in (a_reading(INTEGER_LIMIT / 1000), a_reading(0, power_kw=-INTEGER_LIMIT / 1000), a_reading(0, power_kw=1e300)):
        assert (Reason.OUT_OF_RANGE, Stage.VALIDATE, [0], 0) == verdict_on(assess_one(E1, beyond))


def test_a_session_register_beyond_the_limit_is_refused() -> None:
    """Each of the three energies of a session is held to the same limit."""
    for name in ("start_register_kwh", "stop_register_kwh", "session_energy_kwh"):
        assert (Reason.OUT_OF_RANGE, Stage.VALIDATE, [], 0) == verdict_on(assess_one(SESSION, a_session(**{name: 1e13})))


@pytest.mark.parametrize(("before", "after"), [(6, 5), (5, 6), (0, 5), (5, 0)])
def test_the_display_of_the_version_in_force_decides_what_it_can_show(before: int, after: int) -> None:
    """A new meter head of five digits does not refuse what the old one of six has shown, nor the other way round."""
    versions = [
        registered("I1/electricity/E1", 1, None, (0, MOVED_AT), digits=before, energy_import_kwh=energy(10)),
        registered("I1/electricity/E1", 1, None, (MOVED_AT, FOREVER), digits=after, energy_import_kwh=energy(10)),
    ]
    batch = [a_message(E1, a_reading(123_456, at=at)) for at in (MOVED_AT - 1, MOVED_AT)]
    for registry in (Registry(1, versions), Registry(1, reversed(versions))):
        reasons = [one.rejected and one.rejected.reason for one in assess(batch, registry, WINDOW, MAX_PAYLOAD_BYTES)]
        assert [Reason.OUT_OF_RANGE if digits == 5 else None for digits in (before, after)] == reasons


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400])
def test_what_is_not_a_finite_number_is_refused(value: str) -> None:
    """Nothing that a double cannot hold is guessed at."""
    for name in ("energy_import_kwh", "power_kw"):
        stated = json.dumps(a_reading(1, power_kw=1) | {name: "?"}).replace('"?"', value).encode()
        assert (Reason.NOT_FINITE, Stage.DECODE, [], 0) == verdict_on(assess_one(E1, stated))


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

    for topic, payload in ((E1, a_reading(read_at=read_at)), (G1, {"readings": [of_meter("E1", read_at=read_at)]})):
        assert expected_verdict == verdict_on(assess_one(topic, payload))[:2]
    for name in ("started_at", "stopped_at"):
        assert expected_verdict == verdict_on(assess_one(SESSION, a_session(**{name: read_at})))[:2]


def test_a_session_that_stops_before_it_starts_is_refused() -> None:
    """One that stops the instant it starts has charged nothing, but has been."""
    assert [RECEIVED_AT] == [row.stopped_at for row in assess_one(SESSION, a_session(stopped_at=written())).sessions]
    for stopped_at in (RECEIVED_AT - 1, RECEIVED_AT - HOUR_US):
        assessed = assess_one(SESSION, a_session(stopped_at=written(stopped_at)))
        assert (Reason.INVALID_TIME, Stage.DECODE, [], 0) == verdict_on(assessed)
        assert not assessed.sessions


def test_the_accept_window_holds_at_its_very_edges() -> None:
    """The edge itself is inside, a microsecond beyond it is not; judged by the arrival, never by a clock."""
    oldest, newest = RECEIVED_AT - WINDOW.back_us, RECEIVED_AT + WINDOW.ahead_us
    expected = {oldest: None, newest: None, oldest - 1: Reason.TOO_OLD, newest + 1: Reason.TIME_IN_FUTURE}

    assert expected == {at: reason_of(E1, a_reading(at=at)) for at in expected}


def test_readings_of_a_batch_are_each_judged_by_their_own_instant() -> None:
    """Whether or not the one before had the same: one too old, or none at all, is so however often it comes."""
    old, none, good = written(0), "2026-02-30T00:00:00Z", written()
    assessed = assess_one(
        E1, {"readings": [a_reading(read_at=at) for at in (old, old, good, old, good, none, none, written(RECEIVED_AT - 1))]}
    )

    assert (Reason.TOO_OLD, Stage.VALIDATE, [0, 1, 3, 5, 6], 3) == verdict_on(assessed)
    assert [RECEIVED_AT, RECEIVED_AT, RECEIVED_AT - 1] == [row.read_at for row in assessed.rows]


def test_digits_beyond_the_microsecond_are_cut_off() -> None:
    """Nanoseconds do not push a reading over the edge of the window."""
    newest = written(RECEIVED_AT + WINDOW.ahead_us)

    assert None is reason_of(E1, a_reading(read_at=newest.replace("+00:00", ".000000999Z")))


def test_the_time_is_judged_before_the_registry_is_asked() -> None:
    """A meter that is unknown and hopelessly late is not kept waiting for its registration."""
    assert Reason.TOO_OLD == reason_of(meter_reading("I1", "electricity", "E404"), a_reading(at=0))
