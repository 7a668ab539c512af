"""`meterwarden check` as a whole: all is well, settings, files, and the machine it runs on."""

import socket
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.checks.files import check_files
from ingest.checks.machine import check_clock
from ingest.checks.result import State
from ingest.settings import BrokerSettings, Settings
from ingest.stack import Stack
from tests.databases import Database
from tests.integration.checking import checked, environment, failure, run
from tests.running import running_service


async def test_all_is_well(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Nothing is failed, nothing is warned of: the service has just the privileges it needs."""
    found = await checked(environment(filled, stack.mosquitto, tmp_path))

    assert [] == [one for one in found.values() if one["state"] != "ok"]
    assert {"settings", "machine.clock", "file.broker__password_file", "broker.connect", "broker.protocol", "broker.authentication",
            "broker.subscribe", "broker.session", "database.connect", "database.version", "database.timescaledb",
            "database.writable",
            "database.clock", "database.disk", "database.migrations", "database.privileges", "database.least_privilege",
            "database.timezones", "registry", "http.port"} == set(found)  # fmt: skip


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


@pytest.mark.parametrize(("mode", "state"), [(0o644, State.OK), (0o600, State.OK), (0o666, State.WARNING)])
def test_a_secret_that_a_container_is_given_may_be_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, state: State
) -> None:
    """Closed outside, as the warning would have it, it were closed to the service in its container too."""
    monkeypatch.setattr("ingest.checks.files.CONTAINERS", tmp_path)
    password = tmp_path / "broker_ingest.password"
    password.write_text("secret")
    password.chmod(mode)
    [found] = check_files(Settings(broker=BrokerSettings(password_file=password)))

    assert state == found.state


async def test_tls_files_that_cannot_be_used(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """An authority's file without a certificate in it."""
    (tmp_path / "ca.crt").write_text("no certificate")
    found = await checked(environment(filled, stack.mosquitto, tmp_path, broker__tls_ca_file=tmp_path / "ca.crt"), 1)

    assert ("failed", True) == (found["file.tls"]["state"], "METERWARDEN_BROKER__TLS_CA_FILE" in found["file.tls"]["found"])


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
