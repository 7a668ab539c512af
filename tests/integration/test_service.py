"""The service as a process between a real broker and a real database: what arrives, what is refused, what is waited for."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import Reason
from ingest.stack import Stack, free_port
from schemas.quota import QuotaAlert
from schemas.topics import charger_session, gateway_readings
from tests.databases import Database, database_of
from tests.proxy import Proxy
from tests.registries import channels, import_files, institution, meter, write_files
from tests.running import (
    Service,
    at,
    balances,
    client,
    eventually,
    expected,
    institution_code,
    own_broker,
    publish,
    publish_with_mosquitto_pub,
    publish_with_paho,
    reading,
    readings,
    running_service,
    service_of,
    stored,
    topic,
)

GOOD_FROM = 1000
"""Good readings that show the stream goes on lie from this second on."""


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution of the test's own with an electricity meter E1 and a water meter W1 under gateway G1."""
    name = institution_code()
    await register(database, tmp_path, name)
    return name


async def register(database: Database, directory: Path, *codes: str, more: tuple[dict[str, Any], ...] = ()) -> None:
    """Import institutions with the two usual meters each, and further meters."""
    meters = [one for name in codes for one in (meter(of=name), meter("W1", name, "water"))]
    files = write_files(directory / secrets.token_hex(4), [institution(name) for name in codes], [*meters, *more])
    await import_files(database, files)


async def quarantine(database: Database) -> list[tuple[str, bytes, str, str]]:
    """Topic, payload, reason and state of every quarantined message, in order."""
    rows = await database.rows(
        """SELECT convert_from(topic, 'UTF8'), payload, reason, coalesce(resolution, 'open')
           FROM metering.quarantine ORDER BY quarantine"""
    )
    return [(topic, bytes(payload), reason, state) for topic, payload, reason, state in rows]


async def received(service: Service) -> float:
    """How many messages this process has been delivered."""
    return await service.metric("messages_received_total")


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
        metrics = await service.counted(stored=1)

    assert expected(range(21)) == await stored(database)
    assert {"replayed"} == {state for *_, state in await quarantine(database)}
    assert 0 == metrics['quarantine_open{reason="unknown_meter"}']


async def replayed(service: Service, number: int) -> bool:
    return await service.metric("quarantine_replayed_total") == number


