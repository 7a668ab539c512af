"""What docs/security.md says of the database's roles, and that every test it names is there."""

import re

import psycopg
import pytest

from tests.databases import ROOT, Database

REFUSED = {
    "writer": (
        "UPDATE metering.reading SET value = 0",
        "DELETE FROM metering.reading",
        "UPDATE metering.edit SET value = 0",
        "DELETE FROM metering.edit",
        "DELETE FROM metering.day_change",
        "UPDATE metering.day_change SET day = day",
        "DELETE FROM metering.quarantine",
        "DELETE FROM metering.quarantine_purge",
        "TRUNCATE metering.reading",
        "DROP TABLE metering.reading",
        "CREATE TABLE metering.mine (n int)",
        "CREATE TABLE public.mine (n int)",
        "CREATE ROLE somebody",
        "ALTER ROLE meterwarden_reader PASSWORD 'known'",
        "SET ROLE meterwarden_owner",
        "COPY metering.mark TO PROGRAM 'true'",
    ),
    "reader": (
        "SELECT * FROM metering.reading",
        "INSERT INTO metering.mark DEFAULT VALUES",
        "SELECT metering.purge_quarantine('{}'::bigint[], 'all', 'a', 'b', '{}'::jsonb)",
        "CREATE TABLE public.mine (n int)",
        "SET ROLE meterwarden_writer",
    ),
    "owner": (
        "CREATE ROLE somebody",
        "CREATE DATABASE mine",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY metering.mark TO PROGRAM 'true'",
    ),
}
CASES = [(role, statement) for role, statements in REFUSED.items() for statement in statements]


@pytest.mark.parametrize(("role", "statement"), CASES)
async def test_each_role_is_refused_what_is_not_its_own(database: Database, role: str, statement: str) -> None:
    """Refused for want of a privilege, not for another mistake in the statement."""
    url = {"writer": database.writer_url, "reader": database.reader_url, "owner": database.owner_url}[role]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)


@pytest.mark.parametrize("page", ["security.md", "deployment.md"])
def test_every_test_that_the_page_names_exists(page: str) -> None:
    """A sentence that is said to be tested is."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text(encoding="utf-8")))
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert set() == {name for name in named if f"def {name}(" not in sources}
