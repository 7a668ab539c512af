"""What compose.yaml would start in containers, started here: the same files and commands, with other paths and ports."""

import http.client
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ingest.stack import Postgres, Programs, free_port, places
from ingest.stack.mosquitto import answers
from ingest.stack.server import Server
from tests.databases import ROOT
from tests.deploy import composed
from tests.running import own_directory


def broker_setup() -> ModuleType:
    """deploy/compose/broker_setup.py as a module."""
    name = "broker_setup"
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, ROOT / "deploy" / "compose" / "broker_setup.py")
        assert found is not None
        assert found.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def containers_below(root: Path) -> Any:
    """The directories that the one-shot is given, as new volumes, and the secrets made by the shipped script."""
    at = broker_setup().Places.below(root)
    if not at.shipped.exists():
        shipped(root)
    for volume in (at.config, at.authority, at.ca):
        volume.mkdir(parents=True)
    subprocess.run([ROOT / "deploy" / "compose" / "secrets", at.secrets], check=True, capture_output=True)
    return at


def shipped(root: Path) -> None:
    """What both one-shots are shown of the checkout."""
    shutil.copytree(ROOT / "deploy" / "mosquitto", root / "shipped")


SETUP = ROOT / "deploy" / "compose" / "database_setup"


def database_set_up(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The one-shot for the database's certificate below a directory, on volumes that are made if need be."""
    if not (root / "shipped").exists():
        shipped(root)
    for volume in ("authority", "tls", "ca"):
        (root / "database" / volume).mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        ["sh", SETUP, root], env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )


class DatabaseAsComposed(Postgres):
    """PostgreSQL with the arguments and mounts of compose.yaml."""

    root: Path

    def take(self) -> None:
        """Its own copy of what is mounted, owned by the user it runs as; a running server is told to read it again."""
        for mount in composed.services()["timescaledb"]["volumes"]:
            if mount["type"] == "bind":
                places.write(self.mounted / Path(mount["target"]).name, Path(mount["source"]).read_text(encoding="utf-8"), 0o600)
        for name in ("server.crt", "server.key"):
            places.write(self.mounted / name, (self.root / "database" / "tls" / name).read_text(encoding="utf-8"), 0o600)
        if self.process is not None:
            self.process.send(signal.SIGHUP)

    @property
    def mounted(self) -> Path:
        """What stands for /database/tls and /setup."""
        return self.directory / "mounted"

    def command(self) -> list[str | Path]:
        program, *arguments = composed.services()["timescaledb"]["command"]
        assert program == "postgres"
        moved = {"/database/tls": str(self.mounted), "/setup": str(self.mounted)}
        return [*super().command(), *(replaced(argument, moved) for argument in arguments)]


@contextmanager
def database_of(programs: Programs, root: Path) -> Iterator[DatabaseAsComposed]:
    """A database, running on what the one-shot made below `root`, for the length of a block."""
    with own_directory() as directory:
        server = DatabaseAsComposed.create(programs, directory / "postgres")
        server.root = root
        places.provide(server.mounted)
        server.take()
        server.start()
        try:
            yield server
        finally:
            server.stop()


class AsSetUp(Server):
    """mosquitto on what the one-shot prepared."""

    name = "mosquitto"

    def __init__(self, programs: Programs, directory: Path, at: Any, was: tuple[str, str]) -> None:
        super().__init__(programs, places.provide(directory), free_port(), linger=False)
        self.tls_port = free_port()
        self.at = at
        self.was = was
        self.passwords: dict[str, str] = {}

    def password(self, user: str) -> str:
        """As the tests' clients ask for it."""
        if user in self.passwords:
            return self.passwords[user]
        return (self.at.secrets / f"broker_{user}.password").read_text()

    def take(self) -> None:
        """Its own copy of the configuration, owned by the user it runs as; only paths and ports are other ones."""
        config = self.directory / "config"
        shutil.rmtree(config, ignore_errors=True)
        shutil.copytree(self.at.config, config)
        places.provide(self.directory / "data")
        moved = {
            self.was[0]: str(config),
            self.was[1]: str(self.directory / "data"),
            "listener 1883": f"listener {self.port}",
            "listener 8883": f"listener {self.tls_port}",
        }
        for path in (config / "mosquitto.conf", config / "listeners" / "tls.conf"):
            path.write_text(replaced(path.read_text(), moved))
        for path in (config, *config.rglob("*")):
            places.give(path, 0o700 if path.is_dir() else 0o600)

    def command(self) -> list[str | Path]:
        return [self.programs.mosquitto, "-c", self.directory / "config" / "mosquitto.conf"]

    def ready(self) -> bool:
        return answers(self.port)


class AsComposed(Server):
    """Prometheus or Alertmanager with the command of compose.yaml."""

    def __init__(self, programs: Programs, directory: Path, program: Path, arguments: list[str], moved: Mapping[str, str]) -> None:
        super().__init__(programs, places.provide(directory), free_port(), linger=False)
        self.name = program.name
        self.program = program
        self.arguments = [replaced(argument, moved) for argument in arguments]

    def command(self) -> list[str | Path]:
        return [self.program, *self.arguments, f"--web.listen-address=127.0.0.1:{self.port}"]

    def ready(self) -> bool:
        try:
            return self.page("/-/ready")[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def page(self, path: str) -> tuple[int, bytes]:
        """What it answers; no proxy comes between."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def broker_of(programs: Programs, at: Any, was: tuple[str, str] = ("/mosquitto/config", "/mosquitto/data")) -> Iterator[AsSetUp]:
    """The broker, running, for the length of a block; `was`: where its configuration says that it and its queue are."""
    with own_directory() as directory:
        broker = AsSetUp(programs, directory / "broker", at, was)
        broker.take()
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


def replaced(text: str, moved: Mapping[str, str]) -> str:
    """The text with every key's value in its place, longest key first."""
    if not moved:
        return text
    anything = "|".join(re.escape(old) for old in sorted(moved, key=len, reverse=True))
    return re.sub(anything, lambda match: moved[match[0]], text)
