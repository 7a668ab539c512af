"""`meterwarden check` against databases, each broken in the way that one of its checks is for."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.checks.database import check_database
from ingest.checks.result import State
from ingest.stack import Stack, free_port
from ingest.storage.connection import unavailable
from ingest.storage.migrate import migrations
from ingest.storage.probe import probe as probe_database
from ingest.storage.queries import QUERIES
from tests.databases import Database
from tests.integration.checking import checked, environment, failure


async def test_every_query_of_the_service_is_asked(filled: Database) -> None:
    """Whether the role may run it is known of nine in ten, without running any."""
    seen = await probe_database(filled.settings, lambda: datetime.now(UTC))

    assert [] == seen.too_little
    assert seen.queries_asked > 0.9 * len(QUERIES), f"{seen.queries_asked} of {len(QUERIES)}"


async def test_a_database_that_is_not_there(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Connection refused."""
    url = make_conninfo(filled.writer_url, port=free_port())
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "database.connect")

    assert "METERWARDEN_DATABASE__URL" in found["remedy"]


async def test_a_wrong_password_at_the_database(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Which is not repeated."""
    url = make_conninfo(filled.writer_url, password="not-the-one")
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "database.connect")

    assert "METERWARDEN_DATABASE__PASSWORD_FILE" in found["remedy"]
    assert "not-the-one" not in json.dumps(found)


async def test_a_database_that_does_not_exist(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Bootstrap makes it."""
    url = make_conninfo(filled.writer_url, dbname="elsewhere")
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "database.connect")

    assert "meterwarden bootstrap" in found["remedy"]


@pytest.mark.parametrize("url", ["mysql:hunter2@db", "postgresql://u:hunter2@[db", "user=u password='hunter2"])
async def test_a_url_that_is_none_is_not_repeated(url: str, filled: Database, stack: Stack, tmp_path: Path) -> None:
    """The driver's own words would repeat it, password included."""
    found = await failure(environment(filled, stack.mosquitto, tmp_path, database__url=url), "settings")

    assert "METERWARDEN_DATABASE__URL: not a connection string" in found["found"]
    assert "hunter2" not in json.dumps(found)


