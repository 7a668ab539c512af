"""Charging on real servers: sessions and states of chargers arrive as rows, once, from whoever publishes them."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg
import pytest
from prometheus_client import CollectorRegistry

from ingest import statuses
from ingest.formats.status_v1 import ConnectorState
from ingest.metrics import Metrics
from ingest.settings import Settings
from ingest.settler import utc_now
from ingest.stack import Stack
from ingest.storage.registry import registry_version
from ingest.storage.statuses import keep
from schemas import topics
from tests.databases import Database
from tests.integration.chargers import register
from tests.integration.listening import settings_of
from tests.published import at, client, institution_code, publish, reading, topic
from tests.running import Service, eventually, running_service

END_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'meterwarden_writer'"
)
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
SETTLED = {"settlement__enabled": True, "settlement__round_seconds": 0.1}


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution of the test's own with two chargers under gateway G1."""
    name = institution_code()
    await register(database, tmp_path, name)
    return name


def stated(seconds: int, register: float, **more: Any) -> bytes:
    """A session statement."""
    start = {"session": "S1", "connector": 1, "started_at": at(seconds).isoformat(), "start_register_kwh": register}
    return json.dumps({**start, **more}).encode()


def status(name: str, seconds: int, connector: int = 1) -> dict[str, Any]:
    """A connector's state in our own words."""
    return {"connector": connector, "status": name, "since": at(seconds).isoformat()}


async def is_stored(service: Service, outcome: str, number: int) -> bool:
    """Whether so many states had this outcome."""
    return await service.metric(f'device_states_total{{outcome="{outcome}"}}') >= number


