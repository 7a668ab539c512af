"""`meterwarden quarantine purge`: messages deleted for good, with a record of who did it and why."""

import getpass
import json
import socket
from typing import Any

import click

from ingest.commands.given import settings_given
from ingest.commands.progress import Progress, json_option
from ingest.commands.quarantine.database import answered, by_reason, sized
from ingest.commands.quarantine.options import filter_of, filtered, matches_of
from ingest.settings import Settings
from ingest.storage.quarantine.caps import AUTHOR as CAP
from ingest.storage.quarantine.filters import Filter
from ingest.storage.quarantine.found import Found, Matching
from ingest.storage.quarantine.purge import Grounds, Purged, purge
from ingest.storage.writer import Writer
from ingest.words import both, words


def _user() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"?@{socket.gethostname()}"


@click.command(
    "purge",
    help=both(
        "Delete messages that match, and record it (view meterwarden.quarantine_purge). Open ones are stored nowhere else: "
        "export first.",
        "删除符合条件的消息并留下记录(视图 meterwarden.quarantine_purge)。未解决的消息别处没有,请先导出。",
    ),
)
@filtered
@click.option("--all", "everything", is_flag=True, help=both("without any filter", "不加任何筛选条件"))
@click.option("--because", "--reason-text", required=True, help=both("why; goes into the record", "删除原因,写入记录"))
@click.option("--author", default=_user, help=both("who; default: user@host", "操作人,默认 用户@主机"))
@click.option("--yes", is_flag=True, help=both("do not ask", "不再询问"))
@json_option
def purge_messages(everything: bool, because: str, author: str, yes: bool, json_wanted: bool, **given: Any) -> None:
    """Delete messages that match, and record it."""
    wanted = filter_of(given)
    grounds = Grounds(_told(author), _told(because), str(wanted))
    _refuse_vague(wanted, grounds, everything=everything)
    settings = settings_given()
    matches = matches_of(settings, wanted)
    if not matches.every and not json_wanted:
        click.echo(words("nothing matches, nothing was deleted", "没有符合条件的消息,未删除"))
        return
    click.echo(_question(matches), err=json_wanted)
    if not yes:
        _confirm(err=json_wanted)
    purged = answered(_purge(settings, matches.every, wanted, grounds))
    facts = {"deleted": len(purged), "open": purged.open, "bytes": purged.bytes, **grounds._asdict()}
    click.echo(json.dumps(facts) if json_wanted else _said(purged))


def _told(text: str) -> str:
    """As the database can take it."""
    return text.replace("\0", "").encode(errors="backslashreplace").decode().strip()


def _refuse_vague(wanted: Filter, grounds: Grounds, *, everything: bool) -> None:
    if not grounds.because or not grounds.author or grounds.author == CAP:
        raise click.UsageError(
            words(
                f'--because and --author must not be empty, and no person is "{CAP}"',
                f'--because 和 --author 不能为空,操作人不能是"{CAP}"',
            )
        )
    if everything == wanted.narrows:
        raise click.UsageError(
            words("give IDs or a filter (--reason, --meter, …, --state resolved), or --all without any",
                  "请给出编号或筛选条件(--reason、--meter……、--state resolved),或单独使用 --all")
        )  # fmt: skip


def _question(matches: Matching) -> str:
    number, open_number, size = len(matches.every), len(matches.open), sized(matches.bytes)
    return words(
        f"to be deleted: {number:,} messages ({size}), {open_number:,} of them open: {by_reason(matches.reasons)}",
        f"将删除 {number:,} 条消息({size}),其中未解决 {open_number:,} 条: {by_reason(matches.reasons)}",
    )


def _confirm(*, err: bool) -> None:
    try:
        agreed = click.confirm(words("Delete them for good?", "确认永久删除?"), err=err)
    except click.Abort:
        agreed = False
    if not agreed:
        raise click.ClickException(words("nothing was deleted; answer y, or give --yes", "未删除;请回答 y,或加 --yes"))


async def _purge(settings: Settings, found: Found, wanted: Filter, grounds: Grounds) -> Purged:
    progress = Progress(len(found), "deleted", "已删除")
    writer = Writer(settings.database)
    try:
        return await purge(writer, found, wanted.state, grounds, lambda purged: progress(len(purged)))
    finally:
        await writer.close()


def _said(purged: Purged) -> str:
    return words(
        f"deleted: {len(purged):,} messages ({sized(purged.bytes)}), {purged.open:,} of them open; recorded in "
        "meterwarden.quarantine_purge",
        f"已删除 {len(purged):,} 条消息({sized(purged.bytes)}),其中未解决 {purged.open:,} 条;记录在 meterwarden.quarantine_purge",
    )
