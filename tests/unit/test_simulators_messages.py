"""Messages: what is sent keeps the contract, what is malformed does not."""

import json
from collections import Counter
from decimal import Decimal
from functools import cache
from typing import Any

import pydantic
import pytest

from schemas import reading
from schemas.gateway import GatewayStatus
from simulators import fleet, malformed, run, stream
from simulators.malformed import SINGLE, Kind
from simulators.messages import Message, Outcome, Reason
from simulators.month import Month
from simulators.run import Run
from simulators.scenario import Scenario

MONTH = Month(2026, 2)
DAYS = 4
BY_MEDIUM: dict[str, tuple[type[reading.Wire], type[reading.Wire]]] = {
    "electricity": (reading.ElectricityReading, reading.ElectricityBatch),
    "water": (reading.WaterReading, reading.WaterBatch),
    "charger": (reading.ChargerReading, reading.ChargerBatch),
}
BEYOND_SCHEMA = {
    Reason.TIME_IN_FUTURE, Reason.TOO_OLD, Reason.INVALID_TIME, Reason.UNKNOWN_METER, Reason.UNKNOWN_REGISTER,
    Reason.UNKNOWN_TOPIC, Reason.OUT_OF_RANGE, Reason.IDENTITY_MISMATCH, Reason.TOO_LARGE,
}  # fmt: skip
"""What only intake's own rules refuse: clock, registry, size."""
EVERY_KIND = (*malformed.KINDS, *(kind for kind in SINGLE.values() if isinstance(kind, Kind)))


@cache
def built() -> Run:
    return run.build(fleet.build(10, 5, MONTH), Scenario(), DAYS)


@cache
def good() -> tuple[Message, ...]:
    return tuple(message for message in stream.messages(built()) if message.is_good)


def model(message: Message) -> type[reading.Wire]:
    """The published model of a message: by topic, and for one meter by what the payload is."""
    medium = message.topic.split("/")[2]
    if medium == "gateway":
        return reading.GatewayBatch
    single, batch = BY_MEDIUM[medium]
    return batch if b'"readings"' in message.payload else single


def test_every_good_payload_validates_against_the_contract() -> None:
    """With the model its topic asks for, and at the expected count."""
    assert len(good()) == stream.count(built())
    for message in good():
        assert model(message).model_validate_json(message.payload)
        assert message.reason is None


def test_a_payload_holds_the_readings_the_ledger_gets() -> None:
    """Meter, instant and exact decimal agree, register by register, in compact JSON."""
    for message in good():
        assert b" " not in message.payload
        kept = iter(message.readings)
        fields = json.loads(message.payload, parse_float=Decimal)
        for sent in fields.get("readings", [fields]):
            for register in (name for name in sent if name.startswith(("energy", "volume"))):
                _agree(sent, register, *next(kept))
        assert next(kept, None) is None


def _agree(sent: dict[str, Any], register: str, device: Any, read_at_s: int, milli: int) -> None:
    assert sent.get("meter", device.meter.code) == device.meter.code
    assert sent["read_at"].endswith("+08:00")
    assert int(reading.utc(sent["read_at"]).timestamp()) == read_at_s
    assert register == device.register
    assert sent[register] * 1000 == milli


def test_every_device_reads_at_its_interval_up_to_the_last_instant() -> None:
    """Nothing missing, nothing twice, so that the register proves the time."""
    times: dict[int, list[int]] = {device.number: [] for device in built().devices}
    for message in good():
        for device, read_at_s, _ in message.readings:
            times[device.number].append(read_at_s)
    for device in built().devices:
        assert times[device.number] == list(range(MONTH.start_s, MONTH.start_s + DAYS * 86_400 + 1, device.interval_s))
    assert {device.interval_s for device in built().devices} == {300, 900, 1_800, 3_600}


