"""Real servers for the tests: one stack a session, one cloned database a test."""

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Iterator

import hypothesis
import psycopg
import pytest

from ingest.stack import Stack
from ingest.storage.bootstrap import bootstrap
from ingest.storage.migrate import migrate
from tests.databases import PASSWORDS, TEMPLATE, Database, cloned, database_of

pytest_plugins = ["tests.accounts"]


def pytest_configure() -> None:
    """Before any process is started that runs tests for this one, so that all have the same seed; no property is timed."""
    seed_of_session()
    slow = [hypothesis.HealthCheck.too_slow]  # a busy machine is no counterexample, and it draws slowly
    hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("untimed")


def pytest_report_header() -> str:
    """The seed of everything random in the tests; set METERWARDEN_TEST_SEED to replay it."""
    return f"seed: {seed_of_session()}"


def seed_of_session() -> int:
    """One seed a session."""
    return int(os.environ.setdefault("METERWARDEN_TEST_SEED", str(random.randrange(2**32))))


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they must be, also where whoever runs several processes says how wide its own terminal is."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands run inside a test set up logging for a process of their own."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def seed() -> int:
    """The session's seed."""
    return seed_of_session()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """TimescaleDB and mosquitto, on loopback, for the session."""
    with Stack.create(with_prometheus=False, say=print) as running:
        yield running


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
    async with cloned(stack.postgres, template) as one:
        yield one


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the stack is marked, so that nobody has to remember it."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.services)
