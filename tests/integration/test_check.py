"""`meterwarden check` on real servers, each broken in the way that one of its checks is for."""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import socket
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.broker.probe import Seen
from ingest.broker.probe import probe as probe_broker
from ingest.checks.broker import check_broker
from ingest.checks.database import check_database
from ingest.checks.machine import check_clock
from ingest.checks.result import State
from ingest.cli import main
from ingest.settings import BrokerSettings
from ingest.stack import Mosquitto, Stack, free_port, places
from ingest.stack.mosquitto import Tls
from ingest.storage.migrate import migrations
from ingest.storage.probe import probe as probe_database
from ingest.storage.queries import QUERIES
from tests.absent import session
from tests.certificates import authority
from tests.databases import Database
from tests.registries import import_files, write_files
from tests.running import client, own_broker, running_service


def environment(database: Database, broker: Mosquitto, directory: Path, **more: object) -> dict[str, str]:
    """Settings with which everything is well, and what a test has otherwise."""
    password = directory / "broker.password"
    password.write_text(broker.password("ingest"), encoding="utf-8")
    password.chmod(0o600)
    given = {
        "database__url": database.writer_url, "broker__port": broker.port, "broker__username": "ingest",
        "broker__password_file": password, "broker__client_identifier": f"check-{secrets.token_hex(4)}", "http__port": free_port(),
        **more,
    }  # fmt: skip
    return {"LC_ALL": "C.UTF-8", **{f"METERWARDEN_{name.upper()}": str(value) for name, value in given.items()}}


def _settings(broker: Mosquitto, directory: Path, name: str = "asked") -> BrokerSettings:
    password = directory / f"{name}.password"
    password.write_text(broker.password("ingest"), encoding="utf-8")
    return BrokerSettings(port=broker.port, username="ingest", password_file=password, client_identifier=name)


async def run(settings: Mapping[str, str], *arguments: str) -> Result:
    """The command, in a thread, since it has an event loop of its own."""
    return await asyncio.to_thread(partial(CliRunner().invoke, main, ["check", *arguments], env=settings))


async def checked(settings: Mapping[str, str], status: int = 0) -> dict[str, dict[str, Any]]:
    """Every check by name, as --json tells it; AssertionError where the exit status is another."""
    result = await run(settings, "--json")
    assert result.exit_code == status, result.output
    facts = json.loads(result.stdout)
    assert facts["ok"] is (status == 0)
    for one in facts["checks"]:
        assert (one["state"] == "ok") == (one["remedy"] is None), f"what is not ok says what to do: {one}"
    return {one["check"]: one for one in facts["checks"]}


async def failure(settings: Mapping[str, str], name: str) -> dict[str, Any]:
    """The only check that fails."""
    found = await checked(settings, 1)
    assert [name] == [check for check, one in found.items() if one["state"] == "failed"]
    return found[name]


@pytest.fixture
async def filled(database: Database, tmp_path: Path) -> Database:
    """A database with a registry."""
    await import_files(database, write_files(tmp_path / "registry"))
    return database


