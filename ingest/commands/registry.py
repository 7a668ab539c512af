"""`meterwarden registry`: what is installed where."""

import asyncio
from pathlib import Path

import click
import psycopg

from ingest.commands.given import settings_given
from ingest.errors import Unavailable
from ingest.settings import Settings
from ingest.storage.connection import connected
from ingest.storage.registry_csv import RegistryFault, read_files
from ingest.storage.registry_import import Difference, apply_registry
from ingest.words import words

SHOWN_LINES = 20
"""Lines of a difference shown before they are only counted."""


@click.group()
def registry() -> None:
    """What is installed where: institutions, meters, quotas."""


@registry.command("import")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="show the difference, write nothing")
def import_registry(directory: Path, dry_run: bool) -> None:
    """Import the CSV files in DIRECTORY (docs/registry.md): validated whole, shown as a difference, applied at once."""
    settings = settings_given()
    try:
        difference = asyncio.run(_import(settings, directory, dry_run=dry_run))
    except RegistryFault as fault:
        text = words("nothing was imported:", "未导入:")
        raise click.ClickException("\n".join([text, *fault.mistakes])) from fault
    except (Unavailable, psycopg.Error) as error:
        raise click.ClickException(f"{error}\nCheck METERWARDEN_DATABASE__URL, and that `meterwarden migrate` has run.") from error
    for sign, lines in (("+", difference.added), ("~", difference.changed), ("=", difference.kept)):
        _show(sign, lines)
    done = words("would change", "将变更") if dry_run else words("imported", "已导入")
    click.echo(f"{done}: +{len(difference.added)} ~{len(difference.changed)}; {words('kept', '保留')} {len(difference.kept)}")


def _show(sign: str, lines: list[str]) -> None:
    for line in lines[:SHOWN_LINES]:
        click.echo(f"{sign} {line}")
    if len(lines) > SHOWN_LINES:
        click.echo(f"{sign} … {len(lines) - SHOWN_LINES} {words('more', '更多')}")


async def _import(settings: Settings, directory: Path, *, dry_run: bool) -> Difference:
    files = read_files(directory)
    async with connected(settings.database) as connection:
        return await apply_registry(connection, files, dry_run=dry_run)
