"""Real servers for the tests: one stack a session, one cloned database a test."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from ingest.settings import DatabaseSettings
from ingest.stack import Stack
from ingest.storage.bootstrap import ROLES, bootstrap
from ingest.storage.migrate import migrate

TEMPLATE = "meterwarden_template"
PASSWORDS = {role: secrets.token_urlsafe(16) for role in ROLES}


def pytest_report_header() -> str:
    """The seed of everything random in the tests; set METERWARDEN_TEST_SEED to replay it."""
    return f"seed: {seed_of_session()}"


def seed_of_session() -> int:
    """One seed a session."""
    return int(os.environ.setdefault("METERWARDEN_TEST_SEED", str(random.randrange(2**32))))


@pytest.fixture
def seed() -> int:
    """The session's seed."""
    return seed_of_session()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """TimescaleDB and mosquitto, on loopback, for the session."""
    with Stack.create(with_prometheus=False, say=print) as running:
        yield running


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
    owner, writer, reader = (stack.postgres.url(name, role, PASSWORDS[role]) for role in ROLES)
    return Database(name, stack.postgres.url(name), owner, writer, reader)


@pytest.fixture(scope="session")
def template(stack: Stack) -> str:
    """A migrated database that no one may connect to, to clone from."""

    async def prepare() -> None:
        await bootstrap(stack.postgres.url(), TEMPLATE, PASSWORDS)
        async with await psycopg.AsyncConnection.connect(database_of(stack, TEMPLATE).owner_url, autocommit=True) as connection:
            await migrate(connection)
        async with await psycopg.AsyncConnection.connect(stack.postgres.url(), autocommit=True) as connection:
            await connection.execute(f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")

    asyncio.run(prepare())
    return TEMPLATE


@pytest.fixture
async def database(stack: Stack, template: str) -> AsyncIterator[Database]:
    """A fresh, migrated database."""
    name = f"test_{secrets.token_hex(4)}"
    async with await psycopg.AsyncConnection.connect(stack.postgres.url(), autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield database_of(stack, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the stack is marked, so that nobody has to remember it."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.services)


ROOT = Path(__file__).parent.parent