async def test_all_is_well(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Nothing is failed, nothing is warned of: the service has just the privileges it needs."""
    found = await checked(environment(filled, stack.mosquitto, tmp_path))

    assert [] == [one for one in found.values() if one["state"] != "ok"]
    assert {"settings", "machine.clock", "file.broker__password_file", "broker.connect", "broker.protocol", "broker.authentication",
            "broker.subscribe", "broker.session", "database.connect", "database.version", "database.timescaledb",
            "database.writable",
            "database.clock", "database.disk", "database.migrations", "database.privileges", "database.least_privilege",
            "database.timezones", "registry", "http.port"} == set(found)  # fmt: skip


async def test_every_query_of_the_service_is_asked(filled: Database) -> None:
    """Whether the role may run it is known of nine in ten, without running any."""
    seen = await probe_database(filled.settings, lambda: datetime.now(UTC))

    assert [] == seen.too_little
    assert seen.queries_asked > 0.9 * len(QUERIES), f"{seen.queries_asked} of {len(QUERIES)}"


async def test_lines_for_people_in_both_languages(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """One line each, the count last."""
    settings = environment(filled, stack.mosquitto, tmp_path)
    english, chinese = await run(settings), await run({**settings, "LC_ALL": "zh_CN.UTF-8"})

    assert english.output.splitlines()[-1].endswith(" ok")
    assert chinese.output.splitlines()[-1].endswith(" 正常")
    assert len(english.output.splitlines()) == len(chinese.output.splitlines())


async def test_wrong_settings_fail_and_the_rest_is_left_out(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """What was meant can only be guessed."""
    found = await failure(environment(filled, stack.mosquitto, tmp_path, batch__messages="many"), "settings")

    assert found["found"].startswith("METERWARDEN_BATCH__MESSAGES: ")


async def test_a_variable_that_is_no_setting_is_told(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """With what was meant."""
    found = await checked(environment(filled, stack.mosquitto, tmp_path, superuser_ulr=5))

    assert "METERWARDEN_SUPERUSER_URL?" in found["settings.unknown"]["found"]


# files


async def test_a_password_file_that_is_not_there(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """The broker cannot be asked without it either; the setting is named."""
    found = await checked(environment(filled, stack.mosquitto, tmp_path, broker__password_file=tmp_path / "none"), 1)

    assert "METERWARDEN_BROKER__PASSWORD_FILE" in found["file.broker__password_file"]["found"]
    assert "failed" == found["file.broker__password_file"]["state"]


async def test_an_empty_password_file(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """As a secret that was never filled in."""
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    found = await checked(environment(filled, stack.mosquitto, tmp_path, database__password_file=empty), 1)

    assert ("failed", f"{empty} is empty") == (
        found["file.database__password_file"]["state"],
        found["file.database__password_file"]["found"],
    )


async def test_a_password_file_that_others_may_read(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Works, and is warned of, with the command that mends it."""
    settings = environment(filled, stack.mosquitto, tmp_path)
    (tmp_path / "broker.password").chmod(0o644)
    found = (await checked(settings))["file.broker__password_file"]

    assert ("warning", f"chmod 0600 {tmp_path / 'broker.password'}") == (found["state"], found["remedy"])


async def test_tls_files_that_cannot_be_used(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """An authority's file without a certificate in it."""
    (tmp_path / "ca.crt").write_text("no certificate")
    found = await checked(environment(filled, stack.mosquitto, tmp_path, broker__tls_ca_file=tmp_path / "ca.crt"), 1)

    assert ("failed", True) == (found["file.tls"]["state"], "METERWARDEN_BROKER__TLS_CA_FILE" in found["file.tls"]["found"])


# the broker


async def test_a_broker_that_is_not_there(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Connection refused."""
    found = await failure(environment(filled, stack.mosquitto, tmp_path, broker__port=free_port()), "broker.connect")

    assert "METERWARDEN_BROKER__PORT" in found["remedy"]


async def test_a_listener_that_never_answers(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """It is given up in time, and it is no broker of ours."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        given = {"broker__port": silent.getsockname()[1], "broker__connect_timeout_seconds": 1}
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
    async with client(broker, "ingest", **queueing) as worker, asyncio.timeout(10):
        assert b"one" == (await anext(aiter(worker.messages))).payload
    async with client(broker, "ingest", identifier=name, clean_start=True):
        pass


# the database


async def test_a_database_that_is_not_there(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Connection refused."""
    url = make_conninfo(filled.writer_url, port=free_port())
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "database.connect")

    assert "METERWARDEN_DATABASE__URL" in found["remedy"]


async def test_a_wrong_password_at_the_database(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Which is not repeated."""
    url = make_conninfo(filled.writer_url, password="not-the-one")
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "database.connect")

    assert "METERWARDEN_DATABASE__PASSWORD_FILE" in found["remedy"]
    assert "not-the-one" not in json.dumps(found)


async def test_a_database_that_does_not_exist(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Bootstrap makes it."""
    url = make_conninfo(filled.writer_url, dbname="elsewhere")
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "database.connect")

    assert "meterwarden bootstrap" in found["remedy"]


@pytest.mark.parametrize("url", ["mysql:hunter2@db", "postgresql://u:hunter2@[db", "user=u password='hunter2"])
async def test_a_url_that_is_none_is_not_repeated(url: str, filled: Database, stack: Stack, tmp_path: Path) -> None:
    """The driver's own words would repeat it, password included."""
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "database.connect")

    assert "hunter2" not in json.dumps(found)


async def test_a_database_without_the_extension(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """A plain one of the same server."""
    url = make_conninfo(stack.postgres.url("postgres"))
    found = await checked(environment(filled, stack.mosquitto, tmp_path, database__url=url), 1)

    assert {"database.timescaledb": "failed", "database.migrations": "failed"}.items() <= {
        name: one["state"] for name, one in found.items()
    }.items()


async def test_migrations_that_are_missing(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """By name; what needs the structure is not asked."""
    await filled.run("DELETE FROM public.meterwarden_migration WHERE name = (SELECT max(name) FROM public.meterwarden_migration)")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.migrations")

    assert (f"missing: {migrations()[-1].name}", True) == (found["found"], "meterwarden migrate" in found["remedy"])


async def test_a_database_of_a_newer_version(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """It has a migration that nobody here knows."""
    await filled.run("INSERT INTO public.meterwarden_migration (name, digest) VALUES ('9999_tomorrow', '')")
    await failure(environment(filled, stack.mosquitto, tmp_path), "database.migrations")


async def test_too_few_privileges(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """One was revoked: the table is named. Nobody waits for the first batch to find out."""
    await filled.run("REVOKE INSERT ON metering.quarantine FROM meterwarden_writer")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.privileges")

    assert "permission denied for table quarantine" in found["found"]


async def test_a_role_without_temporary_tables(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Every batch needs one."""
    await filled.run(f"REVOKE TEMPORARY ON DATABASE {filled.name} FROM meterwarden_writer, PUBLIC")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.privileges")

    assert "permission denied to create temporary tables" in found["found"]


async def test_the_reader_is_not_the_writer(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Two URLs swapped."""
    found = await checked(environment(filled, stack.mosquitto, tmp_path, database__url=filled.reader_url), 1)

    assert "failed" == found["database.privileges" if "database.privileges" in found else "database.migrations"]["state"]


@pytest.mark.parametrize(
    ("given", "told"),
    [("GRANT DELETE ON metering.reading TO meterwarden_writer", "DELETE on metering.reading"),
     ("GRANT TRUNCATE ON metering.consumption_day TO meterwarden_writer", "TRUNCATE on metering.consumption_day"),
     ("GRANT CREATE ON SCHEMA metering TO meterwarden_writer", "CREATE on schema metering")],
)  # fmt: skip
async def test_too_many_privileges(given: str, told: str, filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Works, and is warned of."""
    await filled.run(given)
    found = (await checked(environment(filled, stack.mosquitto, tmp_path)))["database.least_privilege"]

    assert ("warning", True) == (found["state"], told in found["found"])


async def test_the_owner_and_the_superuser_are_too_mighty(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """What most try first."""
    for url, told in ((filled.owner_url, "CREATE on schema metering"), (filled.superuser_url, "SUPERUSER")):
        found = (await checked(environment(filled, stack.mosquitto, tmp_path, database__url=url)))["database.least_privilege"]
        assert ("warning", True) == (found["state"], told in found["found"]), found


async def test_a_database_that_takes_no_writes(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """As a standby does."""
    url = make_conninfo(filled.writer_url, options="-c default_transaction_read_only=on")
    found = await checked(environment(filled, stack.mosquitto, tmp_path, database__url=url), 1)

    assert "failed" == found["database.writable"]["state"]


async def test_an_empty_registry(database: Database, stack: Stack, tmp_path: Path) -> None:
    """Every message would be quarantined: warned of."""
    found = (await checked(environment(database, stack.mosquitto, tmp_path)))["registry"]

    assert ("warning", "0 institutions, 0 meters, 0 quotas") == (found["state"], found["found"])


async def test_a_zone_that_the_database_sees_otherwise(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Its rules of time zones are of another age: here one that it does not know at all."""
    await filled.run("UPDATE metering.region SET timezone = 'Asia/Nowhere'")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.timezones")

    assert "Asia/Nowhere" in found["found"]


@pytest.mark.parametrize(("seconds", "state"), [(0, State.OK), (-10, State.WARNING), (10, State.WARNING), (90, State.FAILED)])
async def test_clocks_that_differ(filled: Database, seconds: int, state: State) -> None:
    """The database's own clock, against one of ours that is off."""
    seen = await probe_database(filled.settings, lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    [found] = [one for one in check_database(seen) if one.name == "database.clock"]

    assert state == found.state
    assert ("behind" in found.found.english) == (seconds > 0)


async def test_little_free_disk(filled: Database) -> None:
    """A superuser learns where the files are; this machine has them; the limits are held against what is really free."""
    seen = await probe_database(
        filled.settings.model_copy(update={"url": SecretStr(filled.superuser_url)}), lambda: datetime.now(UTC)
    )
    assert seen.free_bytes is not None
    states = {}
    for free in (20 * 2**30, 5 * 2**30, 2**29):
        seen.free_bytes = free
        states[free] = next(one.state for one in check_database(seen) if one.name == "database.disk")

    assert [State.OK, State.WARNING, State.FAILED] == list(states.values())


# this machine


@pytest.mark.parametrize(("now", "state"), [
    (datetime(1970, 1, 1, tzinfo=UTC), State.FAILED), (datetime(2026, 11, 21, tzinfo=UTC), State.OK),
    (datetime(2107, 1, 1, tzinfo=UTC), State.FAILED)])  # fmt: skip
def test_a_clock_that_cannot_be_right(now: datetime, state: State) -> None:
    """As after a flat battery."""
    assert state == check_clock(now).state


async def test_a_service_that_runs_already_is_no_stranger(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """`check` may be asked at any time: its port is taken by the very service."""
    async with running_service(filled, stack.mosquitto, tmp_path) as service:
        found = await checked(environment(filled, stack.mosquitto, tmp_path, http__port=service.port))

    assert "this service runs" in found["http.port"]["found"]


async def test_a_port_that_is_taken(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """By somebody else."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        given = {"http__port": taken.getsockname()[1]}
        found = await failure(environment(filled, stack.mosquitto, tmp_path, **given), "http.port")

    assert "METERWARDEN_HTTP__PORT" in found["remedy"]
