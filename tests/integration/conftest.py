"""What some tests with real servers share."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from ingest.storage.writer import Writer
from tests.databases import Database
from tests.integration.clock import server_clock
from tests.integration.serving import register
from tests.integration.writing import said
from tests.published import institution_code
from tests.registries import import_files, write_files
from tests.settling import NOW


@pytest.fixture
async def filled(database: Database, tmp_path: Path) -> Database:
    """A database with a registry."""
    await import_files(database, write_files(tmp_path / "registry"))
    return database


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution of the test's own with an electricity meter E1 and a water meter W1 under gateway G1."""
    name = institution_code()
    await register(database, tmp_path, name)
    return name


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    """A writer, closed at the end."""
    found = Writer(database.settings)
    yield found
    await found.close()


@pytest.fixture(params=["copied", "looked up"])
async def either(request: pytest.FixtureRequest, writer: Writer) -> Writer:
    """A writer on each of its two paths: straight into the hypertable, and after a look for keys that are there."""
    if request.param == "looked up":
        await writer.write([said((99, 0, 1))])
        await writer.write([said((99, 0, 1))])
    return writer


@pytest.fixture
def marked_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import marks the day before NOW, as of which all is settled by hand; by the server's clock another one each day."""
    server_clock(monkeypatch)(NOW)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Noon of a day in Shanghai, by the server's clock too."""
    server_clock(monkeypatch)(NOW)
    return NOW
