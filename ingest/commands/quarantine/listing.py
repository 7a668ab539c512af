"""`meterwarden quarantine list`: a table as wide as the terminal, or JSON."""

from typing import Any

import click

from ingest.commands.columns import layout as laid_out
from ingest.commands.columns import line, terminal
from ingest.commands.given import settings_given
from ingest.commands.quarantine import record
from ingest.commands.quarantine.database import answered, by_reason, put, sized
from ingest.commands.quarantine.escaped import escaped, escaped_bytes
from ingest.commands.quarantine.options import filter_of, filtered, matches_of
from ingest.settings import Settings
from ingest.storage.quarantine.found import Found, Matching
from ingest.storage.quarantine.kept import Kept, kept
from ingest.words import both, words


@click.command("list", help=both("Messages that match, the newest last.", "列出符合条件的消息,最新的在最后。"))
@filtered
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help=both("the newest so many", "最新的若干条"))
@click.option("--json", "as_json", is_flag=True, help=both("one JSON object a line", "每行一个 JSON 对象"))
def list_messages(limit: int, as_json: bool, **given: Any) -> None:
    """Messages that match, the newest last."""
    settings = settings_given()
    wanted = filter_of(given)
    matches = matches_of(settings, wanted)
    newest = Found(matches.every.ids[-limit:], matches.every.sizes[-limit:])
    answered(_write(settings, newest, as_json=as_json, with_state=wanted.state != "open"))
    click.echo(_counts(matches, len(newest)), err=as_json)


async def _write(settings: Settings, found: Found, *, as_json: bool, with_state: bool) -> None:
    """Chunk by chunk; a table's columns are as wide as its first chunk needs."""
    layout: list[int] | None = None
    async for messages in kept(settings.database, found, whole=False):
        if as_json:
            for message in messages:
                click.echo(record.line(message))
            continue
        rows = [_row(message, with_state=with_state) for message in messages]
        if layout is None:
            heading = _heading(with_state=with_state)
            layout = laid_out([heading, *rows], terminal())
            put(line(heading, layout))
        for row in rows:
            put(line(row, layout))


def _heading(*, with_state: bool) -> list[str]:
    names = [words("ID", "编号"), words("RECEIVED", "接收时间"), words("REASON", "原因"), words("BYTES", "字节")]
    state = [words("STATE", "状态")] if with_state else []
    return [*names, *state, words("TOPIC", "主题"), words("DETAIL", "说明")]


def _row(message: Kept, *, with_state: bool) -> list[str]:
    received = message.received_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    state = [escaped(message.resolution or "resolved") if message.resolved_at else "open"] if with_state else []
    return [str(message.id), received, escaped(message.reason), f"{message.payload_bytes:,}", *state,
            escaped_bytes(message.topic), escaped(message.detail)]  # fmt: skip


def _counts(matches: Matching, shown: int) -> str:
    if not matches.every:
        return words("nothing matches", "没有符合条件的消息")
    text = words(f"{shown:,} of {len(matches.every):,} shown", f"共 {len(matches.every):,} 条,显示 {shown:,} 条")
    resolved = words(f", {matches.resolved:,} resolved", f",已解决 {matches.resolved:,} 条") if matches.resolved else ""
    return f"{text}{resolved} ({sized(matches.bytes)}): {by_reason(matches.reasons)}"
