"""What tests share beside fixtures: a database and how each role reaches it.

Not in conftest.py, which pytest loads under a name of its own: imported from there, these would exist twice.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pydantic import SecretStr

from ingest.settings import DatabaseSettings
from ingest.stack import Postgres, Stack
from ingest.storage.bootstrap import ROLES

ROOT = Path(__file__).parent.parent
TEMPLATE = "meterwarden_template"
PASSWORDS = {role: secrets.token_urlsafe(16) for role in ROLES}


@dataclass(frozen=True, slots=True)
class Database:
    """A database of the test's own, and how each role reaches it."""

    name: str
    superuser_url: str
    owner_url: str
    writer_url: str
    reader_url: str

    @property
    def settings(self) -> DatabaseSettings:
        """As the service is given it."""
        return DatabaseSettings(url=SecretStr(self.writer_url))

    async def rows(self, query: str, *parameters: object) -> list[tuple]:
        """The rows of a query, as superuser."""
        async with await psycopg.AsyncConnection.connect(self.superuser_url, autocommit=True) as connection:
            return await (await connection.execute(query, parameters)).fetchall()

    async def run(self, query: str, *parameters: object) -> None:
        """Run a statement, as superuser."""
        async with await psycopg.AsyncConnection.connect(self.superuser_url, autocommit=True) as connection:
            await connection.execute(query, parameters)


def database_of(stack: Stack, name: str) -> Database:
    """The URLs of a database on the stack's server."""
    return database_on(stack.postgres, name)


def database_on(postgres: Postgres, name: str) -> Database:
    """The URLs of a database on any server that knows the roles by `PASSWORDS`."""
    owner, writer, reader = (postgres.url(name, role, PASSWORDS[role]) for role in ROLES)
    return Database(name, postgres.url(name), owner, writer, reader)


@asynccontextmanager
async def cloned(server: Postgres, template: str) -> AsyncIterator[Database]:
    """A fresh, migrated database, dropped at the end of the block."""
    name = f"test_{secrets.token_hex(4)}"
    async with await psycopg.AsyncConnection.connect(server.url(), autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield database_on(server, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
