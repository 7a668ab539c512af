"""Everything compose.yaml starts but Grafana, started here by the same commands and settings on real servers, without an engine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.stack import Postgres, Programs, free_port, programs
from tests.databases import ROOT
from tests.deploy import composed
from tests.deploy.started import (
    AsSetUp,
    DatabaseAsComposed,
    broker_of,
    broker_setup,
    containers_below,
    database_of,
    database_set_up,
    replaced,
)  # fmt: skip
from tests.running import Service, eventually

INSTITUTIONS = "2"


@pytest.fixture(scope="module")
def found() -> Programs:
    return programs(print)


@pytest.fixture
def postgres(found: Programs, tmp_path: Path) -> Iterator[DatabaseAsComposed]:
    """A server of the test's own, by compose's one-shot, command and mounts; its roles get the passwords of compose's secrets."""
    done = database_set_up(tmp_path / "containers")
    assert done.returncode == 0, done.stderr
    with database_of(found, tmp_path / "containers") as server:
        yield server


class Here:
    """Services of compose.yaml with this machine's ports and paths in their environment."""

    def __init__(self, postgres: DatabaseAsComposed, broker: AsSetUp, at: Any, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.moved = {
            "@timescaledb/": f"@127.0.0.1:{postgres.port}/",
            "/run/secrets": str(at.secrets),
            "/ca/ca.crt": str(at.ca / "ca.crt"),
            "/database/ca/ca.crt": str(postgres.root / "database" / "ca" / "ca.crt"),
            "/tmp/": f"{directory}/",  # noqa: S108 - compose.yaml's
        }
        self.known = {"mosquitto": "localhost", "8883": str(broker.tls_port), "9464": str(self.port), "0.0.0.0": "127.0.0.1"}  # noqa: S104
        self.broker = broker

    def environment(self, name: str) -> dict[str, str]:
        """The service's, with the few things replaced that only exist among containers."""
        given = composed.services()[name]["environment"]
        ours = {key: self.known.get(text, replaced(text, self.moved)) for key, text in given.items()}
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("METERWARDEN_")}
        return {**inherited, **ours, "METERWARDEN_SIMULATOR_INSTITUTIONS": INSTITUTIONS}

    def run(self, name: str, *command: str, **more: str) -> None:
        """A one-shot, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "ingest", *(replaced(argument, self.moved) for argument in command)],
            env={**self.environment(name), **more}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


async def test_from_nothing_to_the_simulators_readings_by_the_commands_of_compose(
    found: Programs, postgres: DatabaseAsComposed, tmp_path: Path
) -> None:
    """Secrets, certificates, migration, broker, service over TLS, probe, simulator, daily work; twice what an `up` repeats."""
    at = containers_below(tmp_path / "containers")
    (at.secrets / "postgres.password").write_text(postgres.password)
    broker_setup().set_up(at, ["mosquitto", "localhost"], simulator=True)
    with broker_of(found, at) as broker:
        here = Here(postgres, broker, at, tmp_path)
        environment = {
            **here.environment("ingest"),
            "METERWARDEN_INTAKE__ACCEPT_DAYS_BACK": composed.example()["METERWARDEN_INTAKE__ACCEPT_DAYS_BACK"],
        }
        service = Service(environment, here.port, tmp_path / "ingest.log")
        await service.start()
        try:
            await eventually(lambda: is_live(service), "live before there is a database")
            assert not probed(service)
            for _ in range(2):
                here.run("migrate", *composed.services()["migrate"]["command"])
            await service.ready()
            await eventually(lambda: probed(service), "the health check is content")
            simulated(here)
            await service.counted(stored=1)
            await eventually(lambda: settled(postgres), "an institution has a month")
            here.run("storage", *composed.services()["storage"]["entrypoint"][4:])
            for purpose in ("broker_server", "broker_ca", "database_server", "database_ca"):
                await eventually(
                    lambda name=purpose: service.metric(f'certificate_expiry_timestamp_seconds{{purpose="{name}"}}'), purpose
                )
        finally:
            assert await service.terminate() == 0
        assert secrets_in(service.log(), at) == []


async def is_live(service: Service) -> bool:
    """Whether its event loop turns."""
    return (await service.http("/livez"))[0] == 200


def probed(service: Service) -> bool:
    """Whether the health check of compose.yaml is content."""
    command = composed.services()["ingest"]["healthcheck"]["test"]
    assert command[:2] == ["CMD", "python"]
    done = subprocess.run(
        [sys.executable, *command[2:]], env=service.environment, cwd=ROOT, capture_output=True, check=False, timeout=600
    )
    return done.returncode == 0


def simulated(here: Here) -> None:
    """The two one-shots of the profile, the second through the broker's own loopback."""
    shell = composed.services()["simulator-registry"]["entrypoint"]
    assert shell[:2] == ["sh", "-ec"]
    for command in shell[2].split(" && "):
        here.run("simulator-registry", *command.split()[1:])
    assert composed.services()["simulator"]["network_mode"] == "service:mosquitto"
    publish = composed.services()["simulator"]["command"]
    here.run("simulator", *publish, METERWARDEN_SIMULATOR_PORT=str(here.broker.port), METERWARDEN_SIMULATOR_DAYS="2")


def settled(postgres: Postgres) -> bool:
    """Whether consumption was derived."""
    with psycopg.connect(postgres.url("meterwarden")) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM metering.consumption_day)").fetchone()
    return row is not None and row[0]


def secrets_in(log: str, at: Any) -> list[str]:
    """The names of the secrets that stand in a text."""
    return [path.name for path in at.secrets.iterdir() if path.read_text() and path.read_text() in log]
