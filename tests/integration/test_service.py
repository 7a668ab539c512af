"""The service as a process between a real broker and a real database: what is waited for, how it stops, what it tells."""

import asyncio
import json
from pathlib import Path

import pytest

from ingest.stack import Stack, free_port
from schemas.quota import QuotaAlert
from tests.databases import Database, database_of
from tests.integration.serving import nothing_commits, quarantine, register
from tests.proxy import Proxy
from tests.published import client, expected, publish, publish_with_paho, readings, stored, topic
from tests.registries import meter
from tests.running import Service, eventually, own_broker, running_service, service_of


async def received(service: Service) -> float:
    """How many messages this process has been delivered."""
    return await service.metric("messages_received_total")


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


async def test_without_a_broker_it_is_live_but_not_ready_and_becomes_ready_when_the_broker_starts(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """An absent broker is waited for and named in the log; one that goes away later takes readiness with it, and gives it back."""
    with own_broker(stack.programs) as broker:
        async with running_service(database, broker, tmp_path, until_ready=False) as service:
            await eventually(lambda: service.log_lines("no connection to the broker"))
            assert {"ready": False, "broker": False, "database": True, "migrations": True} == await service.unready()
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
        assert {"ready": False, "broker": True, "database": False, "migrations": True} == await service.unready()
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
        ("database__url", "postgresql://u:one@hunter2@127.0.0.1/meterwarden", "percent-encoded"),
        ("database__url", "postgresql://u:one/hunter2@127.0.0.1/meterwarden", "percent-encoded"),
        ("broker__host", "mqtt://u:one@hunter2@127.0.0.1", "a host name or address alone"),
    ],
)
async def test_a_wrong_setting_ends_the_process_at_once_with_its_name_and_what_is_allowed(
    stack: Stack, tmp_path: Path, name: str, value: str, allowed: str
) -> None:
    """Nothing is started on half-understood settings; the last lines say which one, no traceback hides it, no secret is shown."""
    service = service_of(database_of(stack, "never_opened"), stack.mosquitto, tmp_path, **{name: value})
    await service.start()
    assert await service.status() == 1
    said = service.log()
    shown = "broker.receive_maximum" if name == "broker__receive_maximum" else f"METERWARDEN_{name.upper()}"
    assert shown in said
    assert allowed in said
    assert "Traceback" not in said
    assert "hunter2" not in said


async def test_sigterm_drains_commits_acknowledges_and_nothing_is_delivered_again(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """After a stop in order with status 0 the broker holds nothing that was received, though a batch was far from full or old."""
    settings = {"batch__age_seconds": 3600, "batch__messages": 5000}
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


async def test_sigterm_in_a_backlog_leaves_the_rest_with_the_broker_and_acknowledges_all_it_has_committed(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """A stop does not last as long as the backlog; and what the broker sends meanwhile costs none of the acknowledgements."""
    number = 4000
    settings = {"batch__messages": 100, "broker__receive_maximum": 500}
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
        assert 0 == await service.terminate()
        padded = [payload.ljust(2000) for payload in readings(range(number))]
        await publish_with_paho(stack.mosquitto, topic(code), padded)
        await service.start()
        async with nothing_commits(database):  # else the backlog might be gone before the signal comes
            await eventually(lambda: has_received(service, 1))
            ended = asyncio.create_task(service.terminate())
            await eventually(lambda: len(service.log_lines("stopping: the messages in hand are committed first")) == 2)
        assert 0 == await ended
        committed = len(await stored(database))
        assert 0 < committed < number
        await service.start()
        metrics = await service.counted(stored=number - committed)
    assert 0 == metrics['messages_total{outcome="duplicate"}']
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
            assert {"ready": False, "broker": False, "database": True, "migrations": True} == await service.unready()
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
    async with asyncio.timeout(90), client(stack.mosquitto) as reader:
        await reader.subscribe(to, qos=1)
        async for message in reader.messages:
            assert message.retain
            found[str(message.topic)] = message.payload
            if len(found) == number:
                return found
    raise AssertionError(f"only {sorted(found)} are retained under {to}")
