"""`meterwarden migrate` and `meterwarden bootstrap`: a database and its structure."""

import asyncio
import shlex
import sys
from pathlib import Path
from typing import Final

import click
import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from ingest.storage.bootstrap import prepare
from ingest.storage.migrate import MigrationFault, applied, migrate, pending
from ingest.words import words

PASSWORD_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FILE_HELP: Final = "file with its password, so that the URL need not hold it"


@click.command("migrate")
@click.option("--url", envvar="METERWARDEN_OWNER_URL", required=True, show_envvar=True, help="the database, as meterwarden_owner")
@click.option("--password-file", envvar="METERWARDEN_OWNER_PASSWORD_FILE", show_envvar=True, type=PASSWORD_FILE, help=FILE_HELP)
@click.option("--check", is_flag=True, help="change nothing; exit status 1 where a migration is missing")
def migrate_command(url: str, password_file: Path | None, check: bool) -> None:
    """Bring the database's structure up to this version."""
    try:
        names = asyncio.run(_migrate(_with_password(url, password_file), check=check))
    except MigrationFault as error:
        raise click.ClickException(str(error)) from error
    except psycopg.Error as error:
        raise click.ClickException(f"{error}\nCheck --url, and that `meterwarden bootstrap` has run.") from error
    for name in names:
        click.echo(f"{words('missing', '缺少') if check else words('applied', '已执行')} {name}")
    if not names:
        click.echo(words("up to date", "已是最新"))
    sys.exit(1 if check and names else 0)


async def _migrate(url: str, *, check: bool) -> list[str]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        if check:
            return [migration.name for migration in pending(await applied(connection))]
        return await migrate(connection)


@click.command()
@click.option(
    "--superuser-url", envvar="METERWARDEN_SUPERUSER_URL", required=True, show_envvar=True, help="the server, as superuser"
)
@click.option(
    "--superuser-password-file",
    envvar="METERWARDEN_SUPERUSER_PASSWORD_FILE",
    show_envvar=True,
    type=PASSWORD_FILE,
    help=FILE_HELP,
)
@click.option("--database", default="meterwarden", show_default=True)
@click.option(
    "--passwords", type=click.Path(path_type=Path), default=Path("passwords"), show_default=True, help="directory to keep them in"
)
def bootstrap(superuser_url: str, superuser_password_file: Path | None, database: str, passwords: Path) -> None:
    """Create database, extension and the three roles with generated passwords, migrate, and print the settings to use."""
    try:
        prepared = asyncio.run(prepare(_with_password(superuser_url, superuser_password_file), database, passwords.absolute()))
    except psycopg.Error as error:
        raise click.ClickException(f"{error}\nCheck --superuser-url, and that the server has TimescaleDB 2.19 or newer.") from error
    for name, value in prepared.environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _with_password(url: str, file: Path | None) -> str:
    """The connection string, with the password in the file."""
    return url if file is None else make_conninfo(url, password=file.read_text(encoding="utf-8").strip())
