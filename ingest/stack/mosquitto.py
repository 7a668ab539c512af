"""mosquitto 2 with passwords, access rules and persistence."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from ingest.stack import places, process
from ingest.stack.packages import Programs
from ingest.stack.ports import free_port
from ingest.stack.server import Server

INGEST_USER = "ingest"
SIMULATOR_USER = "simulator"
PASSWORD_BYTES = 18
SALT_BYTES = 12  # the length mosquitto 2.0 expects
ITERATIONS = 101  # its own default: a generated password needs no more
# Comments stand on lines of their own: mosquitto takes the rest of a setting's line as its argument.
CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous false
password_file {directory}/passwords
acl_file {directory}/access
persistence true
persistence_location {directory}/
# Seconds between two saves: a broker that is killed forgets what came since, and the guarantees page says so.
autosave_interval 1800
# While the service or its database is down the queue is the broker's to hold, so it has no limit.
max_queued_messages 0
# The client's own receive maximum is what bounds messages in flight.
max_inflight_messages 65535
max_packet_size 1048576
# A session that nobody has taken up for two weeks is given up, else its queue would grow for ever.
persistent_client_expiration 14d
# Acknowledgements are small: they would wait for company.
set_tcp_nodelay true
{extra}
"""
ACCESS = f"""\
# The service reads what meters send, and publishes quota states.
user {INGEST_USER}
topic read metering/#
topic read $SYS/#
topic readwrite meterwarden/#
topic write metering/meterwarden/electricity/canary/reading

# The simulator stands for every meter and gateway.
user {SIMULATOR_USER}
topic readwrite metering/#
topic read meterwarden/#
topic read $SYS/#

# Anybody may publish below the institution whose name it bears: a gateway speaks for its own institution only.
pattern write metering/%u/#
"""


class Mosquitto(Server):
    """A broker that knows `ingest`, `simulator` and the users it was created with."""

    name = "mosquitto"

    def __init__(self, programs: Programs, directory: Path, port: int, passwords: Mapping[str, str], *, linger: bool) -> None:
        super().__init__(programs, directory, port, linger=linger)
        self._passwords = dict(passwords)

    @classmethod
    def create(
        cls,
        programs: Programs,
        directory: Path,
        port: int | None = None,
        extra: str = "",
        *,
        users: Mapping[str, str] | None = None,
        linger: bool = False,
    ) -> Self:
        """A broker not started yet. `users`: further names and passwords; `extra`: lines at the end of its configuration."""
        generated = {user: secrets.token_urlsafe(PASSWORD_BYTES) for user in (INGEST_USER, SIMULATOR_USER)}
        passwords = {**generated, **(users or {})}
        server = cls(programs, places.provide(directory), port or free_port(), passwords, linger=linger)
        server._write_passwords()
        places.write(directory / "access", ACCESS, 0o600)
        configuration = CONFIGURATION.format(port=server.port, directory=directory, extra=extra)
        places.write(directory / "mosquitto.conf", configuration)
        return server

    def password(self, user: str) -> str:
        """The user's password, in the clear."""
        return self._passwords[user]

    def command(self) -> list[str | Path]:
        """mosquitto in the foreground."""
        return [self.programs.mosquitto, "-c", self.directory / "mosquitto.conf"]

    def ready(self) -> bool:
        """True if it accepts connections: it does not before the saved sessions are loaded."""
        return process.accepts(self.port)

    def _write_passwords(self) -> None:
        lines = "".join(f"{user}:{_hashed(password)}\n" for user, password in self._passwords.items())
        places.write(self.directory / "passwords", lines, 0o600)


def _hashed(password: str) -> str:
    """The password as mosquitto 2 stores it: PBKDF2 over SHA-512.

    Computed here because mosquitto_passwd shows a password to `ps`, or cuts one with a colon short.
    """
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
