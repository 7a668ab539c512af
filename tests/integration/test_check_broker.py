"""`meterwarden check` against brokers, each broken in the way that one of its checks is for."""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.broker.probe import Seen
from ingest.broker.probe import probe as probe_broker
from ingest.checks.broker import check_broker
from ingest.checks.result import State
from ingest.settings import BrokerSettings
from ingest.stack import Mosquitto, Stack, free_port, places
from ingest.stack.mosquitto import Tls
from tests.absent import session
from tests.certificates import authority
from tests.databases import Database
from tests.integration.checking import environment, failure
from tests.published import client
from tests.running import own_broker


def _settings(broker: Mosquitto, directory: Path, name: str = "asked") -> BrokerSettings:
    password = directory / f"{name}.password"
    password.write_text(broker.password("ingest"), encoding="utf-8")
    return BrokerSettings(port=broker.port, username="ingest", password_file=password, client_identifier=name)


async def test_a_broker_that_is_not_there(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Connection refused."""
    found = await failure(environment(filled, stack.mosquitto, tmp_path, broker__port=free_port()), "broker.connect")

    assert "METERWARDEN_BROKER__PORT" in found["remedy"]


async def test_a_listener_that_never_answers(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """It is given up in time, and it is no broker of ours."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        given = {"broker__port": silent.getsockname()[1], "broker__connect_timeout_seconds": 3}
        await failure(environment(filled, stack.mosquitto, tmp_path, **given), "broker.protocol")


async def test_a_wrong_password_at_the_broker(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Refused by name."""
    settings = environment(filled, stack.mosquitto, tmp_path)
    (tmp_path / "broker.password").write_text("wrong")
    found = await failure(settings, "broker.authentication")

    assert found["found"].startswith("refused as ingest: ")


async def test_a_port_of_the_broker_that_speaks_no_mqtt(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """The database's port, for example."""
    await failure(environment(filled, stack.mosquitto, tmp_path, broker__port=stack.postgres.port), "broker.protocol")


async def test_a_filter_that_may_not_be_subscribed_to(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """mosquitto's access file never refuses a subscription; its plugin for access does. Every filter refused is told."""
    with own_broker(stack.programs) as broker:
        deny_subscriptions(broker, stack)
        broker.start()
        found = await failure(environment(filled, broker, tmp_path), "broker.subscribe")

    assert "metering/+/+/+/reading (not_authorized)" in found["found"]


def deny_subscriptions(broker: Mosquitto, stack: Stack) -> None:
    """Load mosquitto's own plugin for dynamic access, which lets `ingest` in and subscribe to nothing."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", broker.password("ingest").encode(), salt, 101)
    user = {"username": "ingest", "password": base64.b64encode(digest).decode(), "salt": base64.b64encode(salt).decode(),
            "iterations": 101, "roles": []}  # fmt: skip
    everything = dict.fromkeys(("publishClientSend", "publishClientReceive", "unsubscribe"), True)
    access = {"defaultACLAccess": {**everything, "subscribe": False}, "clients": [user], "groups": [], "roles": []}
    config = places.write(broker.directory / "dynamic.json", json.dumps(access), 0o600)
    [plugin] = stack.programs.root.rglob("mosquitto_dynamic_security.so")
    path = broker.directory / "mosquitto.conf"
    given = re.sub("^(acl_file|password_file) .*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    places.write(path, f"{given}\nplugin {plugin}\nplugin_opt_config_file {config}\n")


@pytest.mark.parametrize(("seconds", "state"), [(None, State.OK), (14 * 86_400, State.OK), (3600, State.WARNING)])
def test_a_broker_that_keeps_sessions_too_short(seconds: int | None, state: State) -> None:
    """A weekend offline would lose what is queued. mosquitto never says so; other brokers answer with the time they keep."""
    seen = Seen(is_reached=True, session_expiry_seconds=seconds)
    [found] = [one for one in check_broker(BrokerSettings(), seen, datetime.now(UTC)) if one.name == "broker.session"]

    assert state == found.state


async def test_a_broker_without_qos_1(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Messages could be lost: failed."""
    with own_broker(stack.programs) as broker:
        path = broker.directory / "mosquitto.conf"
        path.write_text(path.read_text() + "\nmax_qos 0\n")
        broker.start()
        await failure(environment(filled, broker, tmp_path), "broker.qos")


async def test_a_certificate_that_ends_soon(stack: Stack, tmp_path: Path) -> None:
    """Told a month before."""
    with own_broker(stack.programs, tls=Tls(authority(tmp_path / "ours", "127.0.0.1"))) as broker:
        broker.start()
        given = {"port": broker.tls_port, "tls_ca_file": tmp_path / "ours" / "ca.crt"}
        settings = _settings(broker, tmp_path).model_copy(update=given)
        seen = await probe_broker(settings)
    assert seen.certificate_ends is not None
    states = {
        days: {one.name: one.state for one in check_broker(settings, seen, seen.certificate_ends - timedelta(days=days))}
        for days in (29, 31)
    }

    assert (State.WARNING, State.OK) == (states[29]["broker.certificate"], states[31]["broker.certificate"])


async def test_a_broker_whose_authority_is_another(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """The remedy of the session is the remedy here."""
    with own_broker(stack.programs, tls=Tls(authority(tmp_path / "ours", "127.0.0.1"))) as broker:
        broker.start()
        other = authority(tmp_path / "other", "127.0.0.1") / "ca.crt"
        given = {"broker__port": broker.tls_port, "broker__tls_ca_file": other}
        found = await failure(environment(filled, broker, tmp_path, **given), "broker.connect")

    assert "METERWARDEN_BROKER__TLS_CA_FILE" in found["found"]


async def test_no_message_is_taken_from_anybody(stack: Stack, tmp_path: Path) -> None:
    """The session of the service, its queue and retained messages stay as they are."""
    broker, name, topic = (
        stack.mosquitto,
        f"kept-{secrets.token_hex(4)}",
        f"metering/K{secrets.token_hex(4)}/electricity/E1/reading",
    )
    settings = _settings(broker, tmp_path, name)
    queueing = {"identifier": name, "clean_start": False, "properties": session()}
    async with client(broker, "ingest", **queueing) as worker:
        await worker.subscribe(topic, qos=1)
    async with client(broker) as meter:
        await meter.publish(topic, b"one", qos=1)
    assert (await probe_broker(settings)).refused_filters == {}
    async with client(broker, "ingest", **queueing) as worker, asyncio.timeout(90):
        assert b"one" == (await anext(aiter(worker.messages))).payload
    async with client(broker, "ingest", identifier=name, clean_start=True):
        pass
