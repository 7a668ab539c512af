"""Promise 8: one message the database never takes is that message's fault; what hits every message is the world's."""

import asyncio
import json
import os
import random
from pathlib import Path

import pytest

from ingest.stack import Stack
from schemas.topics import gateway_readings
from tests.databases import ROOT, Database
from tests.faults.conftest import Judge
from tests.faults.gateway import Gateway
from tests.faults.stream import Sent, Stream
from tests.published import at, expected, institution_code, publish, publish_with_paho, reading, readings, stored, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, balances, eventually, running_service

POISON_KWH = 666.666
TEN_THOUSAND = 10_000
REFUSE_POISON = """
    CREATE FUNCTION metering.refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.value = 666666 THEN RAISE EXCEPTION 'the beast' USING ERRCODE = '22023'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_poison BEFORE INSERT ON metering.reading FOR EACH ROW EXECUTE FUNCTION metering.refuse_poison();
"""


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution of the test's own, and a database that never takes the value 666.666."""
    name = institution_code()
    await import_files(database, write_files(tmp_path / "registry", [institution(name)], [meter(of=name)]))
    await database.run(REFUSE_POISON)
    return name


async def quarantined(database: Database) -> list[tuple[bytes, str, str]]:
    """Payload, reason and stage of every quarantined message."""
    rows = await database.rows("SELECT payload, reason, stage FROM metering.quarantine ORDER BY quarantine")
    return [(bytes(payload), reason, stage) for payload, reason, stage in rows]


