"""What compose.yaml would start in containers, started here: the same files and commands, with other paths and ports."""

import http.client
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ingest.stack import Programs, free_port, places, process
from ingest.stack.server import Server
from tests.databases import ROOT
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
    shutil.copytree(ROOT / "deploy" / "mosquitto", at.shipped)
    for volume in (at.config, at.authority, at.ca):
        volume.mkdir(parents=True)
    subprocess.run([ROOT / "deploy" / "compose" / "secrets", at.secrets], check=True, capture_output=True)
    return at


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
        return process.accepts(self.port) and process.accepts(self.tls_port)


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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
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
