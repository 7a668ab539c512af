"""What some tests with real servers share."""

from pathlib import Path

import pytest

from tests.databases import Database
from tests.integration.serving import register
from tests.registries import import_files, write_files
from tests.running import institution_code


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
