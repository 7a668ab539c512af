"""The service as a process between a real broker and a real database: what arrives, what is refused, what is counted."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.errors import Reason
from ingest.stack import Stack
from schemas.topics import charger_session, gateway_readings
from tests.databases import Database
from tests.integration.serving import nothing_commits, quarantine, register
from tests.published import (
    at,
    client,
    expected,
    institution_code,
    publish,
    publish_with_mosquitto_pub,
    publish_with_paho,
    reading,
    readings,
    stored,
    topic,
)
from tests.registries import channels, meter
from tests.running import Service, balances, eventually, own_broker, running_service

GOOD_FROM = 1000
"""Good readings that show the stream goes on lie from this second on."""


async def test_readings_of_three_clients_nobody_here_wrote_arrive_as_rows(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """mosquitto_pub, paho as MQTT 3.1.1 and aiomqtt: every register of every reading is a row with its exact value and time."""
    water = {"read_at": at(4).isoformat(), "volume_m3": 7.5}
    batch = [{"read_at": at(n).isoformat(), "energy_import_kwh": n, "medium": "electricity", "meter": "E1"} for n in (5, 6)]
    session = {"session": "S1", "connector": 1, "started_at": at(0).isoformat(), "start_register_kwh": 12.5}
    await register(database, tmp_path, code, more=(meter("C1", code, "charger"),))
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        await publish_with_mosquitto_pub(stack.mosquitto, topic(code), reading(1, 48213.754))
        await publish_with_paho(stack.mosquitto, topic(code), [reading(2, 0.0005), reading(3, 999999.999)])
        await publish(stack.mosquitto, topic(code, "W1", "water"), [json.dumps(water).encode()])
        await publish(stack.mosquitto, gateway_readings(code, "G1"), [json.dumps({"readings": batch}).encode()])
        await publish(stack.mosquitto, charger_session(code, "C1"), [json.dumps(session).encode()])
        metrics = await service.counted(received=6)
    number = await channels(database)
    electricity, volume = number[f"{code}/electricity/E1/energy_import_kwh"], number[f"{code}/water/W1/volume_m3"]
    rows = await database.rows("SELECT channel, read_at, value FROM metering.reading ORDER BY read_at")

    values = {1: 48_213_754, 2: 0, 3: 999_999_999, 5: 5000, 6: 6000}  # half a thousandth rounds half-even
    wanted = [(electricity, at(second), value) for second, value in values.items()] + [(volume, at(4), 7500)]
    assert sorted(wanted, key=lambda row: row[1]) == rows
    assert [("S1", 1, 12_500)] == await database.rows("SELECT session, connector, start_register FROM metering.session_statement")
    assert 6 == metrics['messages_total{outcome="stored"}'] == metrics["messages_acknowledged_total"]
    assert 6 == metrics['readings_total{outcome="stored"}']
    assert [] == await quarantine(database)


def bad_messages(code: str, other: str) -> list[tuple[str, bytes, Reason]]:
    """One message a way to be wrong: topic, payload, and the reason it must be kept with."""
    stated = {"read_at": at(1).isoformat(), "energy_import_kwh": 1.0}

    def with_energy(text: str) -> bytes:
        return f'{{"read_at": "{at(1).isoformat()}", "energy_import_kwh": {text}}}'.encode()

    naive, ahead = at(1).replace(tzinfo=None), datetime.now(UTC) + timedelta(days=1)
    of_gateway = {"readings": [{**stated, "medium": "electricity", "meter": "E1"}]}
    return [
        (topic(code, "E404"), reading(1), Reason.UNKNOWN_METER),
        (topic(institution_code()), reading(2), Reason.UNKNOWN_METER),
        (topic(code), reading(1, institution=other), Reason.IDENTITY_MISMATCH),
        (topic(code), reading(1, meter="E2"), Reason.IDENTITY_MISMATCH),
        (gateway_readings(code, "G2"), json.dumps(of_gateway).encode(), Reason.IDENTITY_MISMATCH),
        (topic(code), reading(1)[:-1], Reason.MALFORMED_JSON),
        (topic(code), b'{"read_at": "\xff\xfe"}', Reason.INVALID_UTF8),
        (topic(code), reading(1, "1.0"), Reason.WRONG_TYPE),
        (topic(code), b"[1, 2]", Reason.WRONG_TYPE),
        (topic(code), b"null", Reason.WRONG_TYPE),
        (topic(code), json.dumps({"read_at": at(1).isoformat()}).encode(), Reason.MISSING_FIELD),
        (topic(code), reading(1, energy_imported_kwh=3), Reason.UNKNOWN_FIELD),
        (topic(code), json.dumps({**stated, "read_at": naive.isoformat()}).encode(), Reason.NAIVE_TIME),
        (topic(code), json.dumps({**stated, "read_at": ahead.isoformat()}).encode(), Reason.TIME_IN_FUTURE),
        (topic(code), json.dumps({**stated, "read_at": "2020-01-01T00:00:00Z"}).encode(), Reason.TOO_OLD),
        (topic(code), json.dumps({**stated, "read_at": "2026-02-30T00:00:00Z"}).encode(), Reason.INVALID_TIME),
        (topic(code), with_energy("NaN"), Reason.NOT_FINITE),
        (topic(code), with_energy("Infinity"), Reason.NOT_FINITE),
        (topic(code), with_energy("1e400"), Reason.NOT_FINITE),
        (topic(code), with_energy("-1"), Reason.NEGATIVE_VALUE),
        (topic(code), with_energy("1e9"), Reason.OUT_OF_RANGE),
        (topic(code), b"[" * 10_000, Reason.TOO_DEEP),
        (topic(code), with_energy("1" + " " * 300_000), Reason.TOO_LARGE),
        (topic(code), b"", Reason.EMPTY_PAYLOAD),
        (topic(code), b"\0", Reason.MALFORMED_JSON),
    ]


async def test_every_bad_message_is_kept_whole_and_once_with_its_reason_and_the_stream_goes_on(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Whatever is wrong with a message: kept byte for byte, once though published twice, counted, acknowledged; nobody waits."""
    other = institution_code()
    await register(database, tmp_path, code, other)
    bad = bad_messages(code, other)
    async with (
        running_service(database, stack.mosquitto, tmp_path, batch__age_seconds=0.01) as service,
        client(stack.mosquitto) as publisher,
    ):
        for number, (to, payload, _) in enumerate(bad):
            for each in (payload, payload):
                await publisher.publish(to, each, qos=1)
            await publisher.publish(topic(code), reading(GOOD_FROM + number, 1), qos=1)
            await service.counted(rejected=2 * (number + 1), stored=number + 1)
        metrics = await service.counted(received=3 * len(bad))

    assert [(to, payload, reason, "open") for to, payload, reason in bad] == await quarantine(database)
    assert {at(GOOD_FROM + n): 1000 for n in range(len(bad))} == await stored(database)
    assert 3 * len(bad) == metrics["messages_acknowledged_total"]
    for reason in Reason:
        times = sum(one[2] == reason for one in bad)
        assert 2 * times == metrics[f'messages_rejected_total{{reason="{reason}"}}'], reason
    assert balances(metrics)