async def test_a_database_without_the_extension(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """A plain one of the same server."""
    url = make_conninfo(stack.postgres.url("postgres"))
    found = await checked(environment(filled, stack.mosquitto, tmp_path, database__url=url), 1)

    assert {"database.timescaledb": "failed", "database.migrations": "failed"}.items() <= {
        name: one["state"] for name, one in found.items()
    }.items()


async def test_migrations_that_are_missing(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """By name; what needs the structure is not asked."""
    await filled.run("DELETE FROM public.meterwarden_migration WHERE name = (SELECT max(name) FROM public.meterwarden_migration)")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.migrations")

    assert (f"missing: {migrations()[-1].name}", True) == (found["found"], "meterwarden migrate" in found["remedy"])


def test_an_error_of_another_structure_says_what_tells() -> None:
    """In the service's log it stands alone: a column that a forgotten migration would have added is a riddle."""
    for error in (psycopg.errors.UndefinedTable("no table"), psycopg.errors.UndefinedColumn("no column")):
        assert str(unavailable(error)) == f"database: {error}; `meterwarden check` tells whether a migration is missing"
    assert str(unavailable(psycopg.errors.DiskFull("no room"))) == "database: no room"


async def test_a_database_of_a_newer_version(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """It has a migration that nobody here knows."""
    await filled.run("INSERT INTO public.meterwarden_migration (name, digest) VALUES ('9999_tomorrow', '')")
    await failure(environment(filled, stack.mosquitto, tmp_path), "database.migrations")


async def test_too_few_privileges(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """One was revoked: the table is named. Nobody waits for the first batch to find out."""
    await filled.run("REVOKE INSERT ON metering.quarantine FROM meterwarden_writer")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.privileges")

    assert "permission denied for table quarantine" in found["found"]


async def test_a_role_without_temporary_tables(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Every batch needs one."""
    await filled.run(f"REVOKE TEMPORARY ON DATABASE {filled.name} FROM meterwarden_writer, PUBLIC")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.privileges")

    assert "permission denied to create temporary tables" in found["found"]


async def test_the_reader_is_not_the_writer(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Two URLs swapped."""
    found = await checked(environment(filled, stack.mosquitto, tmp_path, database__url=filled.reader_url), 1)

    assert "failed" == found["database.privileges" if "database.privileges" in found else "database.migrations"]["state"]


@pytest.mark.parametrize(
    ("given", "told"),
    [("GRANT DELETE ON metering.reading TO meterwarden_writer", "DELETE on metering.reading"),
     ("GRANT TRUNCATE ON metering.consumption_day TO meterwarden_writer", "TRUNCATE on metering.consumption_day"),
     ("GRANT CREATE ON SCHEMA metering TO meterwarden_writer", "CREATE on schema metering")],
)  # fmt: skip
async def test_too_many_privileges(given: str, told: str, filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Works, and is warned of."""
    await filled.run(given)
    found = (await checked(environment(filled, stack.mosquitto, tmp_path)))["database.least_privilege"]

    assert ("warning", True) == (found["state"], told in found["found"])


async def test_the_owner_and_the_superuser_are_too_mighty(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """What most try first."""
    for url, told in ((filled.owner_url, "CREATE on schema metering"), (filled.superuser_url, "SUPERUSER")):
        found = (await checked(environment(filled, stack.mosquitto, tmp_path, database__url=url)))["database.least_privilege"]
        assert ("warning", True) == (found["state"], told in found["found"]), found


async def test_a_database_that_takes_no_writes(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """As a standby does."""
    url = make_conninfo(filled.writer_url, options="-c default_transaction_read_only=on")
    found = await checked(environment(filled, stack.mosquitto, tmp_path, database__url=url), 1)

    assert "failed" == found["database.writable"]["state"]


async def test_an_empty_registry(database: Database, stack: Stack, tmp_path: Path) -> None:
    """Every message would be quarantined: warned of."""
    found = (await checked(environment(database, stack.mosquitto, tmp_path)))["registry"]

    assert ("warning", "0 institutions, 0 meters, 0 quotas") == (found["state"], found["found"])


async def test_a_zone_that_the_database_sees_otherwise(filled: Database, stack: Stack, tmp_path: Path) -> None:
    """Its rules of time zones are of another age: here one that it does not know at all."""
    await filled.run("UPDATE metering.region SET timezone = 'Asia/Nowhere'")
    found = await failure(environment(filled, stack.mosquitto, tmp_path), "database.timezones")

    assert "Asia/Nowhere" in found["found"]


@pytest.mark.parametrize(("seconds", "state"), [(0, State.OK), (-10, State.WARNING), (10, State.WARNING), (90, State.FAILED)])
async def test_clocks_that_differ(filled: Database, seconds: int, state: State) -> None:
    """The database's own clock, against one of ours that is off."""
    seen = await probe_database(filled.settings, lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    [found] = [one for one in check_database(seen) if one.name == "database.clock"]

    assert state == found.state
    assert ("behind" in found.found.english) == (seconds > 0)


async def test_little_free_disk(filled: Database) -> None:
    """A superuser learns where the files are; this machine has them; the limits are held against what is really free."""
    seen = await probe_database(
        filled.settings.model_copy(update={"url": SecretStr(filled.superuser_url)}), lambda: datetime.now(UTC)
    )
    assert seen.free_bytes is not None
    states = {}
    for free in (20 * 2**30, 5 * 2**30, 2**29):
        seen.free_bytes = free
        states[free] = next(one.state for one in check_database(seen) if one.name == "database.disk")

    assert [State.OK, State.WARNING, State.FAILED] == list(states.values())