async def test_a_registry_change_is_picked_up_without_a_restart(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The database announces it: long before the next comparison the new meter is known and counted."""
    settings = {"intake__registry_seconds": 600, "intake__replay_seconds": 600}
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
        await eventually(lambda: has_meters(service, 2))
        await register(database, tmp_path, code, more=(meter("E2", code),))
        await eventually(lambda: has_meters(service, 3))
        await publish(stack.mosquitto, topic(code, "E2"), readings([1]))
        await service.counted(stored=1)
    assert expected([1]) == await stored(database)


async def has_meters(service: Service, number: int) -> bool:
    return await service.metric("registry_meters") == number


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
            scrapes = []
            while not all(one.done() for one in load):
                scrapes.append(await service.metrics())
                await asyncio.sleep(0)
        metrics = await service.counted(received=2 * number + 200)

    assert len(scrapes) > 5
    assert [] == [scrape for scrape in scrapes if not balances(scrape)]
    assert any(scrape["messages_in_flight"] for scrape in scrapes), "no scrape under load"
    outcomes = [metrics[f'messages_total{{outcome="{outcome}"}}'] for outcome in ("stored", "duplicate", "rejected")]
    assert [number, number, 200] == outcomes
    assert expected(range(number)) == await stored(database)


async def test_without_a_broker_it_is_live_but_not_ready_and_becomes_ready_when_the_broker_starts(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """An absent broker is waited for and named in the log; one that goes away later takes readiness with it, and gives it back."""
    with own_broker(stack.programs) as broker:
        async with running_service(database, broker, tmp_path, until_ready=False) as service:
            await eventually(lambda: service.log_lines("no connection to the broker"))
            assert {"ready": False, "broker": False, "database": True} == await service.unready()
            broker.start()
            await service.ready()
            broker.stop()
            await eventually(lambda: is_unready(service))
            assert not (await service.unready())["broker"]
            broker.start()
            await service.ready()
            await publish(broker, topic(code), readings([1]))
            await service.counted(stored=1)
            assert 1 <= await service.metric("broker_reconnects_total")
            assert 0 == await service.metric("broker_sessions_lost_total")
        assert "127.0.0.1" in {line["host"] for line in service.log_lines("no connection to the broker")}


async def is_unready(service: Service) -> bool:
    return (await service.http("/readyz"))[0] == 503


async def test_without_a_database_it_is_live_but_not_ready_and_starts_by_itself_later(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """An absent database is waited for and named in the log; when it comes, the service is ready and stores."""
    async with Proxy(stack.postgres.port, free_port()) as proxy:
        await proxy.refuse()
        absent = running_service(database, stack.mosquitto, tmp_path, until_ready=False, database_port=proxy.port)
        async with absent as service:
            await eventually(lambda: service.log_lines("waiting for the database"))
            assert not (await service.unready())["database"]
            await proxy.resume()
            await service.ready()
            await publish(stack.mosquitto, topic(code), readings([1]))
            await service.counted(stored=1)
    assert expected([1]) == await stored(database)


async def test_what_is_published_while_the_database_is_away_arrives_once_afterwards(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """The outage costs readiness, not liveness and not a reading; the log names it once a try, and nothing is in quarantine."""
    async with (
        Proxy(stack.postgres.port, free_port()) as proxy,
        running_service(database, stack.mosquitto, tmp_path, database_port=proxy.port) as service,
    ):
        await publish(stack.mosquitto, topic(code), readings(range(10)))
        await service.counted(stored=10)
        await proxy.refuse()
        await publish(stack.mosquitto, topic(code), readings(range(10, 300)))
        await eventually(lambda: service.log_lines("batch not committed, trying again"))
        assert {"ready": False, "broker": True, "database": False} == await service.unready()
        assert 10 == await service.metric("messages_acknowledged_total")
        await proxy.resume()
        metrics = await service.counted(stored=300)
        await service.ready()
    assert 300 == metrics["messages_acknowledged_total"] == metrics["messages_received_total"]
    assert expected(range(300)) == await stored(database)
    assert [] == await quarantine(database)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("broker__port", "70000", "65535"),
        ("broker__keepalive_seconds", "soon", "integer"),
        ("broker__hots", "mqtt.example", "not permitted"),
        ("batch__age_seconds", "0", "greater than 0"),
        ("broker__receive_maximum", "10", "at least twice batch.messages"),
        ("quota__warning_ratio", "1.5", "less than 1"),
    ],
)
async def test_a_wrong_setting_ends_the_process_at_once_with_its_name_and_what_is_allowed(
    stack: Stack, tmp_path: Path, name: str, value: str, allowed: str
) -> None:
    """Nothing is started on half-understood settings; the last lines say which one, and no traceback hides it."""
    service = service_of(database_of(stack, "never_opened"), stack.mosquitto, tmp_path, **{name: value})
    await service.start()
    assert await service.status() == 1
    said = service.log()
    shown = "broker.receive_maximum" if name == "broker__receive_maximum" else f"METERWARDEN_{name.upper()}"
    assert shown in said
    assert allowed in said
    assert "Traceback" not in said


async def test_sigterm_drains_commits_acknowledges_and_nothing_is_delivered_again(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """After a stop in order with status 0 the broker holds nothing that was received, though a batch was far from full or old."""
    settings = {"batch__age_seconds": 30, "batch__messages": 5000}
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
        await publish(stack.mosquitto, topic(code), readings(range(200)))
        await eventually(lambda: received_all(service, 200))
        assert {} == await stored(database)
        assert 0 == await service.terminate()
        assert expected(range(200)) == await stored(database)
        await service.start()
        await service.ready()
        await publish(stack.mosquitto, topic(code), readings([999]))
        await eventually(lambda: received_all(service, 1))
        assert 0 == await service.terminate()
    assert expected([*range(200), 999]) == await stored(database)
    assert [True] == [line["session_present"] for line in service.log_lines("subscribed")][1:]


async def received_all(service: Service, number: int) -> bool:
    count = await received(service)
    assert count <= number, "more was delivered than was published"
    return count == number


async def test_sigterm_under_load_acknowledges_all_it_has_committed(
    stack: Stack, database: Database, tmp_path: Path, code: str, seed: int
) -> None:
    """Stopped in mid-stream each message is committed and acknowledged, or still with the broker: no delivery is a duplicate."""
    number, stop_at = 4000, 500 + seed % 1000
    async with running_service(database, stack.mosquitto, tmp_path, batch__messages=100) as service:
        load = asyncio.create_task(publish_with_paho(stack.mosquitto, topic(code), readings(range(number))))
        await eventually(lambda: has_received(service, stop_at))
        assert 0 == await service.terminate()
        committed = len(await stored(database))
        await load
        await service.start()
        metrics = await service.counted(stored=number - committed)
    assert 0 == metrics['messages_total{outcome="duplicate"}'], f"seed {seed}"
    assert number - committed == metrics["messages_received_total"]
    assert expected(range(number)) == await stored(database)


async def has_received(service: Service, number: int) -> bool:
    return await received(service) >= number


async def test_a_session_taken_over_by_another_client_is_told_and_takes_readiness(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """Two workers under one client identifier: who lost it is not ready, says why, counts it, and leaves the other alone."""
    async with running_service(database, stack.mosquitto, tmp_path) as service:
        identifier = service.environment["METERWARDEN_BROKER__CLIENT_IDENTIFIER"]
        async with client(stack.mosquitto, "ingest", identifier=identifier) as other:
            await eventually(lambda: service.log_lines("no connection to the broker"))
            assert {"ready": False, "broker": False, "database": True} == await service.unready()
            assert 1 == await service.metric("broker_sessions_taken_over_total")
            await other.publish("meterwarden/still-there", b"1", qos=1)
        assert "session_taken_over" == service.log_lines("no connection to the broker")[0]["reason"]
        assert 0 == await service.terminate()


async def test_quota_states_are_published_retained_and_are_what_the_contract_says(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Whoever subscribes later finds the state of every institution and indicator, and can read it by the published model."""
    settings = {"settlement__enabled": True, "settlement__round_seconds": 0.1}
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
        await publish(stack.mosquitto, topic(code), readings(range(0, 3600, 600)))
        await service.counted(stored=6)
        await eventually(lambda: sent_states(database, 2), "quota states sent")
        states = await retained(stack, f"meterwarden/quota/{code}/#", 2)
        await eventually(lambda: are_noted(database, states), "what was sent is in the log")

    alerts = {name: QuotaAlert.model_validate_json(payload) for name, payload in states.items()}
    assert {f"meterwarden/quota/{code}/{one}" for one in ("electricity_per_area", "water_per_person")} == set(alerts)
    assert {code} == {alert.institution for alert in alerts.values()}


async def are_noted(database: Database, states: dict[str, bytes]) -> bool:
    """Whether the append-only log holds every one of these statements (it may hold later ones too)."""
    notices = await database.rows("SELECT topic, statement FROM metering.notice")
    return all((name, json.loads(payload)) in notices for name, payload in states.items())


async def sent_states(database: Database, number: int) -> bool:
    return (await database.rows("SELECT count(DISTINCT topic) FROM metering.notice"))[0][0] == number


async def retained(stack: Stack, to: str, number: int) -> dict[str, bytes]:
    """The retained messages under a filter, by topic, as somebody who comes later is given them."""
    found: dict[str, bytes] = {}
    async with asyncio.timeout(10), client(stack.mosquitto) as reader:
        await reader.subscribe(to, qos=1)
        async for message in reader.messages:
            assert message.retain
            found[str(message.topic)] = message.payload
            if len(found) == number:
                return found
    raise AssertionError(f"only {sorted(found)} are retained under {to}")


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
