"""A short run of every fuzzed property, and what the long ones found: `python -m tests.fuzz --minutes 10`."""

import logging

import mqtt5
import pytest

from tests.fuzz.packets import SAMPLES, fed, in_pieces
from tests.fuzz.properties import PROPERTIES, check
from tests.fuzz.sessions import CONNACK, SUBACK, TWO_ANSWERS, Script, survives

# the codec says on the side, as an exception that nobody can catch, what it then panics about
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

NO_UTF8 = b"\x30\x05\x00\x02\xff\xfe\x00"
"""A PUBLISH whose topic is no UTF-8."""
GOOD = SAMPLES[10].write()


@pytest.mark.parametrize("name", PROPERTIES)
def test_whatever_comes_in_this_holds(name: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Each property for some hundred inputs, drawn from the session's seed."""
    caplog.set_level(logging.CRITICAL)
    assert check(name, seed) > 0


def test_a_text_that_is_no_utf8_ends_the_connection_in_order() -> None:
    """The codec panics at it, which is no Exception; what came before it is handed over all the same."""
    messages, closed, _ = fed([GOOD + NO_UTF8 + GOOD])
    assert (1, True) == (len(messages), closed)


def test_a_long_packet_is_read_once_and_not_again_with_each_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a message of 64 MiB costs a quarter of a minute of copying."""
    read, asked = mqtt5.read, 0

    def counting(view: memoryview) -> object:
        nonlocal asked
        asked += 1
        return read(view)

    monkeypatch.setattr(mqtt5, "read", counting)
    packet = mqtt5.PublishPacket("a", bytes(2**20), qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
    messages, _, _ = fed(in_pieces(packet, [4096] * 256))
    assert 1 == len(messages)
    assert asked <= 3


@pytest.mark.parametrize(
    ("connack", "suback", "garbage"),
    [
        (CONNACK, TWO_ANSWERS, b""), (CONNACK, SUBACK, NO_UTF8), (NO_UTF8, SUBACK, b""), (CONNACK, SUBACK, CONNACK + SUBACK),
        (SUBACK, CONNACK, b""),
    ],
    ids=["more answers than filters", "no UTF-8", "no UTF-8 at once", "answers nobody asked for", "in the wrong order"],
)  # fmt: skip
def test_a_broker_that_breaks_the_protocol_is_left_and_connected_to_anew(connack: bytes, suback: bytes, garbage: bytes) -> None:
    """And the process goes on."""
    survives(Script(connack, suback, [SAMPLES[10]], garbage, commits=True))


@pytest.mark.parametrize(
    "garbage", [b"", NO_UTF8, b"\xff" * 40, GOOD[:-1]], ids=["nothing", "no UTF-8", "garbage", "a packet cut off"]
)
@pytest.mark.parametrize("commits", [False, True])
def test_what_was_not_committed_is_not_acknowledged_whatever_follows_it(commits: bool, garbage: bytes) -> None:
    """Nor is it later, on the next connection, where its number may mean another message."""
    survives(Script(CONNACK, SUBACK, [SAMPLES[10], SAMPLES[12]], garbage, commits))
