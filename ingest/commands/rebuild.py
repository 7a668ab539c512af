"""`meterwarden rebuild`: derive everything again."""

import asyncio
import json

import click
import psycopg

from ingest.commands.given import settings_given
from ingest.commands.progress import json_option, step
from ingest.errors import Unavailable
from ingest.storage.rebuild import forget_and_mark
from ingest.words import both, words


@click.command(short_help=both("Derive everything again", "全部重新推导"), help=both(
    "Forget what was derived and mark every reading, so that the running settler derives it again. Readings and decisions stay.",
    "清除全部推导结果并标记所有读数,由运行中的结算进程重新推导。读数与人工裁定保留。"))  # fmt: skip
@json_option
def rebuild(json_wanted: bool) -> None:
    """Derive everything again."""
    settings = settings_given()
    try:
        with step("forgetting what was derived", "正在清除推导结果"):
            marked = asyncio.run(forget_and_mark(settings.database))
    except (Unavailable, psycopg.Error) as error:
        check = words("Check METERWARDEN_DATABASE__URL.", "请检查 METERWARDEN_DATABASE__URL。")
        raise click.ClickException(f"{error}\n{check}") from error
    if json_wanted:
        click.echo(json.dumps({"channels_marked": marked}))
        return
    click.echo(words(f"{marked:,} channels marked; the settler derives them again", f"已标记 {marked:,} 个通道,将重新结算"))
