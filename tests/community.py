"""A PostgreSQL with TimescaleDB's community edition, where somebody has built its libraries; Debian ships the Apache edition."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.stack import Postgres, places, programs
from ingest.stack.packages import Programs
from ingest.stack.prefix import POSTGRES_BIN
from tests.running import own_directory

VARIABLE = "METERWARDEN_TEST_COMMUNITY"
"""Names the directory with timescaledb.so, timescaledb-<version>.so and timescaledb-tsl-<version>.so, of the
embedded stack's version."""
POSTGRES = Path("usr/lib/postgresql")


def libraries() -> Path | None:
    """The directory with the edition's libraries; None where nobody has built them."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


@contextmanager
def community_server(found: Path) -> Iterator[Postgres]:
    """A running server of the community edition, gone at the end of the block."""
    with own_directory() as directory:
        server = Postgres.create(_with_libraries(programs(print), found, directory / "programs"), directory / "postgres")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _with_libraries(apache: Programs, found: Path, tree: Path) -> Programs:
    """The embedded stack's programs again, with other libraries of TimescaleDB beside them; the rest is linked to."""
    shutil.copytree(apache.root / POSTGRES, tree / POSTGRES)
    for library in found.glob("timescaledb*.so"):
        shutil.copyfile(library, tree / POSTGRES / "17/lib" / library.name)
    for step in (Path("usr"), Path("usr/lib")):
        for entry in (apache.root / step).iterdir():
            beside = tree / step / entry.name
            if not beside.exists():
                beside.symlink_to(entry)
    places.give(tree)
    return dataclasses.replace(apache, root=tree, postgres_bin=tree / POSTGRES_BIN)
