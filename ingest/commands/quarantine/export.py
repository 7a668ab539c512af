"""`meterwarden quarantine export`: messages whole, as JSON, one a line."""

import os
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from ingest.commands.given import settings_given
from ingest.commands.progress import Progress
from ingest.commands.quarantine import record
from ingest.commands.quarantine.database import answered
from ingest.commands.quarantine.options import filter_of, filtered, matches_of
from ingest.settings import Settings
from ingest.storage.quarantine.found import Found
from ingest.storage.quarantine.kept import kept
from ingest.words import both, words


@click.command(
    help=both(
        "Write messages that match to FILE (- is stdout), one JSON object a line: every column, the payload in base64 and, "
        "where it is UTF-8, as text.",
        "将符合条件的消息写入文件(- 为标准输出),每行一个 JSON 对象:含全部列,报文为 base64,UTF-8 时另附文本。",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@filtered
def export(file: str, **given: Any) -> None:
    """Write messages that match to FILE, one JSON object a line."""
    if file != "-" and os.path.lexists(file):
        raise click.ClickException(words(f"{file} exists; give another name", f"{file} 已存在,请换一个文件名"))
    settings = settings_given()
    found = matches_of(settings, filter_of(given)).every
    written = _to_file(settings, found, Path(file)) if file != "-" else answered(_write(settings, found, sys.stdout))
    click.echo(words(f"exported: {written:,} messages", f"已导出 {written:,} 条消息"), err=True)


def _to_file(settings: Settings, found: Found, path: Path) -> int:
    """Under its name only when it is whole."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            written = answered(_write(settings, found, stream))
        partial.rename(path)
    except OSError as error:
        raise click.ClickException(words(f"{error}; choose a place that can be written", f"{error};请换一个可写的位置")) from error
    finally:
        partial.unlink(missing_ok=True)
    return written


async def _write(settings: Settings, found: Found, stream: TextIO) -> int:
    progress, written = Progress(len(found), "exported", "已导出"), 0
    async for messages in kept(settings.database, found, whole=True):
        stream.writelines(record.line(message) + "\n" for message in messages)
        written += len(messages)
        progress(written)
    return written