def test_a_register_shows_the_truth_and_spreads_it_within_the_hour() -> None:
    """At full hours exactly what the meter itself would show; in between it never falls but where it rolls over."""
    shown: dict[int, list[int]] = {device.number: [] for device in built().devices}
    for message in good():
        for device, _, milli in message.readings:
            shown[device.number].append(milli)
    for device in (each for each in built().devices if not each.export):
        per_hour = 3_600 // device.interval_s
        truth = [device.meter.display.milli(steps) for steps in device.meter.shown_steps()][: DAYS * 24 + 1]
        assert shown[device.number][::per_hour] == truth


def test_gateways_collect_and_some_meters_publish_by_themselves() -> None:
    """One batch an hour, four hours in a batch, or one message a meter."""
    identities = {site.identity.code: site.identity for site in built().sites}
    assert {identity.hours_per_message for identity in identities.values()} == {1, 4}
    alone = {message.sender for message in good() if message.topic.endswith("/reading")}
    assert alone == {code for code, identity in identities.items() if identity.gateway is None}
    assert alone


def test_messages_come_in_simulated_order() -> None:
    """The stream's clock never goes back, births and wills included."""
    times = [message.send_at_s for message in stream.messages(built())]
    assert times == sorted(times)


def test_a_gateway_is_born_once_where_nothing_goes_wrong() -> None:
    """Retained, by the contract, and no will follows."""
    statuses = [message for message in stream.messages(built()) if message.outcome is Outcome.STATUS]
    assert Counter(message.topic for message in statuses) == {
        f"metering/{site.identity.code}/gateway/{site.identity.gateway}/status": 1
        for site in built().sites
        if site.identity.gateway
    }
    for message in statuses:
        assert message.retain
        assert GatewayStatus.model_validate_json(message.payload).status == "online"


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
@pytest.mark.parametrize("own", [False, True], ids=["gateway", "by itself"])
def test_every_malformed_kind_is_refused(kind: malformed.Kind, own: bool) -> None:
    """By the contract's models where it is the contract that is broken; the rest is proper but for size, clock or registry."""
    base = next(message for message in good() if message.topic.endswith("/reading") is own)
    message = kind.make(base, "XN-0002")
    assert (message.topic, message.payload) != (base.topic, base.payload)
    if kind.reason is Reason.UNKNOWN_TOPIC:
        assert "/steam/" in message.topic
    elif kind.reason in BEYOND_SCHEMA:
        assert model(message).model_validate_json(message.payload)
    else:
        with pytest.raises(pydantic.ValidationError):
            model(message).model_validate_json(message.payload)


def test_every_reason_has_a_malformed_kind() -> None:
    """Nothing intake may say of a message goes untried."""
    assert {kind.reason for kind in malformed.KINDS} == set(Reason)


@pytest.mark.parametrize("own", [False, True], ids=["gateway", "by itself"])
def test_a_conflict_is_proper_and_one_display_step_apart(own: bool) -> None:
    """So that nothing but the value tells it from the reading it contradicts."""
    base = next(message for message in good() if message.topic.endswith("/reading") is own)
    message = SINGLE["conflict"].make(base, "XN-0002")
    assert model(message).model_validate_json(message.payload)
    ((device, read_at_s, milli),) = message.readings
    assert (device, read_at_s) == base.readings[0][:2]
    assert abs(milli - base.readings[0][2]) == device.meter.display.milli(1)
    assert message.outcome is Outcome.DISPUTED


def test_malformed_kinds_break_what_they_say() -> None:
    """Size, nesting, identity and meter are what they should be."""
    base = good()[0]
    made = {kind.name: kind.make(base, "XN-0002") for kind in EVERY_KIND}
    assert len(made["too_large"].payload) > 256 * 1024
    assert made["too_deep"].payload.count(b"[") == 500
    assert json.loads(made["identity"].payload)["readings"][0]["institution"] == "XN-0002" != base.sender
    assert json.loads(made["unknown_meter"].payload)["readings"][0]["meter"] == malformed.STRANGE_METER
    assert b"1e400" in made["overflow"].payload
    assert b"NaN" in made["nan"].payload
    for name in ("invalid_utf8", "garbage"):
        with pytest.raises(UnicodeDecodeError):
            made[name].payload.decode()
