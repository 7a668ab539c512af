"""Messages and faults: what is sent keeps the contract, what is malformed does not, and faults never alter the truth."""

import hashlib
import json
from collections import Counter
from decimal import Decimal
from functools import cache
from itertools import pairwise
from random import Random

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import reading
from simulators import faults, fleet, malformed, stream
from simulators.faults import Rates
from simulators.fleet import Fleet
from simulators.messages import Message, Reason
from simulators.month import HOUR_SECONDS, Month

MONTH = Month(2026, 2)
BY_MEDIUM: dict[str, tuple[type[reading.Wire], type[reading.Wire]]] = {
    "electricity": (reading.ElectricityReading, reading.ElectricityBatch),
    "water": (reading.WaterReading, reading.WaterBatch),
    "charger": (reading.ChargerReading, reading.ChargerBatch),
}
BEYOND_SCHEMA = {Reason.TIME_IN_FUTURE, Reason.UNKNOWN_METER, Reason.IDENTITY_MISMATCH, Reason.TOO_LARGE}
"""What only intake's own rules refuse: clock, registry, size."""
RATES = st.builds(Rates, *[st.floats(0, 1)] * 3)


@cache
def built() -> Fleet:
    return fleet.build(10, 5, MONTH)


@cache
def good() -> tuple[Message, ...]:
    return tuple(stream.messages(built()))


def model(message: Message) -> type[reading.Wire]:
    """The published model of a message: by topic, and for one meter by what the payload is."""
    medium = message.topic.split("/")[2]
    if medium == "gateway":
        return reading.GatewayBatch
    single, batch = BY_MEDIUM[medium]
    return batch if b'"readings"' in message.payload else single


def digest(messages: list[Message]) -> str:
    """One hash over everything that is published, in order."""
    whole = hashlib.sha256()
    for message in messages:
        whole.update(b"%d\0%s\0%s\0" % (message.send_at_s, message.topic.encode(), message.payload))
    return whole.hexdigest()


def test_the_same_seed_publishes_the_same_bytes() -> None:
    """Byte for byte, in the same order, faults included; another seed publishes others."""

    def published(seed: int) -> str:
        of = fleet.build(6, seed, MONTH)
        return digest(list(faults.inject(stream.messages(of), Rates(0.05, 0.05, 0.02), seed, of.codes)))

    assert published(3) == published(3)
    assert published(3) != published(4)


def test_every_good_payload_validates_against_the_contract() -> None:
    """With the model its topic asks for, and at the expected count."""
    assert len(good()) == stream.count(built())
    for message in good():
        assert model(message).model_validate_json(message.payload)
        assert message.reason is None


def test_a_payload_holds_the_readings_the_ledger_gets() -> None:
    """Meter, instant and exact decimal agree, in compact JSON."""
    for message in good()[:2000]:
        assert b" " not in message.payload
        fields = json.loads(message.payload, parse_float=Decimal)
        for sent, kept in zip(fields.get("readings", [fields]), message.readings, strict=True):
            assert sent.get("meter", kept.meter) == kept.meter
            assert sent["read_at"].endswith("+08:00")
            assert int(reading.utc(sent["read_at"]).timestamp()) * 1_000_000 == kept.read_at_us
            assert sent[kept.register] * 1000 == kept.value_milli


def test_every_meter_is_read_every_hour_up_to_the_next_months_first_instant() -> None:
    """Nothing missing, nothing twice, so that the register proves the month."""
    counts = Counter(each[:4] for message in good() for each in message.readings)
    assert set(counts.values()) == {28 * 24 + 1}
    assert len(counts) == sum(len(each.meters) for each in built().institutions)
    assert len({each[:5] for message in good() for each in message.readings}) == sum(counts.values())


def test_gateways_collect_and_some_meters_publish_by_themselves() -> None:
    """One batch an hour, four hours in a batch, or one message a meter."""
    sizes = {each.identity.code: each.identity for each in built().institutions}
    assert {identity.hours_per_message for identity in sizes.values()} == {1, 4}
    alone = {message.sender for message in good() if message.topic.endswith("/reading")}
    assert alone == {code for code, identity in sizes.items() if identity.gateway is None}
    assert alone


