"""mosquitto 2 on the configuration that the project ships."""

import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ingest.stack import places
from ingest.stack.packages import Programs
from ingest.stack.passwords import hashed
from ingest.stack.ports import free_port
from ingest.stack.server import Server

INGEST_USER = "ingest"
SIMULATOR_USER = "simulator"
PASSWORD_BYTES = 18
SHIPPED = Path(__file__).with_name("shipped")
"""The project's own broker configuration, deploy/mosquitto: what runs here is what is shipped, but for paths and ports."""
SIMULATOR_ACCESS = f"""
# Added by the embedded stack: the simulator stands for every meter and gateway.
user {SIMULATOR_USER}
topic readwrite metering/#
topic read meterwarden/#
topic read $SYS/#
"""
ANSWER_SECONDS = 5.0
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
"""MQTT 3.1.1: a clean session, 60 s of keep alive, no name and no user."""
CONNACK = 0x20


def answers(port: int) -> bool:
    """True if a broker there answers, be it with a refusal.

    The kernel accepts connections for one that has begun to listen; a signal would still end it, its handlers come later.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as probe:
            probe.sendall(CONNECT)
            return probe.recv(1) == bytes([CONNACK])
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Tls:
    """Makes the broker listen with TLS as well: ca.crt, server.crt and server.key are in this directory."""

    directory: Path
    mutual: bool = False
    """Ask for a client's certificate; its common name is the user."""


class Mosquitto(Server):
    """A broker that knows `ingest`, `simulator` and the users it was created with."""

    name = "mosquitto"

    def __init__(self, programs: Programs, directory: Path, port: int, passwords: Mapping[str, str], *, linger: bool) -> None:
        super().__init__(programs, directory, port, linger=linger)
        self._passwords = dict(passwords)
        self.tls_port: int | None = None

    @classmethod
    def create(
        cls,
        programs: Programs,
        directory: Path,
        port: int | None = None,
        extra: str = "",
        *,
        users: Mapping[str, str] | None = None,
        tls: Tls | None = None,
        linger: bool = False,
    ) -> Self:
        """A broker not started yet. `users`: further names and passwords; `extra`: lines at the end of its configuration."""
        generated = {user: secrets.token_urlsafe(PASSWORD_BYTES) for user in (INGEST_USER, SIMULATOR_USER)}
        passwords = {**generated, **(users or {})}
        server = cls(programs, places.provide(directory), port or free_port(), passwords, linger=linger)
        server._write_passwords()
        server._write_configuration(extra)
        if tls is not None:
            server._listen_with_tls(tls)
        return server

    def password(self, user: str) -> str:
        """The user's password, in the clear."""
        return self._passwords[user]

    def command(self) -> list[str | Path]:
        """mosquitto in the foreground."""
        return [self.programs.mosquitto, "-c", self.directory / "mosquitto.conf"]

    def ready(self) -> bool:
        """True if it answers a client: it does not before the saved sessions are loaded."""
        return answers(self.port)

    def _write_configuration(self, extra: str) -> None:
        places.provide(self.directory / "listeners")
        plain = self._shipped("mosquitto.conf", f"listener {self.port} 127.0.0.1")
        places.write(self.directory / "mosquitto.conf", f"{plain}{extra}\n")
        places.write(self.directory / "access", (SHIPPED / "access").read_text(encoding="utf-8") + SIMULATOR_ACCESS, 0o600)

    def _listen_with_tls(self, tls: Tls) -> None:
        self.tls_port = free_port()
        given = self._shipped("listeners/tls.conf", f"listener {self.tls_port} 127.0.0.1")
        if tls.mutual:
            given = re.sub(r"^#(?=(cafile|require_certificate|use_identity_as_username) )", "", given, flags=re.MULTILINE)
        files = places.provide(self.directory / "tls")
        for name, mode in (("ca.crt", 0o644), ("server.crt", 0o644), ("server.key", 0o600)):
            places.write(files / name, (tls.directory / name).read_text(encoding="utf-8"), mode)
        places.write(self.directory / "listeners" / "tls.conf", given)

    def _shipped(self, name: str, listener: str) -> str:
        """A shipped file, with this broker's paths and this listener in place of its own."""
        text = (SHIPPED / name).read_text(encoding="utf-8")
        text = re.sub("/mosquitto/(config|data)", str(self.directory), text)
        return re.sub("^listener .*$", listener, text, flags=re.MULTILINE)

    def _write_passwords(self) -> None:
        lines = "".join(f"{user}:{hashed(password)}\n" for user, password in self._passwords.items())
        places.write(self.directory / "passwords", lines, 0o600)
