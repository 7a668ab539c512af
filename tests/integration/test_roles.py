"""Who may do what in the database: the writer, the reader, and nobody else."""

import secrets
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ingest.stack import Stack
from ingest.storage.bootstrap import ROLES, PasswordsElsewhere, bootstrap, prepare
from ingest.storage.writer import Writer
from tests.databases import Database
from tests.integration.writing import readings, rejected, said
from tests.registries import import_files, write_files


async def refused(url: str, statement: str) -> bool:
    """Whether the database denies a role a statement for lack of privilege."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        try:
            await connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
        finally:
            await connection.rollback()
    return False


FORBIDDEN_TO_THE_WRITER = (
    "UPDATE metering.reading SET value = 0",
    "DELETE FROM metering.reading",
    "TRUNCATE metering.reading",
    "UPDATE metering.conflict SET value = 0",
    "DELETE FROM metering.conflict",
    "DELETE FROM metering.edit",
    "UPDATE metering.notice SET topic = ''",
    "DELETE FROM metering.notice",
    "DELETE FROM metering.session_statement",
    "CREATE TABLE metering.more (a int)",
    "CREATE TABLE public.more (a int)",
    "ALTER TABLE metering.reading ADD COLUMN more int",
    "DROP TABLE metering.mark",
    "INSERT INTO public.meterwarden_migration (name, digest) VALUES ('9999', '')",
)


async def test_the_writer_changes_no_raw_reading_and_no_structure(database: Database, writer: Writer) -> None:
    """Whoever takes over the service cannot rewrite what was measured."""
    await writer.write([said((1, 0, 10))])
    assert [] == [statement for statement in FORBIDDEN_TO_THE_WRITER if not await refused(database.writer_url, statement)]
    assert [(1, 0, 10)] == await readings(database)


async def test_the_reader_sees_every_view_and_no_table_behind_them(database: Database, writer: Writer, tmp_path: Path) -> None:
    """Dashboards get the public contract, nothing internal, and change nothing."""
    await import_files(database, write_files(tmp_path))
    await writer.write([said((1, 0, 10)), rejected(b"bad")])
    views = [name for (name,) in await database.rows("SELECT viewname FROM pg_views WHERE schemaname = 'meterwarden' ORDER BY 1")]
    tables = [name for (name,) in await database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'metering' ORDER BY 1")]
    assert {"reading", "quota_status", "quarantine", "consumption_month"} <= set(views)
    async with await psycopg.AsyncConnection.connect(database.reader_url, autocommit=True) as connection:
        counts = {name: len(await (await connection.execute(f"SELECT * FROM meterwarden.{name}")).fetchall()) for name in views}
    assert (1, 1) == (counts["reading"], counts["quarantine"])
    for table in tables:
        assert await refused(database.reader_url, f"SELECT FROM metering.{table}"), table
    assert await refused(database.reader_url, "CREATE TABLE meterwarden.more (a int)")


async def test_a_bootstrapped_database_is_open_to_the_three_roles_only_and_the_reader_makes_nothing_in_it(
    stack: Stack, database: Database
) -> None:
    """The writer needs temporary tables; the reader gets not even a temporary one, and others do not get in."""
    name, outsider = f"test_{secrets.token_hex(4)}", f"outsider_{secrets.token_hex(4)}"
    urls = dict(zip(ROLES, (database.owner_url, database.writer_url, database.reader_url), strict=True))
    await bootstrap(stack.postgres.url(), name, {role: str(conninfo_to_dict(url)["password"]) for role, url in urls.items()})
    writer, reader = (make_conninfo(urls[role], dbname=name) for role in ("meterwarden_writer", "meterwarden_reader"))
    await database.run(f"CREATE ROLE {outsider} LOGIN PASSWORD 'x'")
    try:
        assert not await refused(writer, "CREATE TEMPORARY TABLE more (a int)")
        assert await refused(reader, "CREATE TEMPORARY TABLE more (a int)")
        for url in (writer, reader):
            assert await refused(url, "CREATE TABLE public.more (a int)")
            assert await refused(url, "CREATE SCHEMA more")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            await psycopg.AsyncConnection.connect(stack.postgres.url(name, outsider, "x"))
    finally:
        await database.run(f"DROP DATABASE {name} WITH (FORCE)")
        await database.run(f"DROP ROLE {outsider}")


async def test_roles_keep_passwords_that_another_directory_holds(stack: Stack, database: Database, tmp_path: Path) -> None:
    """Bootstrap typed once more, in another directory, would shut out the service that runs; it changes nothing and says so."""
    with pytest.raises(PasswordsElsewhere, match="meterwarden_owner, meterwarden_reader, meterwarden_writer"):
        await prepare(stack.postgres.url(), database.name, tmp_path / "passwords")
    assert not (tmp_path / "passwords").exists()
    for url in (database.owner_url, database.writer_url, database.reader_url):
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("SELECT")
