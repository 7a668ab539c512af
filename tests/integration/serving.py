"""Institutions that a service under test serves, what it has put into quarantine, and what keeps it from committing."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.databases import Database
from tests.registries import import_files, institution, meter, write_files


async def register(database: Database, directory: Path, *codes: str, more: tuple[dict[str, Any], ...] = ()) -> None:
    """Import institutions with the two usual meters each, and further meters."""
    meters = [one for name in codes for one in (meter(of=name), meter("W1", name, "water"))]
    files = write_files(directory / secrets.token_hex(4), [institution(name) for name in codes], [*meters, *more])
    await import_files(database, files)


async def quarantine(database: Database) -> list[tuple[str, bytes, str, str]]:
    """Topic, payload, reason and state of every quarantined message, in order."""
    rows = await database.rows(
        """SELECT convert_from(topic, 'UTF8'), payload, reason, coalesce(resolution, 'open')
           FROM metering.quarantine ORDER BY quarantine"""
    )
    return [(topic, bytes(payload), reason, state) for topic, payload, reason, state in rows]


@asynccontextmanager
async def nothing_commits(database: Database) -> AsyncIterator[None]:
    """Inside the block every batch waits for the marks."""
    async with await psycopg.AsyncConnection.connect(database.superuser_url) as connection:
        await connection.execute("LOCK TABLE metering.mark IN ACCESS EXCLUSIVE MODE")
        yield
        await connection.rollback()
