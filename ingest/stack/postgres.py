"""PostgreSQL 17 with TimescaleDB, durable as in production."""

import secrets
import signal
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from ingest.stack import places, process
from ingest.stack.packages import Programs
from ingest.stack.ports import free_port
from ingest.stack.relocation import ZONES
from ingest.stack.server import STOP_SECONDS, Server

SUPERUSER = "postgres"
PASSWORD_BYTES = 18
SETTINGS = """
# Written by the embedded stack.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''       # reached by one address, with a password
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
jit = off                          # the compiler's library is left out of the download
dynamic_shared_memory_type = mmap  # in the run directory, so a killed cluster leaves nothing in a small /dev/shm
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
# Its scheduler holds a connection to each database that has the extension, which forbids cloning that database. The edition
# without the Timescale licence has no policies to run, so nobody misses it.
timescaledb.max_background_workers = 0
# fsync, synchronous_commit and full_page_writes stay as they are, on: what is tested here is that nothing is lost.
"""
StopMode = Literal["fast", "immediate"]
SIGNALS: dict[StopMode, signal.Signals] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres(Server):
    """A cluster of its own with one superuser, who has a generated password."""

    name = "postgres"
    stop_signal = signal.SIGINT

    def __init__(self, programs: Programs, directory: Path, port: int, password: str, *, linger: bool) -> None:
        super().__init__(programs, directory, port, linger=linger)
        self.password = password

    @classmethod
    def create(cls, programs: Programs, directory: Path, port: int | None = None, *, linger: bool = False) -> Self:
        """A new cluster below directory, not started yet."""
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        server = cls(programs, places.provide(directory), port or free_port(), password, linger=linger)
        password_file = places.write(directory / "superuser", server.password, 0o600)
        try:
            process.run(server._initdb(password_file), directory)
        finally:
            password_file.unlink()
        with (server.data_directory / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS.format(port=server.port))
        ZONES.provide(programs.root, server.working_directory)
        return server

    @property
    def data_directory(self) -> Path:
        """The cluster's files."""
        return self.directory / "cluster"

    @property
    def working_directory(self) -> Path:
        """The cluster, already while its settings are read: the time zones are found from there."""
        return self.data_directory

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """A libpq URL; without a password given, the superuser's own is filled in and other users get none."""
        known = self.password if password is None and user == SUPERUSER else password
        secret = "" if known is None else f":{quote(known, safe='')}"
        return f"postgresql://{quote(user, safe='')}{secret}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def command(self) -> list[str | Path]:
        """postgres in the foreground."""
        return [self.programs.postgres_bin / "postgres", "-D", self.data_directory]

    def ready(self) -> bool:
        """True once recovery is over: the postmaster then says so in the last line of its pid file, which pg_ctl reads too."""
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        ours = self.process is not None and lines[:1] == [str(self.process.pid)]
        return ours and len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self, mode: StopMode = "fast") -> None:
        """It has ended: `fast` after a checkpoint, `immediate` without one (the next start recovers), killed after a minute."""
        if self.process:
            self.process.stop(SIGNALS[mode], STOP_SECONDS)

    def _initdb(self, password_file: Path) -> list[str | Path]:
        return [
            self.programs.postgres_bin / "initdb",
            f"--pgdata={self.data_directory}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C.UTF-8",
            "--no-sync",  # of the empty cluster only; the server itself syncs
            "--no-instructions",
        ]
