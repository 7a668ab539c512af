"""Backup and restore by the shipped scripts, with PostgreSQL's own programs: the same rows, rights and structure, in use again."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg.conninfo import conninfo_to_dict

from ingest.stack import Stack
from ingest.storage.migrate import migrate
from tests.databases import PASSWORDS, ROOT, Database, database_of

ROWS = "INSERT INTO metering.reading SELECT now() - n * interval '1 day', n, now(), 1 FROM generate_series(0, 39) AS n"


def script(
    stack: Stack, name: str, directory: Path | str, database: str, *, through: bool = False, **given: str
) -> subprocess.CompletedProcess[str]:
    """One of the scripts on a database of the stack, as an operator runs it; `through` a command that reaches the server."""
    where = conninfo_to_dict(stack.postgres.url())
    server = {
        "PATH": f"{stack.programs.postgres_bin}:{os.environ['PATH']}", "PGHOST": str(where["host"]),
        "PGPORT": str(where["port"]), "PGPASSWORD": stack.postgres.password,
    }  # fmt: skip
    command = ["env", *(f"{name}={text}" for name, text in server.items())]  # in place of `docker compose exec -T timescaledb`
    environment = {**os.environ, "PGDATABASE": database, **({} if through else server), **given}
    return subprocess.run(
        [ROOT / "deploy" / "database" / name, directory, *(command if through else [])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def as_owner(directory: Path) -> dict[str, str]:
    """The variables of a backup by the owner of the structure, who is no superuser; its password is in a file."""
    file = directory / "owner.password"
    file.write_text(f"{PASSWORDS['meterwarden_owner']}\n", encoding="utf-8")
    return {"PGUSER": "meterwarden_owner", "PGPASSWORD": "", "BACKUP_PASSWORD_FILE": str(file)}


@pytest.fixture
def again(stack: Stack, database: Database) -> Iterator[Database]:
    """The database to restore into: not there yet, and gone afterwards."""
    name = f"{database.name}_again"
    yield database_of(stack, name)
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def holdings(of: Database) -> dict[str, list[tuple]]:
    """Rows of every table, rights on every relation, and the hypertables."""
    tables = await of.rows("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = 'metering' ORDER BY 1")
    found = {table: sorted(await of.rows(f"SELECT t::text FROM {table} AS t")) for (table,) in tables}
    found["rights"] = await of.rows(
        "SELECT oid::regclass::text, relkind, relowner::regrole::text, array(SELECT unnest(relacl)::text ORDER BY 1) FROM pg_class "
        "WHERE relnamespace IN ('metering'::regnamespace, 'meterwarden'::regnamespace) ORDER BY 1"
    )
    found["functions"] = await of.rows(
        "SELECT p.oid::regprocedure::text, array(SELECT unnest(proacl)::text ORDER BY 1) FROM pg_proc p "
        "WHERE pronamespace = 'metering'::regnamespace ORDER BY 1"
    )
    found["hypertables"] = await of.rows("SELECT hypertable_name, num_chunks FROM timescaledb_information.hypertables ORDER BY 1")
    return found


@pytest.mark.parametrize("way", ["directly", "through a command", "as the owner"])
async def test_a_restored_database_is_the_one_that_was_backed_up_and_works(
    stack: Stack, database: Database, again: Database, tmp_path: Path, way: str
) -> None:
    """Every row and every right; migrations find nothing to do; the writer writes into an old chunk and a new one."""
    await database.run(ROWS)
    through = way == "through a command"
    owner = as_owner(tmp_path) if way == "as the owner" else {}
    backed_up = script(stack, "backup", tmp_path / "backup", database.name, through=through, **owner)
    assert backed_up.returncode == 0, backed_up.stderr
    restored = script(stack, "restore", tmp_path / "backup", again.name, through=through)
    assert restored.returncode == 0, restored.stderr
    before = await holdings(database)
    assert len(before["metering.reading"]) == 40
    assert before == await holdings(again)
    async with await psycopg.AsyncConnection.connect(again.owner_url, autocommit=True) as owner:
        assert await migrate(owner) == []
    await again.run(f"GRANT CONNECT, TEMPORARY ON DATABASE {again.name} TO meterwarden_writer")
    async with await psycopg.AsyncConnection.connect(again.writer_url, autocommit=True) as writer:
        await writer.execute(ROWS.replace(", 1 FROM", ", 2 FROM").replace("39", "80"))
    assert await again.rows("SELECT count(*) FROM metering.reading") == [(121,)]


def test_a_backup_that_failed_is_not_taken_for_one(stack: Stack, tmp_path: Path) -> None:
    """No database of that name: an error, and nothing that restore would accept or that stands in the way of the next try."""
    failed = script(stack, "backup", tmp_path / "backups" / "today", "not_there")
    assert failed.returncode != 0
    assert failed.stderr.endswith("no backup was made\n")
    assert not (tmp_path / "backups" / "today").exists()
    refused = script(stack, "restore", tmp_path / "backups" / "today", "not_there")
    assert refused.returncode == 1
    assert "holds no database.dump" in refused.stderr


async def test_a_restore_that_failed_says_what_to_remove(stack: Stack, database: Database, again: Database, tmp_path: Path) -> None:
    """A dump cut short, as on a full disk: what is there of the database must go before the next try."""
    assert script(stack, "backup", tmp_path / "backups" / "today", database.name).returncode == 0
    dump = tmp_path / "backups" / "today" / "database.dump"
    os.truncate(dump, dump.stat().st_size // 2)
    failed = script(stack, "restore", tmp_path / "backups" / "today", again.name)
    assert failed.returncode != 0
    assert failed.stderr.endswith(f'not restored: DROP DATABASE "{again.name}" before the next try\n')


async def test_a_restore_touches_no_database_that_is_there(stack: Stack, database: Database, tmp_path: Path) -> None:
    """It says so and ends."""
    assert script(stack, "backup", tmp_path / "backup", database.name).returncode == 0
    await database.run(ROWS)
    assert script(stack, "restore", tmp_path / "backup", database.name).returncode != 0
    assert await database.rows("SELECT count(*) FROM metering.reading") == [(40,)]


# What node exporter is told


def told(directory: Path) -> dict[str, float]:
    """Every metric of the files that the exporter reads, which anybody may read, and nothing else is left beside them."""
    assert {".prom"} >= {path.suffix for path in directory.iterdir()}
    assert {0o644} >= {path.stat().st_mode & 0o777 for path in directory.iterdir()}
    text = "".join(path.read_text(encoding="utf-8") for path in directory.iterdir())
    return {
        family.name.removeprefix("meterwarden_backup_"): family.samples[0].value for family in text_string_to_metric_families(text)
    }


async def test_a_backup_says_how_it_went_and_one_that_failed_leaves_what_is_known_of_the_last_good_one(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """Good, failed, good again; of the failed one nothing is left."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    began = time.time()
    assert script(stack, "backup", tmp_path / "1", database.name, BACKUP_METRICS=str(metrics)).returncode == 0
    good = told(metrics)
    assert 0 == good["failed"]
    assert int(began) <= good["expected_timestamp_seconds"] <= good["success_timestamp_seconds"] <= time.time()
    assert good["duration_seconds"] == good["success_timestamp_seconds"] - good["expected_timestamp_seconds"]
    assert good["size_bytes"] == (tmp_path / "1" / "database.dump").stat().st_size

    failed = script(stack, "backup", tmp_path / "2", database.name, BACKUP_METRICS=str(metrics), PATH=_breaking(stack, tmp_path))
    assert failed.returncode != 0
    assert told(metrics) == good | {"failed": 1}
    assert not (tmp_path / "2").exists()

    assert script(stack, "backup", tmp_path / "3", database.name, BACKUP_METRICS=str(metrics)).returncode == 0
    again = told(metrics)
    assert 0 == again["failed"]
    assert again["success_timestamp_seconds"] >= good["success_timestamp_seconds"]
    assert again["expected_timestamp_seconds"] == good["expected_timestamp_seconds"]