def test_messages_come_in_simulated_order() -> None:
    """The stream's clock never goes back."""
    times = [message.send_at_s for message in good()]
    assert times == sorted(times)


@given(RATES, st.integers(0, 99))
def test_faults_never_alter_the_truth(rates: Rates, seed: int) -> None:
    """Whatever the rates, every good message goes out, and the good readings are the same."""
    sent = list(faults.inject(good()[:300], rates, seed, built().codes))
    kept = {(message.topic, message.payload) for message in sent if message.reason is None}
    assert kept == {(message.topic, message.payload) for message in good()[:300]}
    assert not any(message.readings for message in sent if message.reason)
    assert [message.send_at_s for message in sent if message.reason is None] == sorted(
        message.send_at_s for message in sent if message.reason is None
    )


def test_late_messages_are_held_back_one_to_48_hours() -> None:
    """And no message is lost or doubled by it."""
    sent = list(faults.late(good(), 0.3, Random(1)))
    held = [b.send_at_s - a.send_at_s for a, b in zip(_by_content(good()), _by_content(sent), strict=True)]
    assert len(sent) == len(good())
    assert set(held) <= {hours * HOUR_SECONDS for hours in range(49)}
    assert max(held) > 40 * HOUR_SECONDS


def test_a_duplicate_has_the_same_bytes_and_follows_the_first() -> None:
    """The rate is met, and nothing is repeated before it was sent."""
    sent = list(faults.duplicates(good(), 0.1, Random(2)))
    counts = Counter((message.topic, message.payload) for message in sent)
    assert set(counts.values()) == {1, 2}
    assert 0.08 < (len(sent) - len(good())) / len(good()) < 0.12


def test_malformed_messages_follow_the_one_they_were_made_from() -> None:
    """So that the good reading in a half-bad batch is stored already; all kinds take turns."""
    sent = list(faults.extras(good(), 0.05, Random(3), built().codes))
    extra = [(before, message) for before, message in pairwise(sent) if message.reason]
    assert [message.reason for _, message in extra[:15]] == [kind.reason for kind in malformed.KINDS]
    assert all(before.sender == message.sender and before.reason is None for before, message in extra)


@pytest.mark.parametrize("kind", malformed.KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("own", [False, True], ids=["gateway", "by itself"])
def test_every_malformed_kind_is_refused(kind: malformed.Kind, own: bool) -> None:
    """By the contract's models where it is the contract that is broken; the rest is proper but for size, clock or registry."""
    base = next(message for message in good() if message.topic.endswith("/reading") is own)
    message = kind.make(base, "XN-0002")
    assert (message.topic, message.payload) != (base.topic, base.payload)
    if kind.reason in BEYOND_SCHEMA:
        assert model(message).model_validate_json(message.payload)
    else:
        with pytest.raises(pydantic.ValidationError):
            model(message).model_validate_json(message.payload)


def test_every_reason_has_a_malformed_kind() -> None:
    """Nothing intake may say goes untried."""
    assert {kind.reason for kind in malformed.KINDS} == set(Reason)


def test_malformed_kinds_break_what_they_say() -> None:
    """Size, nesting, identity and meter are what they should be."""
    base = good()[0]
    made = {kind.name: kind.make(base, "XN-0002") for kind in malformed.KINDS}
    assert len(made["too_large"].payload) > 256 * 1024
    assert made["too_deep"].payload.count(b"[") == 500
    assert json.loads(made["identity"].payload)["readings"][0]["institution"] == "XN-0002" != base.sender
    assert json.loads(made["unknown_meter"].payload)["readings"][0]["meter"] == malformed.STRANGE_METER
    assert b"1e400" in made["overflow"].payload
    assert b"NaN" in made["nan"].payload
    with pytest.raises(UnicodeDecodeError):
        made["invalid_utf8"].payload.decode()


def _by_content(messages: tuple[Message, ...] | list[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: (message.topic, message.payload))
