"""Database servers of a test's own, that it may crash, fill up, or replace by their standby."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ingest.stack import Postgres, Stack, free_port, places
from ingest.stack.postgres import SUPERUSER
from ingest.storage.bootstrap import ROLES, prepare
from tests.databases import Database
from tests.running import own_directory

NAME = "meterwarden"


@asynccontextmanager
async def own_database(stack: Stack, directory: Path, place: Path | None = None) -> AsyncIterator[tuple[Postgres, Database]]:
    """A server of the test's own, in `place` if given, with a migrated database."""
    with own_directory() as fresh:
        server = await asyncio.to_thread(Postgres.create, stack.programs, (place or fresh) / "postgres")
        try:
            await asyncio.to_thread(server.start)
            await prepare(server.url(), NAME, directory / "passwords")
            yield server, database_on(server, directory)
        finally:
            await asyncio.to_thread(server.stop, "immediate")


def database_on(server: Postgres, directory: Path) -> Database:
    """The database of `own_database`, on its server or on one that took its place."""
    passwords = [(directory / "passwords" / f"{role}.password").read_text(encoding="utf-8").strip() for role in ROLES]
    urls = [server.url(NAME, role, password) for role, password in zip(ROLES, passwords, strict=True)]
    return Database(NAME, server.url(NAME), *urls)


class Standby(Postgres):
    """A copy of another server that follows it, until it is promoted."""

    def ready(self) -> bool:
        """A standby that takes connections says so in another word than a primary."""
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return self.process is not None and lines[:1] == [str(self.process.pid)] and lines[-1].strip() in ("ready", "standby")


def standby_of(primary: Postgres, directory: Path) -> Standby:
    """A standby of a primary that does not run now; neither is started."""
    standby = Standby(primary.programs, places.provide(directory), free_port(), primary.password, linger=False)
    _copy(primary.data_directory, standby.data_directory)
    follow = f"host=127.0.0.1 port={primary.port} user={SUPERUSER} password={primary.password} application_name=standby"
    with (standby.data_directory / "postgresql.conf").open("a") as settings:
        settings.write(f"port = {standby.port}\nprimary_conninfo = '{follow}'\n")
    places.write(standby.data_directory / "standby.signal", "")
    return standby


def _copy(source: Path, to: Path) -> None:
    """With the servers' user as owner of every file."""
    shutil.copytree(source, to, symlinks=True, copy_function=_copy_file)
    for path in (to, *to.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            places.give(path, 0o700)


def _copy_file(source: str, to: str) -> None:
    shutil.copy2(source, to)
    places.give(Path(to), 0o600)
