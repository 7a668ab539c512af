"""The load: what it publishes, how it is framed, and how the broker's answers are read."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import mqtt5
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ingest.storage.registry_csv import read_files
from schemas.reading import ElectricityReading, GatewayBatch, utc
from simulators import frames
from simulators.commands.load import load as load_command
from simulators.load import Load, generate
from simulators.session import Broker, PublishError
from simulators.window import Window, percentile_ms

START = datetime(2026, 10, 1, tzinfo=UTC)
TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="+#\0", exclude_categories=["Cc", "Cn"]), min_size=1, max_size=80)
SIZES = st.sampled_from((0, 1, 100, 119, 120, 121, 16_370, 16_383, 2_097_151)) | st.integers(0, 300)
"""Around the sizes at which the remaining length takes another byte."""


@given(TOPICS, SIZES, st.integers(1, 65_535))
def test_every_frame_is_the_publish_it_was_made_from(topic: str, size: int, identifier: int) -> None:
    """Held against the codec, which is not ours."""
    payload = bytes(size)
    packet, length = mqtt5.read(memoryview(frame := frames.publish(topic, payload, identifier)))
    assert isinstance(packet, mqtt5.PublishPacket)
    assert (packet.topic, packet.payload, packet.packet_id, int(packet.qos)) == (topic, payload, identifier, 1)
    assert length == len(frame)


ACKS = st.builds(
    mqtt5.PubAckPacket,
    st.integers(1, 65_535),
    reason_code=st.sampled_from((mqtt5.PubAckReasonCode.SUCCESS, mqtt5.PubAckReasonCode.NOT_AUTHORIZED)),
    reason_str=st.none() | st.text("x", max_size=300),
)


@given(st.lists(ACKS, max_size=8), st.lists(st.integers(0, 500)))
def test_answers_are_read_however_they_arrive(acks: list[mqtt5.PubAckPacket], cuts: list[int]) -> None:
    """Short or long, cut anywhere: every packet once, in order, nothing left."""
    stream, found, rest, start = b"".join(ack.write() for ack in acks), [], b"", 0
    for cut in (*sorted(cuts), len(stream)):
        packets, rest = frames.packets(rest + stream[start:cut])
        found, start = found + packets, max(start, cut)
    assert [(each.packet_id, each.reason_str) for each in found] == [(each.packet_id, each.reason_str) for each in acks]
    assert rest == b""


def test_bytes_that_are_no_mqtt_are_refused() -> None:
    """A web server behind the port answers something else."""
    with pytest.raises(ValueError, match="Invalid"):
        frames.packets(b"\x00\x00")


@given(st.integers(1, 5), st.lists(st.integers(0, 5)))
def test_an_identifier_is_used_again_only_after_its_acknowledgement(size: int, steps: list[int]) -> None:
    """Acknowledged in any order, the window is never overrun."""
    window, waiting = Window(size), []
    for step in steps:
        if step and window.room:
            (taken,) = window.take(1, 0.0)
            assert taken not in waiting
            assert 1 <= taken <= size
            waiting.append(taken)
        elif waiting:
            window.release(waiting.pop(step % len(waiting)), 0.001)
        assert (window.waiting, window.room) == (len(waiting), size - len(waiting))


@pytest.mark.parametrize("identifier", [0, 2, 3, 65_535])
def test_an_acknowledgement_of_nothing_is_refused(identifier: int) -> None:
    """Miscounted PUBACKs would pass for throughput."""
    window = Window(2)
    assert window.take(1, 0.0) == [1]
    with pytest.raises(ValueError, match="waits for none"):
        window.release(identifier, 0.0)


def test_percentiles_are_taken_over_all_connections() -> None:
    """The nearest rank; nothing acknowledged is no latency."""
    assert percentile_ms([Counter({99: 50}), Counter({199: 49, 999: 1})], 50) == 1.0
    assert percentile_ms([Counter({99: 50}), Counter({199: 49, 999: 1})], 99) == 2.0
    assert percentile_ms([Counter()], 99) == 0.0


@given(st.integers(1, 7), st.integers(2, 9), st.integers(1, 20))
def test_batches_hold_the_contract_and_no_reading_twice(meters: int, each: int, messages: int) -> None:
    """Every message has as many readings as asked for; meters come in turn, instant after instant."""
    load = Load(messages, each, meters, START)
    batches = [GatewayBatch.model_validate_json(payload) for _, payload in load.published()]
    readings = [(reading.meter, utc(reading.read_at)) for batch in batches for reading in batch.readings]
    assert [len(batch.readings) for batch in batches] == [each] * messages
    assert len(set(readings)) == len(readings)
    assert max(at for _, at in readings) == START + load.duration()


def test_single_readings_hold_the_contract_and_repeat_rather_than_contradict() -> None:
    """The same meter at the same instant shows the same, whenever the load starts."""

    def shown(start: datetime) -> dict[tuple[str, str], float]:
        published = Load(9, 1, 3, start).published()
        readings = [(topic, ElectricityReading.model_validate_json(payload)) for topic, payload in published]
        return {(topic, reading.read_at): reading.energy_import_kwh for topic, reading in readings}

    first, again = shown(START), shown(START + timedelta(seconds=1))
    assert len(first) == 9
    assert len(first.items() & again.items()) == 6 == len(first.keys() & again.keys())


def test_endless_enough() -> None:
    """More messages than meters, and the other way round."""
    assert len(list(islice(Load(10, 1, 4, START).published(), 20))) == 10
    assert len(list(islice(Load(3, 1, 4, START).published(), 20))) == 3


def test_the_registry_files_can_be_imported(tmp_path: Path) -> None:
    """All required ones, with every meter under the gateway."""
    result = CliRunner().invoke(load_command, ["--registry", str(tmp_path), "--meters", "12"])
    assert result.exit_code == 0, result.output
    files = read_files(tmp_path)
    assert [(meter.meter, meter.gateway) for meter in files["meters"]][-1] == ("L000012", "G1")
    assert len(files["meters"]) == 12


CONNACK = mqtt5.ConnAckPacket(receive_max=2).write()
REFUSED = mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.BANNED).write()
NO_QOS_1 = mqtt5.ConnAckPacket(max_qos=mqtt5.QoS.AT_MOST_ONCE).write()
UNAUTHORIZED = mqtt5.PubAckPacket(1, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED, reason_str="no").write()
OVERRUN = mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.RECEIVE_MAX_EXCEEDED).write()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "is it an MQTT 5 broker"),
        ((b"",), "before it answered"),
        ((REFUSED,), r"refused the connection: banned \(0x8a\); check --username"),
        ((NO_QOS_1,), "takes no QoS 1"),
        ((CONNACK, UNAUTHORIZED), r"refused a publish: not_authorized \(0x87\) \('no'\); check its access list"),
        ((CONNACK, OVERRUN), "ended the connection: receive_max_exceeded"),
        ((CONNACK, mqtt5.PubAckPacket(7).write()), "broke the protocol"),
        ((CONNACK, b""), "closed the connection while publishing"),
    ],
)
async def test_every_failure_is_named(answers: tuple[bytes, ...], words: str) -> None:
    """By a broker that answers what it likes, then hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(65_536)
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        broker = Broker(*server.sockets[0].getsockname())
        with pytest.raises(PublishError, match=words):
            await generate(Load(9, 1, 3, START), broker, connections=1)
