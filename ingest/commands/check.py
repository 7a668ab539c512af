"""`meterwarden check`: settings, files, broker, database, registry, clock and port, one line each, and what to do."""

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import click

from ingest.broker import probe as broker_probe
from ingest.checks.broker import check_broker
from ingest.checks.database import check_database
from ingest.checks.files import check_files
from ingest.checks.machine import check_clock, check_port
from ingest.checks.result import Result, State, Text, failed, good, warning
from ingest.commands.columns import GAP, fitted, terminal, width, wrapped
from ingest.commands.configured import unknown
from ingest.commands.given import mistakes_in, settings_or_none
from ingest.commands.progress import json_option, step
from ingest.logs import start_logging
from ingest.settings import Settings
from ingest.storage import probe as database_probe
from ingest.words import both, translated, words

MARKS: Final = {State.OK: ("ok", "正常"), State.WARNING: ("warning", "警告"), State.FAILED: ("failed", "失败")}
COLORS: Final = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red"}


@click.command(
    short_help=both("What would keep the service from working, and what to do", "检查服务能否运行,并给出处理办法"),
    help=both(
        "Check settings, files, broker, database, registry, clock and port; say of each what is wrong and what to do. "
        "Nothing is changed, no "
        "message is taken. Exit status 0: the service can work (warnings may stand); 1: something failed.",
        "检查设置、文件、消息代理、数据库、台账、时钟与端口,逐项说明问题与处理办法。不做任何更改,不取走任何消息。"
        "退出码 0: 服务可以运行(可有警告);1: 有检查失败。",
    ),
)
@json_option  # fmt: skip
def check(json_wanted: bool) -> None:
    """Check everything; one line each."""
    start_logging("CRITICAL")  # what a probe stumbles over is told as a result
    with step("checking", "正在检查"):
        results = list(_settings()) + list(_rest())
    if json_wanted:
        click.echo(json.dumps({"ok": _passed(results), "checks": [one.record() for one in results]}, ensure_ascii=False, indent=1))
    else:
        for line in lines(results, terminal()):
            click.echo(line)
    sys.exit(0 if _passed(results) else 1)


def _passed(results: list[Result]) -> bool:
    return all(one.state is not State.FAILED for one in results)


def _settings() -> Iterator[Result]:
    mistakes = mistakes_in()
    remedy = Text(
        "correct it; `meterwarden config show` lists every setting and its origin",
        "请修正;`meterwarden config show` 列出全部设置及其来源",
    )
    for line in mistakes:
        yield failed("settings", Text(line, translated(line)), remedy)
    if not mistakes:
        yield good("settings", "all valid", "全部有效")
    for name, nearest in unknown().items():
        meant = Text(f"; did you mean {nearest}?", f",是否指 {nearest}?") if nearest else Text("", "")
        found = Text(f"{name} is no setting{meant.english}", f"没有设置 {name}{meant.chinese}")
        yield warning("settings.unknown", found, Text("correct the name, or remove the variable", "请修正变量名或删除该变量"))


def _rest() -> Iterator[Result]:
    settings = settings_or_none()
    yield check_clock(datetime.now(UTC))
    if settings is None:
        return
    files = list(check_files(settings))
    broken = [one.name for one in files if one.state is State.FAILED]
    yield from files
    broker, database = asyncio.run(_probed(settings))
    if not any(name.startswith(("file.broker", "file.tls")) for name in broken):
        yield from check_broker(settings.broker, broker, datetime.now(UTC))
    if not any(name.startswith("file.database") for name in broken):
        yield from check_database(database)
    yield check_port(settings.http)


async def _probed(settings: Settings) -> tuple[broker_probe.Seen, database_probe.Seen]:
    """Both servers at once."""
    async with asyncio.TaskGroup() as group:
        broker = group.create_task(broker_probe.probe(settings.broker), name="check.broker")
        database = group.create_task(database_probe.probe(settings.database, lambda: datetime.now(UTC)), name="check.database")
    return broker.result(), database.result()


def lines(results: list[Result], columns: int) -> Iterator[str]:
    """A line each, wrapped under itself; then what to do; last how many of each."""
    marks = max(width(words(*texts)) for texts in MARKS.values())
    names = max(len(one.name) for one in results)
    before = marks + names + 2 * len(GAP)
    for one in results:
        mark = click.style(fitted(words(*MARKS[one.state]), marks), fg=COLORS[one.state])
        first, *more = wrapped(str(one.found), max(columns - before, 20))
        yield f"{mark}{GAP}{one.name:<{names}}{GAP}{first}"
        yield from (" " * before + line for line in more)
        if one.remedy is not None:
            yield from (" " * before + line for line in wrapped(f"-> {one.remedy}", max(columns - before, 20)))
    yield ", ".join(_counted(results))


def _counted(results: list[Result]) -> Iterator[str]:
    counts: dict[Any, int] = {state: sum(one.state is state for one in results) for state in State}
    for state, number in counts.items():
        if number or state is State.OK:
            yield f"{number} {words(*MARKS[state])}"
