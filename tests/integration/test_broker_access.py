"""The access rules that are shipped, on the real broker: who comes in, who may say what, and what whoever may not is told."""

import asyncio
from collections.abc import Iterator

import pytest

from ingest.stack import Mosquitto, Stack
from tests.absent import all_delivered, delivered, service
from tests.answers import V311, Publisher, publisher
from tests.published import client, institution_code, topic
from tests.running import own_broker

SCHOOL, HOSPITAL = institution_code(), institution_code()
SUCCESS, NO_SUBSCRIBERS, NOT_AUTHORIZED = 0x00, 0x10, 0x87
ACCEPTED = {SUCCESS, NO_SUBSCRIBERS}


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[Mosquitto]:
    """A broker on the shipped files with two institutions."""
    with own_broker(stack.programs, users={SCHOOL: "chalk", HOSPITAL: "gauze"}) as running:
        running.start()
        yield running


def test_nobody_comes_in_without_a_name_or_with_a_wrong_password(broker: Mosquitto) -> None:
    """CONNACK says not authorized."""
    for user, password in ((None, None), (SCHOOL, "wrong"), ("nobody", "chalk")):
        with publisher(broker, user, password) as stranger:
            assert ("CONNACK", NOT_AUTHORIZED) == stranger.answer()


def test_an_institution_publishes_as_itself_and_is_told_where_it_may_not(broker: Mosquitto) -> None:
    """Version 5: another institution's topic gets PUBACK 0x87, and the connection goes on."""
    with publisher(broker, SCHOOL) as meter:
        assert ("CONNACK", SUCCESS) == meter.answer()
        assert answers_to(meter, topic(SCHOOL), topic(HOSPITAL), topic("meterwarden"), "meterwarden/quota/x/y", topic(SCHOOL)) == [
            True, False, False, False, True,
        ]  # fmt: skip


def answers_to(meter: Publisher, *topics: str) -> list[bool]:
    """For each topic whether the publish was accepted, or refused as not authorized; AssertionError on anything else."""
    answers = [meter.publish(to) for to in topics]
    assert {packet for packet, _ in answers} == {"PUBACK"}
    assert {code for _, code in answers} <= {*ACCEPTED, NOT_AUTHORIZED}
    return [code in ACCEPTED for _, code in answers]


async def test_a_denied_publish_of_version_3_gets_an_ordinary_acknowledgement_and_vanishes(broker: Mosquitto) -> None:
    """3.1.1 has no way to say no. A gateway with the wrong topic believes that all is well: let gateways speak version 5."""
    async with service(broker, "+", identifier="vanishing") as reader:
        with publisher(broker, SCHOOL, version=V311) as meter:
            assert ("CONNACK", SUCCESS) == meter.answer()
            assert ("PUBACK", SUCCESS) == await asyncio.to_thread(meter.publish, topic(HOSPITAL), b"denied")
            assert ("PUBACK", SUCCESS) == await asyncio.to_thread(meter.publish, topic(SCHOOL), b"allowed")
        assert [b"allowed"] == await all_delivered(broker, reader, SCHOOL)
        await reader.unsubscribe("$share/g/metering/+/#")


def test_the_service_may_speak_for_its_canary_meter_and_for_no_other(broker: Mosquitto) -> None:
    """Its password forges no reading."""
    with publisher(broker, "ingest") as service:
        assert ("CONNACK", SUCCESS) == service.answer()
        allowed = ("metering/meterwarden/electricity/canary/reading", "meterwarden/quota/x/y")
        denied = (topic(SCHOOL), "metering/meterwarden/water/canary/reading", "metering/meterwarden/gateway/g/readings", "other")
        assert [True] * len(allowed) + [False] * len(denied) == answers_to(service, *allowed, *denied)


async def test_an_institution_reads_nothing(broker: Mosquitto) -> None:
    """Neither its own readings nor the quota states of others; the SUBACK does not say so."""
    async with client(broker, SCHOOL) as curious, client(broker) as simulator:
        await curious.subscribe("#", qos=1)
        await simulator.publish(topic(SCHOOL), b"1", qos=1)
        with publisher(broker, SCHOOL) as later:  # its CONNACK comes after the broker has dealt with the publish
            assert ("CONNACK", SUCCESS) == await asyncio.to_thread(later.answer)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await delivered(curious, 1)
