"""Promise 8: one message the database never takes is that message's fault; what hits every message is the world's."""

import json
from pathlib import Path

import pytest

from ingest.stack import Stack
from schemas.topics import gateway_readings
from tests.databases import Database
from tests.registries import import_files, institution, meter, write_files
from tests.running import (
    Service,
    at,
    balances,
    eventually,
    expected,
    institution_code,
    publish,
    publish_with_paho,
    reading,
    readings,
    running_service,
    stored,
    topic,
)

POISON_KWH = 666.666
NUMBER = 3000
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


async def test_one_message_the_database_never_takes_is_quarantined_and_the_thousands_around_it_are_stored(
    stack: Stack, database: Database, tmp_path: Path, code: str, seed: int
) -> None:
    """Found by halving among whole batches, kept once however often it is delivered, told in the log; nobody else notices."""
    poison, place = reading(NUMBER, POISON_KWH), seed % NUMBER
    payloads = readings(range(NUMBER))
    payloads[place:place] = [poison, poison]
    async with running_service(database, stack.mosquitto, tmp_path, batch__messages=500) as service:
        await publish_with_paho(stack.mosquitto, topic(code), payloads)
        await service.counted(stored=NUMBER, rejected=2)
        await publish(stack.mosquitto, topic(code), [poison, *readings([NUMBER + 1])])
        metrics = await service.counted(stored=NUMBER + 1, rejected=3)
        await service.ready()

    assert [(poison, "unstorable", "store")] == await quarantined(database)
    assert expected([*range(NUMBER), NUMBER + 1]) == await stored(database), f"seed {seed}"
    assert NUMBER + 4 == metrics["messages_acknowledged_total"]
    assert 3 == metrics['messages_rejected_total{reason="unstorable"}']
    assert balances(metrics)
    assert 3 == len(service.log_lines("message quarantined as unstorable"))
    assert "22023" in (await database.rows("SELECT detail FROM metering.quarantine"))[0][0]


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
        assert {"ready": False, "broker": True, "database": False} == await service.unready()
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
