"""The whole stack: real servers in a run directory of their own, up together, down together, leaving nothing."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from ingest.stack import places
from ingest.stack.mosquitto import INGEST_USER, SIMULATOR_USER, Mosquitto
from ingest.stack.packages import Programs, programs
from ingest.stack.ports import free_port
from ingest.stack.postgres import Postgres
from ingest.stack.process import Process
from ingest.stack.prometheus import Alertmanager, Prometheus
from ingest.stack.server import Server

OWNER = "owner"  # file naming the process whose end ends the servers; without it the directory is never swept
NO_RULES = "groups: []"


def _silent(_line: str) -> None:
    return


class Stack:
    """PostgreSQL, mosquitto and, unless left out, Prometheus with Alertmanager; a `with` statement runs them."""

    def __init__(
        self,
        directory: Path,
        postgres: Postgres,
        mosquitto: Mosquitto,
        prometheus: Prometheus | None,
        alertmanager: Alertmanager | None,
    ) -> None:
        self.directory = directory
        self.postgres = postgres
        self.mosquitto = mosquitto
        self.prometheus = prometheus
        self.alertmanager = alertmanager
        self.programs = postgres.programs
        self._write_secrets()

    @classmethod
    def create(
        cls,
        directory: Path | None = None,
        *,
        say: Callable[[str], None] = _silent,
        linger: bool = False,
        rules: str = NO_RULES,
        with_prometheus: bool = True,
        evaluation_interval: str = "15s",
        scrape_interval: str = "15s",
        users: Mapping[str, str] | None = None,
        broker_extra: str = "",
        webhook_port: int | None = None,
    ) -> Self:
        """Servers ready to be started by `up`, in a fresh run directory or the (new or empty) one given.

        `users` and `broker_extra` go to mosquitto, `rules` and the intervals to Prometheus, `webhook_port` to Alertmanager.
        StackError says what keeps the programs from being there.
        """
        found = programs(say)
        sweep()
        run = places.given_run_directory(directory) if directory else places.fresh_run_directory()
        try:
            if not linger:
                _mark_owner(run)
            say("preparing the servers")
            with ThreadPoolExecutor(thread_name_prefix="stack-prepare") as pool:
                postgres = pool.submit(Postgres.create, found, run / "postgres", linger=linger)
                mosquitto = Mosquitto.create(found, run / "mosquitto", extra=broker_extra, users=users, linger=linger)
                alerting = (
                    _alerting(found, run, rules, evaluation_interval, scrape_interval, webhook_port, linger)
                    if with_prometheus
                    else (None, None)
                )
                return cls(run, postgres.result(), mosquitto, *alerting)
        except BaseException:
            places.remove(run)
            raise

    @property
    def servers(self) -> Sequence[Server]:
        """The servers in the order of `up`; `down` takes the opposite one."""
        every = (self.postgres, self.mosquitto, self.alertmanager, self.prometheus)
        return [server for server in every if server is not None]

    def up(self) -> Self:
        """Every server runs and answers; if one does not, none is left running and StackError shows the end of its log."""
        try:
            with ThreadPoolExecutor(thread_name_prefix="stack-up") as pool:
                for started in [pool.submit(server.start) for server in self.servers]:
                    started.result()
        except BaseException:
            self.down()
            raise
        return self

    def down(self, *, keep: bool = False) -> None:
        """Every server has ended, and the run directory is gone unless kept."""
        for server in reversed(self.servers):
            server.stop()
        if not keep:
            places.remove(self.directory)

    def password_file(self, user: str) -> Path:
        """0600 file of the caller's with a password: `postgres` (the superuser), `ingest` or `simulator`."""
        return self.directory / "secrets" / user

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(self, *_exception: object) -> None:
        self.down()

    def _write_secrets(self) -> None:
        (self.directory / "secrets").mkdir(mode=0o700)
        places.write_secret(self.password_file("postgres"), self.postgres.password)
        for user in (INGEST_USER, SIMULATOR_USER):
            places.write_secret(self.password_file(user), self.mosquitto.password(user))


def sweep() -> None:
    """Run directories of processes that were killed are gone: their servers died with them, the files could not."""
    base = places.run_base()
    for owner in base.glob(f"{places.RUN_PREFIX}*/{OWNER}"):
        with contextlib.suppress(OSError, ValueError):
            pid, start_ticks = map(int, owner.read_text().split())
            if not Process(pid, start_ticks).alive():
                places.remove(owner.parent)


def _mark_owner(run: Path) -> None:
    me = Process.of(os.getpid())
    places.write(run / OWNER, f"{me.pid} {me.start_ticks}\n")


def _alerting(
    found: Programs,
    run: Path,
    rules: str,
    evaluation_interval: str,
    scrape_interval: str,
    webhook_port: int | None,
    linger: bool,
) -> tuple[Prometheus, Alertmanager]:
    port = free_port()
    alertmanager = Alertmanager.create(found, run / "alertmanager", port, webhook_port, linger=linger)
    prometheus = Prometheus.create(found, run / "prometheus", rules, port, evaluation_interval, scrape_interval, linger=linger)
    return prometheus, alertmanager