def _breaking(stack: Stack, directory: Path) -> str:
    """A PATH whose pg_dump writes something and fails, as on a full disk."""
    program = directory / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho half\nexit 1\n")
    program.chmod(0o755)
    return f"{program.parent}:{stack.programs.postgres_bin}:{os.environ['PATH']}"


def test_a_backup_that_was_never_made_is_expected_from_the_first_word_on(stack: Stack, tmp_path: Path) -> None:
    """Said again it stays as it was; a first run that fails says it too."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    assert script(stack, "backup", "--expect", "not_there", BACKUP_METRICS=str(metrics)).returncode == 0
    expected = told(metrics)
    assert ["expected_timestamp_seconds"] == list(expected)
    (file,) = metrics.iterdir()
    file.write_text(file.read_text().replace(f" {expected['expected_timestamp_seconds']:.0f}\n", " 1\n"))
    assert script(stack, "backup", "--expect", "not_there", BACKUP_METRICS=str(metrics)).returncode == 0
    assert script(stack, "backup", tmp_path / "1", "not_there", BACKUP_METRICS=str(metrics)).returncode != 0
    assert told(metrics) == {"expected_timestamp_seconds": 1, "failed": 1}
    file.unlink()
    assert script(stack, "backup", tmp_path / "2", "not_there", BACKUP_METRICS=str(metrics)).returncode != 0
    assert told(metrics)["expected_timestamp_seconds"] > 1
    assert script(stack, "backup", "--expect", "not_there").returncode == 2


async def test_what_cannot_be_told_fails_no_backup(stack: Stack, database: Database, tmp_path: Path) -> None:
    """The directory is not there: the dump is, and an error says the rest."""
    done = script(stack, "backup", tmp_path / "1", database.name, BACKUP_METRICS=str(tmp_path / "nowhere"))
    assert 0 == done.returncode
    assert (tmp_path / "1" / "database.dump").exists()
    assert f"cannot write {tmp_path}/nowhere/meterwarden_backup.prom" in done.stderr


async def test_of_the_nightly_backups_the_old_ones_go_unless_tonights_failed(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """Two weeks of them, by name and age; what else lies there stays. A link to the directory, as systemd makes, does as well."""
    below, link = tmp_path / "backups", tmp_path / "link"
    link.symlink_to(below)
    for name, days in (("2026-01-01T011700", 15.1), ("2026-01-20T011700", 13), ("before-0.2.0", 99), ("keep", 99)):
        (below / name).mkdir(parents=True)
        (below / name / "database.dump").touch()
        os.utime(below / name, (time.time() - days * 86_400,) * 2)
    before = set(below.iterdir())
    assert script(stack, "nightly", link, "not_there").returncode != 0
    assert before == set(below.iterdir())

    assert script(stack, "nightly", link, database.name).returncode == 0
    assert before - set(below.iterdir()) == {below / "2026-01-01T011700"}
    (new,) = set(below.iterdir()) - before
    assert (new / "database.dump").exists()
