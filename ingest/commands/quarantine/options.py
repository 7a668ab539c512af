"""The filter that list, replay, purge and export share, from the command line."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import click

from ingest.commands.quarantine.database import answered
from ingest.errors import Reason
from ingest.settings import Settings
from ingest.storage.quarantine.filters import Filter, MeterPath, State, missing
from ingest.storage.quarantine.found import Matching, matching
from ingest.words import both, words
from schemas.reading import CODE

_CODE: Final = re.compile(CODE).fullmatch
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d").fullmatch
MEDIA: Final = ("electricity", "water", "charger")
LARGEST_ID: Final = 2**63 - 1


def _meter(_context: click.Context, _option: click.Parameter, given: str | None) -> MeterPath | None:
    if given is None:
        return None
    parts = given.split("/")
    if len(parts) != 3 or parts[1] not in MEDIA or not _CODE(parts[0]) or not _CODE(parts[2]):
        raise click.BadParameter(
            words(
                f"{given!r}: write it as INSTITUTION/MEDIUM/METER, such as SCHOOL-1/electricity/E1; media: {', '.join(MEDIA)}",
                f"{given!r}: 应写作 机构/介质/表计,例如 SCHOOL-1/electricity/E1;介质: {', '.join(MEDIA)}",
            )
        )
    return MeterPath(*parts)


def _institution(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """A code, registered or not: the second level of a topic."""
    if given is not None and (not given or "/" in given or given != given.encode(errors="replace").decode()):
        raise click.BadParameter(words(f"{given!r}: a level of a topic has no / in it", f"{given!r}: 主题的一级中不能含有 /"))
    return given


def _moment(given: str | None, *, end: bool) -> datetime | None:
    try:
        return None if given is None else moment_of(given, end=end)
    except (ValueError, OverflowError, OSError) as error:
        text = words(
            f"{given!r}: write a day as 2026-10-01, or a time with its offset as 2026-10-01T08:00:00+08:00",
            f"{given!r}: 日期写作 2026-10-01,时间须带偏移,如 2026-10-01T08:00:00+08:00",
        )
        raise click.BadParameter(text) from error


def moment_of(text: str, *, end: bool) -> datetime:
    """The instant that RFC 3339 means, or a day in the machine's time zone: its begin, or its end. Raises ValueError."""
    if _DAY(text):
        day = datetime.fromisoformat(text) + timedelta(days=end)
        return day.astimezone()
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no offset")
    return at


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options; it takes them as `**given` and makes a filter of them by `filter_of`."""
    options = (
        click.argument("ids", nargs=-1, type=click.IntRange(1, LARGEST_ID), metavar="[ID]..."),
        click.option("--reason", multiple=True, type=click.Choice([str(reason) for reason in Reason]), metavar="REASON",
                     help=both("only this reason (docs/reference.md); may be repeated", "仅此原因(见 docs/reference.md),可重复")),
        click.option("--meter", callback=_meter, metavar="INSTITUTION/MEDIUM/METER",
                     help=both("only messages of this meter, gateways' batches included", "仅此表计的消息,含网关批次")),
        click.option("--institution", callback=_institution, metavar="CODE",
                     help=both("only topics of this institution", "仅此机构的主题")),
        click.option("--since", callback=lambda _context, _option, given: _moment(given, end=False), metavar="TIME|DAY",
                     help=both("received at or after", "此时及以后接收")),
        click.option("--until", callback=lambda _context, _option, given: _moment(given, end=True), metavar="TIME|DAY",
                     help=both("received before; a day is included", "此时以前接收,日期含当日")),
        click.option("--state", type=click.Choice(["open", "resolved", "all"]),
                     help=both("default: open; with IDs: all", "默认 open;给出 ID 时为 all")),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def filter_of(given: dict[str, Any]) -> Filter:
    """The filter that shared options mean."""
    ids = tuple(sorted(set(given["ids"])))
    state: State = given["state"] or ("all" if ids else "open")
    return Filter(ids, tuple(given["reason"]), given["meter"], given["institution"], given["since"], given["until"], state)


def matches_of(settings: Settings, wanted: Filter) -> Matching:
    """What matches; numbers that do not exist end the command."""
    matches = answered(matching(settings.database, wanted))
    only_ids = wanted.ids and wanted == Filter(wanted.ids, state="all")
    absent = missing(wanted.ids, matches.every.ids) if only_ids else []
    if absent:
        raise no_such(absent)
    return matches


def no_such(ids: list[int]) -> click.ClickException:
    """Numbers that are not in quarantine."""
    shown = ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")
    return click.ClickException(
        words(
            f"not in quarantine: {shown}. `meterwarden quarantine list --state all` shows what is; what was deleted is in "
            "meterwarden.quarantine_purge.",
            f"隔离区中没有: {shown}。用 `meterwarden quarantine list --state all` 查看现有消息;已删除的记录在 "
            "meterwarden.quarantine_purge。",
        )
    )
