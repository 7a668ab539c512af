"""Whatever bytes a native topic is sent: stored, or kept once for a reason that fits; the line goes on, the accounts balance."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.stack import Stack
from schemas.topics import charger_session, gateway_readings, meter_reading
from tests.databases import Database
from tests.faults.gateway import Gateway
from tests.faults.hostile import Bytes, below, examples, foreign, misshapen, mutated, proper
from tests.faults.script import sent_of
from tests.faults.stream import Sent
from tests.published import at, institution_code, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, balances, running_service

ELECTRICITY = "electricity"
LINE = 100
"""After so many hostile messages comes a good reading."""


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution with a meter of each medium, and one for the good readings."""
    name = institution_code()
    meters = [meter("E1", name), meter("W1", name, "water"), meter("C1", name, "charger"), meter("GOOD", name)]
    await import_files(database, write_files(tmp_path / "registry", [institution(name)], meters))
    return name


def native_topics(code: str) -> list[str]:
    """One of each kind."""
    return [
        meter_reading(code, ELECTRICITY, "E1"), meter_reading(code, "water", "W1"), meter_reading(code, "charger", "C1"),
        gateway_readings(code, "G1"), charger_session(code, "C1"),
    ]  # fmt: skip


async def survive(stack: Stack, database: Database, service: Service, code: str, hostile: Sequence[Sent]) -> dict[bytes, str]:
    """Publish everything twice among good readings; returns why each message is in quarantine, by its key."""
    messages, good = [], 0
    for start in range(0, len(hostile), LINE):
        part = hostile[start : start + LINE]
        messages += [*part, *part, sent_of(topic(code, "GOOD"), {"read_at": at(good).isoformat(), "energy_import_kwh": good})]
        good += 1
    await Gateway(stack.mosquitto).publish(messages)
    metrics = await service.counted(received=len(messages))
    assert balances(metrics)
    assert len(messages) == metrics["messages_received_total"] == metrics["messages_acknowledged_total"]
    stored = """SELECT count(*) FROM metering.reading JOIN metering.channel USING (channel) JOIN metering.meter USING (meter)
                WHERE meter.code = 'GOOD'"""
    assert [(good,)] == await database.rows(stored)
    kept = await database.rows("SELECT key, topic, payload, reason FROM metering.quarantine")
    wanted = {one.key: one for one in hostile}
    assert len(kept) == len({bytes(key) for key, *_ in kept}), "a message is kept twice"
    for key, kept_topic, payload, _ in kept:
        assert wanted[bytes(key)] == Sent(bytes(kept_topic).decode(), bytes(payload)), "a message is not kept as it came"
    assert metrics['messages_total{outcome="rejected"}'] == sum(one.key in {bytes(key) for key, *_ in kept} for one in hostile) * 2
    return {bytes(key): reason for key, _, _, reason in kept}


def unfit(hostile: Sequence[tuple[Sent, Bytes]], reasons: dict[bytes, str], *, may_be_stored: bool) -> list[tuple[str, str, str]]:
    """What was kept for a reason that does not fit, or not kept: topic, name, reason."""
    found = [(sent.topic, one.name, reasons.get(sent.key, "stored")) for sent, one in hostile]
    fitting = [{*one.fitting, "stored"} if may_be_stored else one.fitting for _, one in hostile]
    return [row for row, fits in zip(found, fitting, strict=True) if row[2] not in fits]


async def test_no_bytes_on_any_native_topic_stop_the_line_or_are_kept_for_a_reason_that_does_not_fit(
    stack: Stack, database: Database, tmp_path: Path, code: str, seed: int
) -> None:
    """The contract's examples, mutations of them, foreign formats and encodings: each on every kind of topic, twice."""
    everywhere = [*examples(), *mutated(random.Random(seed), 300)]
    hostile = [(Sent(name, one.payload), one) for one in everywhere for name in native_topics(code)]
    never = [(Sent(name, one.payload), one) for one in foreign() for name in native_topics(code)]
    wrong = [(Sent(native_topics(code)[0], one.payload), one) for one in misshapen()]
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        reasons = await survive(stack, database, service, code, [sent for sent, _ in (*hostile, *never, *wrong)])
        await service.ready()
    assert [] == unfit(hostile, reasons, may_be_stored=True)
    assert [] == unfit([*never, *wrong], reasons, may_be_stored=False)


async def test_odd_but_proper_numbers_are_stored_as_what_they_say(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The smallest double there is, minus zero, exponents, more digits than a double holds: rounded to the watt-hour, once each."""
    messages = [Sent(topic(code), payload) for payload in proper()]
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        assert {} == await survive(stack, database, service, code, messages)
    stored = """SELECT value FROM metering.reading JOIN metering.channel USING (channel) JOIN metering.meter USING (meter)
                WHERE meter.code = 'E1' ORDER BY read_at"""
    assert [0, 0, 100_000, 1000, 1000, 999_999_999, 300, 100_000_000] == [value for (value,) in await database.rows(stored)]


async def test_every_file_of_a_corpus_is_stored_or_kept_once_for_a_reason_that_fits(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Every file below the directory that METERWARDEN_CORPUS names, on every kind of native topic, twice."""
    if not (corpus := os.environ.get("METERWARDEN_CORPUS")):
        pytest.skip("METERWARDEN_CORPUS names no directory of files to publish")
    hostile = [(Sent(name, one.payload), one) for one in below(Path(corpus)) for name in native_topics(code)]
    assert hostile, f"no files below {corpus}"
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        reasons = await survive(stack, database, service, code, list(dict.fromkeys(sent for sent, _ in hostile)))
        await service.ready()
    for reason in sorted(set(reasons.values())):
        print(f"{list(reasons.values()).count(reason):6} {reason}")
    print(f"{len({sent for sent, _ in hostile}) - len(reasons):6} stored")
    assert [] == unfit(hostile, reasons, may_be_stored=True)
