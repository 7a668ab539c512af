"""`meterwarden rebuild`: derive everything again."""

import asyncio

import click
import psycopg

from ingest.commands.given import settings_given
from ingest.errors import Unavailable
from ingest.storage.rebuild import forget_and_mark
from ingest.words import words


@click.command()
def rebuild() -> None:
    """Forget what was derived and mark every reading, so that the running settler derives it again."""
    settings = settings_given()
    try:
        marked = asyncio.run(forget_and_mark(settings.database))
    except (Unavailable, psycopg.Error) as error:
        raise click.ClickException(f"{error}\nCheck METERWARDEN_DATABASE__URL.") from error
    click.echo(words(f"{marked:,} channels marked; the settler derives them again", f"已标记 {marked:,} 个通道,将重新结算"))
