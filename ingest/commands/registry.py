"""`meterwarden registry`: what is installed where."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click
import psycopg

from ingest.commands.given import settings_given
from ingest.commands.progress import json_option, step
from ingest.errors import Unavailable
from ingest.settings import Settings
from ingest.storage.connection import connected
from ingest.storage.registry_checks import Files, RegistryFault
from ingest.storage.registry_csv import read_files
from ingest.storage.registry_import import Difference, apply_registry
from ingest.words import both, translated, words

SHOWN_LINES = 20
"""Lines of a difference shown before they are only counted."""


@click.group(help=both("What is installed where: institutions, meters, quotas.", "台账: 机构、表计、定额。"))
def registry() -> None:
    """What is installed where: institutions, meters, quotas."""


@registry.command("import", help=both(
    "Import the CSV files of a directory, or the sheets of an Excel workbook (docs/registry.md): validated whole, shown as a "
    "difference, applied at once.",
    "导入目录中的 CSV 文件或 Excel 工作簿的各工作表(docs/registry.md): 整体校验,显示差异,一次生效。"))  # fmt: skip
@click.argument("path", metavar="DIRECTORY|FILE.xlsx", type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help=both("show the difference, write nothing", "只显示差异,不写入"))
@json_option
def import_registry(path: Path, dry_run: bool, json_wanted: bool) -> None:
    """Import the files of a directory, or a workbook."""
    settings = settings_given()
    try:
        with step("importing", "正在导入"):
            difference = asyncio.run(_import(settings, path, dry_run=dry_run))
    except RegistryFault as fault:
        text = words("nothing was imported:", "未导入:")
        raise click.ClickException("\n".join([text, *map(translated, fault.mistakes)])) from fault
    except (Unavailable, psycopg.Error) as error:
        check = words("Check METERWARDEN_DATABASE__URL, and that `meterwarden migrate` has run.",
                      "请检查 METERWARDEN_DATABASE__URL,并确认已执行 `meterwarden migrate`。")  # fmt: skip
        raise click.ClickException(f"{error}\n{check}") from error
    if json_wanted:
        click.echo(json.dumps({"dry_run": dry_run, **asdict(difference)}, ensure_ascii=False))
        return
    for sign, lines in (("+", difference.added), ("~", difference.changed), ("=", difference.kept)):
        _show(sign, lines)
    done = words("would change", "将变更") if dry_run else words("imported", "已导入")
    click.echo(f"{done}: +{len(difference.added)} ~{len(difference.changed)}; {words('kept', '保留')} {len(difference.kept)}")


@registry.command("template", help=both(
    "Write an empty registry as an Excel workbook: a sheet for each file, every column explained, codes formatted as text.",
    "写出空白台账工作簿(Excel): 每个文件一张工作表,每列附有说明,代码列设为文本格式。"))  # fmt: skip
@click.argument("path", metavar="FILE.xlsx", type=click.Path(dir_okay=False, path_type=Path))
def template(path: Path) -> None:
    """Write an empty registry."""
    from ingest.storage.registry_template import write_template

    if path.suffix.lower() != ".xlsx":
        raise click.ClickException(words(f"{path}: name it .xlsx, as Excel knows it", f"{path}: 请使用扩展名 .xlsx"))
    try:
        write_template(path)
    except OSError as error:
        text = words(
            f"cannot write {path}: {error.strerror}; choose another name", f"无法写入 {path}: {error.strerror};请改用其他名称"
        )
        raise click.ClickException(text) from error
    click.echo(words(f"written: {path}; fill it in, then: meterwarden registry import --dry-run {path}",
                     f"已写入: {path};填写后执行: meterwarden registry import --dry-run {path}"))  # fmt: skip


def _show(sign: str, lines: list[str]) -> None:
    for line in lines[:SHOWN_LINES]:
        click.echo(f"{sign} {line}")
    if len(lines) > SHOWN_LINES:
        click.echo(f"{sign} … {len(lines) - SHOWN_LINES} {words('more', '更多')}")


async def _import(settings: Settings, path: Path, *, dry_run: bool) -> Difference:
    files = _read(path)
    async with connected(settings.database) as connection:
        return await apply_registry(connection, files, dry_run=dry_run)


def _read(path: Path) -> Files:
    if path.is_dir():
        return read_files(path)
    from ingest.storage.registry_xlsx import read_workbook  # half a second that no other command has to wait for

    return read_workbook(path, lambda note: click.echo(translated(note), err=True))