async def test_a_batch_with_a_bad_reading_is_kept_whole_and_its_good_readings_are_stored(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The message is rejected with the failing position; what was good in it is a row."""
    items = [{"read_at": at(n).isoformat(), "energy_import_kwh": n / 1000} for n in range(5)]
    items[3]["energy_import_kwh"] = "3"
    payload = json.dumps({"readings": items}).encode()
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        await publish(stack.mosquitto, topic(code), [payload, payload])
        metrics = await service.counted(rejected=2)

    assert expected([0, 1, 2, 4]) == await stored(database)
    assert [(payload, [3])] == await database.rows("SELECT payload, failing FROM metering.quarantine")
    assert (4, 4) == tuple(metrics[f'readings_total{{outcome="{outcome}"}}'] for outcome in ("stored", "duplicate"))


async def test_messages_of_an_unknown_meter_replay_by_themselves_once_it_is_registered(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """A meter that is registered late loses nothing: its messages leave quarantine as rows, without a hand or a restart."""
    async with running_service(database, stack.mosquitto, tmp_path, intake__replay_seconds=0.5) as service:
        await publish(stack.mosquitto, topic(code, "E2"), readings(range(20)))
        await service.counted(rejected=20)
        assert {} == await stored(database)
        await register(database, tmp_path, code, more=(meter("E2", code),))
        await eventually(lambda: replayed(service, 20), "replayed")
        await publish(stack.mosquitto, topic(code, "E2"), readings([20]))
        await service.counted(stored=1)
        await eventually(lambda: none_is_open(service), "counted after the replay")

    assert expected(range(21)) == await stored(database)
    assert {"replayed"} == {state for *_, state in await quarantine(database)}


async def none_is_open(service: Service) -> bool:
    return (await service.metrics()).get('quarantine_open{reason="unknown_meter"}') == 0


async def replayed(service: Service, number: int) -> bool:
    return await service.metric("quarantine_replayed_total") == number


async def test_the_accounts_balance_in_every_single_scrape_under_load(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """received = stored + duplicate + rejected + in flight, whenever one looks, and nothing is left in flight at the end."""
    good, number = topic(code), 2000
    async with running_service(database, stack.mosquitto, tmp_path, batch__messages=100) as service:
        async with asyncio.TaskGroup() as tasks:
            load = [
                tasks.create_task(publish_with_paho(stack.mosquitto, good, readings(range(number)))),
                tasks.create_task(publish_with_paho(stack.mosquitto, good, readings(range(number)))),
                tasks.create_task(publish_with_paho(stack.mosquitto, topic(code, "E404"), readings(range(200)))),
            ]
            scrapes: list[dict[str, float]] = []
            async with nothing_commits(database), asyncio.timeout(90):
                while not any(scrape["messages_in_flight"] for scrape in scrapes):
                    scrapes.append(await service.metrics())
            while len(scrapes) <= 5 or not all(one.done() for one in load):
                scrapes.append(await service.metrics())
                await asyncio.sleep(0)
        metrics = await service.counted(received=2 * number + 200)

    assert [] == [scrape for scrape in scrapes if not balances(scrape)]
    outcomes = [metrics[f'messages_total{{outcome="{outcome}"}}'] for outcome in ("stored", "duplicate", "rejected")]
    assert [number, number, 200] == outcomes
    assert expected(range(number)) == await stored(database)


async def test_a_gateway_speaks_for_its_own_institution_only(database: Database, stack: Stack, tmp_path: Path, code: str) -> None:
    """The broker's access list is the first gate: what a gateway says under another institution's topic never arrives."""
    other = institution_code()
    await register(database, tmp_path, code, other)
    with own_broker(stack.programs, users={code: "chalk"}) as broker:
        broker.start()
        async with running_service(database, broker, tmp_path) as service:
            for second, to in enumerate((code, other, code)):
                await publish_with_mosquitto_pub(broker, topic(to), readings([second])[0], code)
            metrics = await service.counted(stored=2)
    assert 2 == metrics["messages_received_total"]
    assert expected([0, 2]) == await stored(database)
