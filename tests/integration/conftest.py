"""What some tests with real servers share."""

from pathlib import Path

import pytest

from tests.databases import Database
from tests.registries import import_files, write_files


@pytest.fixture
async def filled(database: Database, tmp_path: Path) -> Database:
    """A database with a registry."""
    await import_files(database, write_files(tmp_path / "registry"))
    return database
