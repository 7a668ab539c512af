"""Who may say what of which meter: topics, gateways, institutions, and the version of a meter in force when it was read."""

import pytest

from ingest.errors import Reason, Stage
from ingest.intake import assess
from ingest.messages import Row
from ingest.registry import Registry
from schemas.topics import charger_session, gateway_readings, meter_reading
from tests.unit.assessing import (
    ALWAYS,
    E1,
    E6,
    EM,
    FOREVER,
    G1,
    G2,
    MAX_PAYLOAD_BYTES,
    MOVED_AT,
    RECEIVED_AT,
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


def test_the_version_in_force_at_the_reading_counts() -> None:
    """A meter belongs to where it was registered when it was read, not to where it is now."""
    before, after = MOVED_AT - 1, MOVED_AT
    readings = [of_meter("EV", read_at=written(at)) for at in (before, after)]

    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [1], 1) == verdict_on(assess_one(G1, {"readings": readings}))
    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 1) == verdict_on(assess_one(G2, {"readings": readings}))


def test_the_order_of_versions_does_not_matter() -> None:
    """The registry finds the version in force however storage listed them."""
    versions = [
        registered("I1/electricity/EV", 7, gateway, valid, energy_import_kwh=energy(70))
        for gateway, valid in (("G1", (0, MOVED_AT)), ("G2", (MOVED_AT, FOREVER)))
    ]
    for registry in (Registry(1, versions), Registry(1, reversed(versions))):
        rows = [registry.row("I1/electricity/EV", at) for at in (MOVED_AT - 1, MOVED_AT)]
        assert [[True, False], [False, True]] == [
            [registry.is_under(row, registry.gateway("I1", gateway)) for gateway in ("G1", "G2")] for row in rows
        ]
        assert 1 == len(registry)


@pytest.mark.parametrize(
    "topic",
    ["", "/", "metering/I1/electricity/E1", "metering/I1/gas/R1/reading", "metering/I1/gateway/G1/reading",
     "metering/I1/electricity/E1/readings", "metering/I1/charger/C1/status", "metering/I1/electricity/E1/reading/",
     "Metering/I1/electricity/E1/reading", "meterwarden/quota/I1/electricity_per_area", "metering//electricity/E1/reading",
     "metering/I1/gateway//readings", "metering/I1/charger/C 1/session"],
)  # fmt: skip
def test_another_topic_is_refused(topic: str) -> None:
    """A subscription that is too wide cannot turn foreign messages into readings."""
    assert (Reason.UNKNOWN_TOPIC, Stage.IDENTIFY, [], 0) == verdict_on(assess_one(topic, a_reading()))


def test_an_unknown_meter_is_named_for_replay() -> None:
    """What is wanted is the path under which the meter would be registered."""
    assessed = assess_one(meter_reading("I1", "electricity", "E404"), a_reading())

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [0], 0) == verdict_on(assessed)
    assert ["I1/electricity/E404"] == assessed.rejected.wanted  # type: ignore[union-attr]


def test_unknown_meters_of_a_batch_are_each_named_once_and_the_others_are_kept() -> None:
    """The good readings are stored now, the unknown ones when their meters are registered."""
    meters = ["E404", "E1", "E405", "E404"]
    assessed = assess_one(G1, {"readings": [of_meter(meter) for meter in meters]})

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [0, 2, 3], 1) == verdict_on(assessed)
    assert ["I1/electricity/E404", "I1/electricity/E405"] == assessed.rejected.wanted  # type: ignore[union-attr]


def test_an_unknown_charger_has_no_session() -> None:
    """Sessions are tied to registered chargers like readings to meters."""
    assessed = assess_one(charger_session("I1", "C404"), a_session())

    assert (Reason.UNKNOWN_METER, Stage.IDENTIFY, [], 0) == verdict_on(assessed)
    assert not assessed.sessions


def test_a_meter_of_another_institution_is_unknown_here() -> None:
    """Neither its own topic nor a gateway can reach over the institution's edge."""
    assert Reason.UNKNOWN_METER == reason_of(meter_reading("I1", "electricity", "E9"), a_reading())
    assert Reason.UNKNOWN_METER == reason_of(G1, {"readings": [of_meter("E9")]})