async def test_sessions_published_by_a_client_nobody_here_wrote_arrive_as_rows(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Start, update and stop, out of order and twice, and readings beside them: one session with its exact energy."""
    stop = stated(0, 100.5, stopped_at=at(1800).isoformat(), stop_register_kwh=112.25, session_energy_kwh=11.75)
    payloads = [stop, stated(0, 100.5), stated(0, 100.5, session_energy_kwh=4.5), stop]
    async with running_service(database, stack.mosquitto, tmp_path, **SETTLED) as service:
        await publish(stack.mosquitto, topics.charger_session(code, "C1"), payloads)
        await publish(stack.mosquitto, topic(code, "C1", "charger"), [reading(0, 100.5), reading(3600, 112.25)])
        await service.counted(received=6)
        rows = await eventually(
            lambda: database.rows(
                """SELECT institution, charger, site, access, session, connector, started_at, stopped_at, energy_kwh::float, state,
                          billable FROM meterwarden.charger_session WHERE statements = 3"""
            ),
            "derived",
        )
        await eventually(lambda: database.rows("SELECT FROM metering.consumption_hour"), "settled")
        await eventually(lambda: none_waits(service), "the round that derived it has counted what is left")
    assert [(code, "C1", "P1", "public", "S1", 1, at(0), at(1800), 11.75, "closed", True)] == rows


async def none_waits(service: Service) -> bool:
    return await service.metric("settlement_sessions_waiting") == 0


async def test_retained_states_are_read_at_start_and_again_without_doubling(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """What was retained while nobody listened is there at once; changes follow; a restart reads all again and adds nothing."""
    to, whole = topics.charger_status(code, "C1"), [status("available", 0), status("occupied", 10, 2)]
    ocpp = {"connector": 1, "scheme": "ocpp1.6", "code": "Charging", "since": at(60).isoformat()}
    foreign = {"connector": 1, "scheme": "cn-platform", "code": "9", "since": at(90).isoformat()}

    async with client(stack.mosquitto) as publisher:
        await publisher.publish(to, json.dumps({"connectors": whole}), qos=1, retain=True)
        async with running_service(database, stack.mosquitto, tmp_path, **SETTLED) as service:
            await eventually(lambda: is_stored(service, "stored", 2), "retained states")
            await publisher.publish(to, json.dumps(ocpp), qos=1, retain=True)
            await publisher.publish(topics.charger_status(code, "C2"), json.dumps(foreign), qos=1, retain=True)
            await eventually(lambda: is_stored(service, "stored", 4), "changes")
            before = await database.rows("SELECT t::text FROM metering.charger_status t ORDER BY 1")
            await service.kill()
            await service.start()
            await eventually(lambda: is_stored(service, "repeated", 2), "read again")
            assert 0 == await service.metric('device_states_total{outcome="stored"}')
        for name in ("C1", "C2"):
            await publisher.publish(topics.charger_status(code, name), b"", qos=1, retain=True)

    assert before == await database.rows("SELECT t::text FROM metering.charger_status t ORDER BY 1")
    assert [
        ("C1", 1, "charging", at(60), "ocpp1.6", "Charging"),
        ("C1", 2, "occupied", at(10), "native", "occupied"),
        ("C2", 1, "unknown", at(90), "cn-platform", "9"),
    ] == await database.rows("SELECT charger, connector, status, since, scheme, code FROM meterwarden.charger_status ORDER BY 1, 2")
    changes = await database.rows(
        "SELECT status FROM meterwarden.charger_status_change WHERE charger = 'C1' AND connector = 1 ORDER BY at"
    )
    assert [("available",), ("charging",)] == changes


async def test_of_births_and_wills_the_newest_connection_counts(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """In whatever order they come: a will that the broker publishes after the next birth does not take the gateway offline."""
    first, second = at(0), at(600)
    messages = [("online", first), ("offline", first), ("online", second)]
    orders = list(itertools.permutations(messages))
    gateways = [f"G{number}" for number in range(len(orders))]
    await register(database, tmp_path, code, gateways=gateways)
    query = "SELECT gateway, status, connected_at FROM meterwarden.gateway_status ORDER BY gateway"
    async with running_service(database, stack.mosquitto, tmp_path, **SETTLED) as service, client(stack.mosquitto) as publisher:
        await is_listened_to(service, publisher, code)
        for gateway, order in zip(gateways, orders, strict=True):
            for name, connected_at in order:
                payload = json.dumps({"status": name, "connected_at": connected_at.isoformat()})
                await publisher.publish(topics.gateway_status(code, gateway), payload, qos=1)
        await eventually(lambda: is_stored(service, "stored", 1 + 3 * len(orders)), "births and wills")
        assert [(gateway, "online", second) for gateway in gateways] == await database.rows(query)
        will = json.dumps({"status": "offline", "connected_at": second.isoformat()})
        await publisher.publish(topics.gateway_status(code, gateways[0]), will, qos=1)
        await eventually(lambda: is_stored(service, "stored", 2 + 3 * len(orders)), "the last will")
    assert [(gateways[0], "offline", second)] == (await database.rows(query))[:1]


async def is_listened_to(service: Service, publisher: aiomqtt.Client, code: str) -> None:
    """A retained state is kept however late the subscription comes: from then on every message is received."""
    to = topics.charger_status(code, "C2")
    await publisher.publish(to, json.dumps(status("available", 0)), qos=1, retain=True)
    await eventually(lambda: is_stored(service, "stored", 1), "a state that waited")
    await publisher.publish(to, b"", qos=1, retain=True)


async def test_a_state_that_is_none_or_nobodys_stops_nobody_and_is_kept_once_registered(
    stack: Stack, database: Database, tmp_path: Path, code: str
) -> None:
    """Garbage and tomorrow's states are counted, and named once, also when the database is lost and all are read again; a charger
    registered later has its retained state without a restart."""
    other = institution_code()
    tomorrow = status("charging", 0) | {"since": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    settings = {**SETTLED, "intake__registry_seconds": 0.2}
    async with running_service(database, stack.mosquitto, tmp_path, **settings) as service, client(stack.mosquitto) as publisher:
        await publisher.publish(topics.charger_status(other, "C1"), json.dumps(status("charging", 0)), qos=1, retain=True)
        await eventually(lambda: is_stored(service, "unregistered", 1), "nobody's")
        for payload in (b"\xff", b"{}", b"[" * 5000, json.dumps(tomorrow).encode()):
            await publisher.publish(topics.charger_status(code, "C1"), payload, qos=1)
        await eventually(lambda: is_stored(service, "rejected", 4), "refused")
        await database.run(END_CONNECTIONS)
        await eventually(lambda: is_stored(service, "unregistered", 2), "read again")
        assert 2 == len(service.log_lines("state not kept"))
        await register(database, tmp_path, code, other)
        await eventually(lambda: is_stored(service, "stored", 1), "kept after all")
        await publisher.publish(topics.charger_status(other, "C1"), b"", qos=1, retain=True)
    assert [(other, "charging")] == await database.rows("SELECT institution, status FROM meterwarden.charger_status")


async def test_a_charger_registered_while_it_is_looked_for_is_looked_for_again(
    database: Database, tmp_path: Path, code: str
) -> None:
    """The registry's version as of before the look is what a later one is held against: as of after it, nobody would ask again."""
    other, state = institution_code(), ConnectorState(1, at(0), "charging", "native", "charging")
    async with await psycopg.AsyncConnection.connect(database.superuser_url) as holding:
        await holding.execute("""INSERT INTO metering.charger_status SELECT meter, 1, %s, 'charging', 'native', 'charging', now()
                                 FROM metering.meter WHERE code = 'C1'""", [at(0)])  # fmt: skip
        chargers = [(f"{code}/C1", state), (f"{other}/C1", state)]
        looking = asyncio.create_task(keep(database.settings, chargers, [], datetime.now(UTC)))
        await eventually(lambda: database.rows(WAITING), "has looked, and waits")
        await register(database, tmp_path, code, other)
        await holding.rollback()
    kept = await looking
    assert {f"{other}/C1"} == kept.unregistered
    assert await registry_version(database.settings) > kept.registry_version


async def test_more_retained_states_than_are_held_at_once_are_all_kept(
    stack: Stack, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has one of each device, and sends them all at once: it waits for those that are kept."""
    code, names = institution_code(), [f"G{number}" for number in range(60)]
    await register(database, tmp_path, code, gateways=names)
    monkeypatch.setattr(statuses, "MOST_WAITING", 5)
    monkeypatch.setattr(statuses, "BATCH", 2)
    online = json.dumps({"status": "online", "connected_at": at(0).isoformat()})
    metrics = Metrics(CollectorRegistry())
    settings = Settings(broker=settings_of(stack.mosquitto, tmp_path), database=database.settings)
    async with client(stack.mosquitto) as publisher:
        for name in names:
            await publisher.publish(topics.gateway_status(code, name), online, qos=1, retain=True)
        keeping = asyncio.create_task(statuses.Statuses(settings, metrics, utc_now).run())
        try:
            stored = {"outcome": "stored"}
            await eventually(lambda: metrics.registry.get_sample_value("meterwarden_device_states_total", stored) == 60)
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            for name in names:
                await publisher.publish(topics.gateway_status(code, name), b"", qos=1, retain=True)
    assert [(60,)] == await database.rows("SELECT count(*) FROM metering.gateway_status")
