"""`meterwarden storage`: chunks, columnstore and retention, as the settings say."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import psycopg
from psycopg import AsyncConnection

from ingest.commands.database import FILE_HELP, PASSWORD_FILE, with_password
from ingest.commands.given import settings_given
from ingest.commands.progress import json_option, step
from ingest.settings import Settings
from ingest.storage.edition import Kept, keep
from ingest.words import both, words

NEEDS: Final = {
    "marks": ("marks that are not settled", "尚未结算的标记"),
    "vee_due": ("days that are not validated", "尚未校验的日期"),
    "charging_due": ("charging sessions that are not settled", "尚未结算的充电会话"),
    "quarantine": ("open messages of unknown meters: register the meters or purge the messages",
                   "未知表计的未处理消息: 请登记表计或清除消息"),
}  # fmt: skip


@click.command(short_help=both("Columnstore, retention, chunks", "列存、保留期与分块"), help=both(
    "Bring what TimescaleDB keeps to METERWARDEN_STORAGE__...: old chunks into the columnstore (community edition), readings that "
    "are too old dropped once settled, length of new chunks. Run it daily; again changes nothing. Exit status 1 where readings "
    "could not be dropped.",
    "使 TimescaleDB 的存储符合 METERWARDEN_STORAGE__... 设置: 旧分块转入列存(社区版),过期且已结算的读数删除,新分块的长度。"
    "每日执行一次;重复执行不再更改。读数未能删除时退出码为 1。"))  # fmt: skip
@click.option("--url", envvar="METERWARDEN_OWNER_URL", required=True, show_envvar=True,
              help=both("the database, as meterwarden_owner", "数据库地址,以 meterwarden_owner 登录"))  # fmt: skip
@click.option("--password-file", envvar="METERWARDEN_OWNER_PASSWORD_FILE", show_envvar=True, type=PASSWORD_FILE, help=FILE_HELP)
@click.option("--dry-run", is_flag=True, help=both("change nothing, say what would be", "不做更改,只说明将做什么"))
@json_option
def storage(url: str, password_file: Path | None, dry_run: bool, json_wanted: bool) -> None:
    """Bring the storage to the settings."""
    settings = settings_given()
    try:
        with step("bringing the storage to the settings", "正在按设置整理存储"):
            kept = asyncio.run(_keep(with_password(url, password_file), settings, dry=dry_run))
    except psycopg.Error as error:
        advice = words("Check --url, and that `meterwarden migrate` has run; what was done stays done, run it again.",
                       "请检查 --url,并确认已执行 `meterwarden migrate`;已完成的步骤保留,可再次执行。")  # fmt: skip
        raise click.ClickException(f"{error}\n{advice}") from error
    if json_wanted:
        click.echo(json.dumps(_fields(kept)))
    else:
        _tell(kept, settings)
    sys.exit(1 if kept.held_by else 0)


async def _keep(url: str, settings: Settings, *, dry: bool) -> Kept:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        return await keep(connection, settings.storage, settings.intake, datetime.now(UTC), dry=dry)


def _fields(kept: Kept) -> dict[str, object]:
    since = kept.raw_kept_since
    return {
        "edition": kept.edition,
        "chunk_length_changed": kept.chunks_changed,
        "compressed_chunks": kept.compressed,
        "raw_kept_since": None if since is None else since.isoformat(),
        "held_by": list(kept.held_by),
        "dropped_chunks": kept.dropped,
    }


def _tell(kept: Kept, settings: Settings) -> None:
    weeks = settings.storage.reading_chunk_weeks
    if kept.chunks_changed:
        click.echo(words(f"new chunks of readings last {weeks} weeks", f"新的读数分块长 {weeks} 周"))
    _tell_columnstore(kept, wanted=settings.storage.columnstore)
    if settings.storage.raw_retention_days is None:
        click.echo(words("readings are kept for ever", "读数永久保留"))
    elif kept.held_by:
        needs = ", ".join(words(*NEEDS[name]) for name in kept.held_by)
        click.echo(words(f"no readings dropped, they are needed by: {needs}", f"未删除读数,仍需要: {needs}"))
    elif kept.raw_kept_since is None:
        click.echo(words("no chunk of readings is old enough to drop", "没有足够旧的读数分块可删除"))
    else:
        since = kept.raw_kept_since.isoformat()
        click.echo(words(f"{kept.dropped} chunks of readings dropped, readings are kept since {since}",
                         f"已删除 {kept.dropped} 个读数分块,读数保留自 {since}"))  # fmt: skip


def _tell_columnstore(kept: Kept, *, wanted: bool) -> None:
    if not wanted:
        click.echo(words("columnstore: off", "列存: 关闭"))
    elif not kept.has_columnstore:
        click.echo(words("columnstore: not available, TimescaleDB is the Apache edition (docs/storage.md)",
                         "列存: 不可用,TimescaleDB 为 Apache 版(docs/storage.md)"))  # fmt: skip
    else:
        for table, chunks in kept.compressed.items():
            click.echo(words(f"columnstore: {chunks} more chunks of {table}", f"列存: {table} 新增 {chunks} 个分块"))