async def test_one_message_of_ten_thousand_that_the_database_never_takes_is_quarantined_once_however_often_it_comes(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int
) -> None:
    """Found by halving among whole batches, again after a kill, told in the log; nobody else notices."""
    rng, poison = random.Random(seed), poison_of(stream)
    await database.run(REFUSE_POISON)
    async with running_service(database, stack.mosquitto, tmp_path, batch__messages=500) as service:
        for part in range(3):
            messages = with_poison(rng, stream, poison, TEN_THOUSAND // 3)
            publishing = asyncio.create_task(Gateway(stack.mosquitto).publish(messages))
            if part < 2:
                await eventually(lambda: has_met_poison(service), "poison met")
                await service.kill()
                await service.start()
            await publishing
        await judge(database, stream)
        await service.ready()
        await eventually(lambda: is_idle(service), "all acknowledged")
        metrics = await service.metrics()

    kept = await database.rows("SELECT payload, stage, detail FROM metering.quarantine WHERE reason = 'unstorable'")
    assert [(poison.payload, "store")] == [(bytes(payload), stage) for payload, stage, _ in kept], f"seed {seed}"
    assert "22023" in kept[0][2]
    assert balances(metrics)
    assert 2 <= metrics['messages_rejected_total{reason="unstorable"}']
    assert {"message quarantined as unstorable"} == {
        line["message"] for line in service.log_lines("message quarantined as unstorable")
    }


def poison_of(stream: Stream) -> Sent:
    """A proper reading, hours after the stream's last, that the trigger refuses."""
    return Sent(topic(stream.institution), reading(90_000, POISON_KWH))


def with_poison(rng: random.Random, stream: Stream, bad: Sent, number: int) -> list[Sent]:
    """The stream's next messages, with the bad one at two places among them."""
    messages = stream.take(number)
    for _ in range(2):
        messages.insert(rng.randrange(number), bad)
        stream.ledger.note(bad, [], rejected=True)
    return messages


async def has_met_poison(service: Service) -> bool:
    return await service.metric('write_failures_total{kind="refused"}') > 0


async def is_idle(service: Service) -> bool:
    metrics = await service.metrics()
    return metrics["messages_in_flight"] == 0 and metrics["messages_received_total"] == metrics["messages_acknowledged_total"]


BROKEN_DECODER = """
from ingest.formats import native_v1

decode = native_v1.decode

def broken(medium, payload):
    if b"break me" in payload:
        raise RecursionError("a fault of the decoder that nobody foresaw")
    return decode(medium, payload)

native_v1.decode = broken
"""


async def test_a_message_that_breaks_the_decoder_is_quarantined_once_however_often_it_comes(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's own process has a decoder with a fault in it, before and after a kill: the line goes on."""
    rng, bad = random.Random(seed), Sent(topic(stream.institution), b"break me")
    (tmp_path / "sitecustomize.py").write_text(BROKEN_DECODER, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    async with running_service(database, stack.mosquitto, tmp_path, batch__messages=200) as service:
        for _ in range(3):
            await Gateway(stack.mosquitto).publish(with_poison(rng, stream, bad, 500))
            await eventually(lambda: service.metric('messages_rejected_total{reason="decoder_error"}'), "met")
            await service.kill()
            await service.start()
        await judge(database, stream)
    kept = await database.rows("SELECT payload, stage, detail FROM metering.quarantine WHERE reason = 'decoder_error'")
    assert [(b"break me", "decode")] == [(bytes(payload), stage) for payload, stage, _ in kept]
    assert kept[0][2].startswith("RecursionError, traceback digest ")


async def test_many_poisoned_messages_are_each_found(stack: Stack, database: Database, tmp_path: Path, code: str) -> None:
    """Every tenth message of a batch, in batches of many readings too: exactly those are quarantined."""
    poison = [reading(10_000 + n, POISON_KWH) for n in range(10)]
    good = readings(range(90))
    several = [{"read_at": at(20_000 + n).isoformat(), "energy_import_kwh": kwh} for n, kwh in enumerate((1, POISON_KWH))]
    poison.append(json.dumps({"readings": several}).encode())
    mixed = [one for n, each in enumerate(poison) for one in (each, *good[9 * n : 9 * n + 9])]
    async with running_service(database, stack.mosquitto, tmp_path, batch__messages=len(mixed), batch__age_seconds=5) as service:
        await publish_with_paho(stack.mosquitto, topic(code), mixed)
        metrics = await service.counted(stored=len(good), rejected=len(poison))
    assert sorted((each, "unstorable", "store") for each in poison) == sorted(await quarantined(database))
    assert expected(range(90)) == await stored(database)
    assert len(mixed) == metrics["messages_acknowledged_total"]


async def test_a_fault_that_hits_every_message_quarantines_none_and_passes_when_it_is_mended(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """A privilege is missing: nothing is discarded or acknowledged, readiness falls; granted again, all is stored."""
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        await database.run("REVOKE INSERT ON metering.mark FROM meterwarden_writer")
        await publish(stack.mosquitto, topic(code), readings(range(50)))
        await eventually(lambda: tried_in_vain(service, 2), "tried again")
        assert {"ready": False, "broker": True, "database": False, "migrations": True} == await service.unready()
        assert 0 == await service.metric("messages_acknowledged_total")
        assert [] == await quarantined(database)
        await database.run("GRANT INSERT ON metering.mark TO meterwarden_writer")
        metrics = await service.counted(stored=50)
        await service.ready()
    assert 50 == metrics["messages_acknowledged_total"] == metrics["messages_received_total"]
    assert [] == await quarantined(database)
    assert expected(range(50)) == await stored(database)
    assert "refuses every message" in service.log_lines("batch not committed, trying again")[0]["reason"]


async def tried_in_vain(service: Service, times: int) -> bool:
    return await service.metric('write_failures_total{kind="unavailable"}') >= times


async def test_a_poisoned_message_met_during_an_outage_waits_for_its_verdict(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """While the probe fails too nobody can tell whose fault it is: judged only when the world is whole again, and then rightly."""
    poison = reading(100, POISON_KWH)
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        await database.run("REVOKE INSERT ON metering.mark FROM meterwarden_writer")
        await publish(stack.mosquitto, gateway_readings(code, "G1"), [b"{"])
        await publish(stack.mosquitto, topic(code), [poison, *readings(range(10))])
        await eventually(lambda: tried_in_vain(service, 2), "tried again")
        assert "unstorable" not in [reason for _, reason, _ in await quarantined(database)]
        await database.run("GRANT INSERT ON metering.mark TO meterwarden_writer")
        await service.counted(stored=10, rejected=2)
    assert {(poison, "unstorable"), (b"{", "malformed_json")} == {(each, reason) for each, reason, _ in await quarantined(database)}
    assert expected(range(10)) == await stored(database)
