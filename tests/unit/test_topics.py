"""Topic names: what the contract writes, intake reads; everything else is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import topics
from ingest.errors import Reason, Rejection, Stage
from ingest.topics import TopicName
from schemas import topics as contract
from schemas.registers import Medium

codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


def _matches(filter_: str, topic: str) -> bool:
    """Whether a topic filter with `+` takes a topic name (MQTT 5, section 4.7.1)."""
    levels, wanted = topic.split("/"), filter_.split("/")
    return len(levels) == len(wanted) and all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))


@given(codes, codes, st.sampled_from(Medium))
def test_what_the_contract_writes_is_read_back(institution: str, device: str, medium: Medium) -> None:
    """Institution, medium and device survive, whatever the codes."""
    reading = topics.parse(contract.meter_reading(institution, medium, device))
    readings = topics.parse(contract.gateway_readings(institution, device))
    session = topics.parse(contract.charger_session(institution, device))

    assert TopicName("reading", institution, medium.value, device, f"{institution}/{medium.value}/{device}") == reading
    assert TopicName("readings", institution, "gateway", device, f"{institution}/gateway/{device}") == readings
    assert TopicName("session", institution, "charger", device, f"{institution}/charger/{device}") == session


@given(codes, codes, st.sampled_from(Medium))
def test_intake_subscribes_to_what_it_can_read(institution: str, device: str, medium: Medium) -> None:
    """Each topic of the contract is taken by exactly one of intake's filters: nothing is missed, nothing comes twice."""
    for topic in (
        contract.meter_reading(institution, medium, device),
        contract.gateway_readings(institution, device),
        contract.charger_session(institution, device),
    ):
        assert 1 == sum(_matches(filter_, topic) for filter_ in contract.INTAKE_FILTERS)


@given(codes, codes)
def test_what_we_publish_ourselves_is_no_reading(institution: str, indicator: str) -> None:
    """A quota state lies outside what meters may publish and intake reads."""
    topic = contract.quota(institution, indicator)

    assert not any(_matches(filter_, topic) for filter_ in contract.INTAKE_FILTERS)
    with pytest.raises(Rejection):
        topics.parse(topic)


@pytest.mark.parametrize(
    "topic",
    ["", "metering", "metering/I1/electricity/reading", "metering/I1/electricity/E1/reading/x",
     "/metering/I1/electricity/E1/reading",
     "metering/I1/heat/H1/reading", "metering/I1/electricity/E1/Reading", "metering/I1/water/W1/session",
     "metering/I1/gateway/G1/status", "metering/I1/charger/C1/status", "metering/I1/gateway/G1/reading",
     "metering//water/W1/reading", "metering/I1/water//reading", "metering/I1/gateway//readings", "metering/I1/charger//session",
     "metering/I 1/water/W1/reading", "metering/I1/water/.W1/reading", "metering/I1/water/水表/reading",
     f"metering/I1/water/{'W' * 65}/reading", "metering/I1/charger/C1/readings",
     "meterwarden/I1/water/W1/reading", "metering/I1/ water/W1/reading",
     "metering\\I1\\water\\W1\\reading"],
)  # fmt: skip
def test_any_other_topic_is_refused(topic: str) -> None:
    """One level too many, too few, misspelt, or no code."""
    with pytest.raises(Rejection) as refused:
        topics.parse(topic)

    assert (Reason.UNKNOWN_TOPIC, Stage.IDENTIFY) == (refused.value.reason, refused.value.stage)


def test_more_topics_than_are_remembered_are_parsed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, whoever publishes under however many codes; proper topics only are kept."""
    remembered: dict[str, topics.TopicName] = {}
    monkeypatch.setattr(topics, "_remembered", remembered)
    monkeypatch.setattr(topics, "REMEMBERED", 7)
    for number in [*range(40), *range(40)]:
        assert topics.parse(contract.meter_reading("I1", "water", f"W{number}")).device == f"W{number}"
        with pytest.raises(Rejection):
            topics.parse(f"metering/I1/water/W {number}/reading")
        assert 0 < len(remembered) <= 7


@given(st.text())
def test_any_text_is_parsed_or_refused(topic: str) -> None:
    """No topic raises anything else."""
    _assert_parsed_or_refused(topic)


@given(
    st.lists(
        st.sampled_from(["metering", "I1", "electricity", "water", "gateway", "charger", "reading", "readings", "session", ""])
    )
)
def test_a_parsed_topic_is_the_topic(levels: list[str]) -> None:
    """Nothing of a topic is lost or made up, also where codes look like words of the contract."""
    _assert_parsed_or_refused("/".join(levels))


def _assert_parsed_or_refused(topic: str) -> None:
    with contextlib.suppress(Rejection):
        parsed = topics.parse(topic)
        assert topic == "/".join(("metering", parsed.institution, parsed.medium, parsed.device, parsed.kind))