def test_a_payload_that_names_another_institution_is_refused() -> None:
    """The broker's access list vouches for the topic; the payload may only agree."""
    for topic, payload in (
        (E1, a_reading(institution="I2")),
        (G1, {"readings": [of_meter("E1", institution="I2")]}),
        (gateway_readings("I2", "G1"), {"readings": [of_meter("E9", institution="I1")]}),
    ):
        assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == verdict_on(assess_one(topic, payload))


def test_a_payload_that_names_another_meter_is_refused() -> None:
    """A cable swapped in the cabinet shows here."""
    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == verdict_on(assess_one(E1, a_reading(meter="E6")))


def test_a_gateway_may_not_speak_for_meters_of_another_gateway() -> None:
    """Registered in the institution is not enough, nor is a gateway that no meter is registered under."""
    for gateway in ("G2", "G404"):
        verdict = verdict_on(assess_one(gateway_readings("I1", gateway), {"readings": [of_meter("E1")]}))
        assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == verdict


def test_a_gateway_may_not_speak_for_a_meter_without_one() -> None:
    """A charger that publishes by itself has no gateway, also none of an unknown name."""
    stated = {"medium": "charger", "meter": "C1"} | a_reading()

    for gateway in ("G1", "G404"):
        assert Reason.IDENTITY_MISMATCH == reason_of(gateway_readings("I1", gateway), {"readings": [stated]})


def test_gateways_of_the_same_code_in_two_institutions_are_two() -> None:
    """G1 of I2 is not G1 of I1."""
    assert None is reason_of(gateway_readings("I2", "G1"), {"readings": [of_meter("E9")]})
    assert Reason.UNKNOWN_METER == reason_of(gateway_readings("I2", "G1"), {"readings": [of_meter("E1")]})


def test_a_meter_not_registered_at_that_time_is_refused() -> None:
    """EM came to I1 ten days ago: what it counted before is not I1's."""
    assert [Row(60, MOVED_AT, 48_213_750, RECEIVED_AT)] == assess_one(EM, a_reading(at=MOVED_AT)).rows
    assert (Reason.IDENTITY_MISMATCH, Stage.IDENTIFY, [0], 0) == verdict_on(assess_one(EM, a_reading(at=MOVED_AT - 1)))


def test_an_unknown_register_refuses_the_reading_whole() -> None:
    """No register of a reading is stored while another one is in doubt; what is wanted names it."""
    assessed = assess_one(E6, a_reading(power_kw=3))

    assert (Reason.UNKNOWN_REGISTER, Stage.IDENTIFY, [0], 0) == verdict_on(assessed)
    assert ["I1/electricity/E6/power_kw"] == assessed.rejected.wanted  # type: ignore[union-attr]


def test_a_meter_may_be_called_readings() -> None:
    """`readings` is a meter code like any other."""
    registry = Registry(1, [registered("I1/electricity/readings", 1, None, ALWAYS, energy_import_kwh=energy(10))])
    message = a_message(meter_reading("I1", "electricity", "readings"), a_reading(meter="readings"))
    [assessed] = assess([message], registry, WINDOW, MAX_PAYLOAD_BYTES)

    assert 1 == len(assessed.rows)


@pytest.mark.parametrize("code", ["E" * 65, "E" * 10_000, "", ".", "-1", "E 1", "表1"])
def test_a_code_that_can_never_be_registered_is_not_wanted(code: str) -> None:
    """Codes have at most 64 letters: a longer one waits for nothing, and must fit the index of what is waited for."""
    for topic, payload in (
        (meter_reading("I1", "electricity", code), a_reading()),
        (meter_reading(code, "electricity", "E1"), a_reading()),
        (gateway_readings("I1", code), {"readings": [of_meter("E1")]}),
        (charger_session("I1", code), a_session()),
    ):
        assessed = assess_one(topic, payload)
        assert (Reason.UNKNOWN_TOPIC, Stage.IDENTIFY, [], 0) == verdict_on(assessed)
        assert [] == assessed.rejected.wanted  # type: ignore[union-attr]
