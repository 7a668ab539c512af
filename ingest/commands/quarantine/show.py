"""`meterwarden quarantine show`: one message whole, and what to do next."""

from collections.abc import Iterator
from datetime import datetime

import click

from ingest.commands.given import settings_given
from ingest.commands.progress import json_option
from ingest.commands.quarantine import record
from ingest.commands.quarantine.database import answered, put
from ingest.commands.quarantine.escaped import KEPT, escaped, escaped_bytes, hex_dump, text_or_none
from ingest.commands.quarantine.hints import hint
from ingest.commands.quarantine.options import LARGEST_ID, no_such
from ingest.settings import Settings
from ingest.storage.quarantine.found import Found
from ingest.storage.quarantine.kept import Kept, kept
from ingest.words import both, words


@click.command(help=both("One message whole, and what to do about it.", "查看一条消息的全部内容及处理建议。"))
@click.argument("number", metavar="ID", type=click.IntRange(1, LARGEST_ID))
@json_option
def show(number: int, json_wanted: bool) -> None:
    """One message whole, and what to do about it."""
    message = answered(_message(settings_given(), number))
    if message is None:
        raise no_such([number])
    if json_wanted:
        click.echo(record.line(message))
        return
    for line in lines(message):
        put(line)


async def _message(settings: Settings, number: int) -> Kept | None:
    found = Found()
    found.add(number, 0)
    there = [message async for messages in kept(settings.database, found, whole=True) for message in messages]
    return there[0] if there else None


def lines(message: Kept) -> Iterator[str]:
    """What there is to say of a message; its foreign parts escaped."""
    for english, chinese, text in _facts(message):
        yield f"{words(english, chinese)}: {text}"
    yield f"{words('next', '下一步')}: {hint(message.reason, message.id) if message.resolved_at is None else words('none', '无')}"
    payload = message.payload or b""
    text_payload = text_or_none(payload)
    kind = words("text", "文本") if text_payload is not None else words("no UTF-8 text, as bytes", "非 UTF-8 文本,以字节显示")
    yield f"{words('payload', '报文')} ({len(payload):,} {words('bytes', '字节')}, {kind}):"
    yield from hex_dump(payload) if text_payload is None else [escaped(text_payload, KEPT)]


def _facts(message: Kept) -> Iterator[tuple[str, str, str]]:
    yield "id", "编号", str(message.id)
    yield "state", "状态", _state(message)
    yield "received", "接收时间", _local(message.received_at)
    yield "topic", "主题", escaped_bytes(message.topic)
    yield "QoS, retain", "QoS、保留", f"{message.qos}, {words('yes', '是') if message.retain else words('no', '否')}"
    yield "stage, reason", "阶段、原因", f"{escaped(message.stage)}, {escaped(message.reason)}"
    yield "detail", "说明", escaped(message.detail)
    yield "failing readings", "出错的读数", _failing(message)
    if message.wanted:
        yield "wanted", "缺少登记", ", ".join(map(escaped, message.wanted))
    yield "key", "键", message.key.hex()


def _state(message: Kept) -> str:
    if message.resolved_at is None:
        return words("open", "未解决")
    return f"{words('resolved', '已解决')} {_local(message.resolved_at)} ({escaped(message.resolution or '')})"


def _failing(message: Kept) -> str:
    if not message.failing:
        return words("the message as a whole", "整条消息")
    positions = ", ".join(map(str, message.failing))
    return words(f"{positions} (counted from 0; any others are stored)", f"{positions} (从 0 起计;其余读数均已入库)")


def _local(at: datetime) -> str:
    return at.astimezone().isoformat(sep=" ", timespec="milliseconds")
