"""`meterwarden findings`: what validation found, in an operator's hands. How to work with it: docs/vee.md."""

import asyncio
import json
from collections.abc import Coroutine, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import click

from ingest.commands.columns import table
from ingest.commands.given import settings_given
from ingest.errors import Unavailable
from ingest.metering.vee.rules import RULES
from ingest.storage import findings as store
from ingest.storage.findings import Change, Row, Wanted
from ingest.words import both, translated, words

T = TypeVar("T")

AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help=both("one JSON document", "输出 JSON"))
AUTHOR: Final = click.option("--author", required=True, help=both("who decides", "处理人"))
REASON: Final = click.option("--reason", required=True, help=both("why, in a sentence", "原因"))


@click.group(help=both("What validation found: list, show, acknowledge, close.", "数据校核发现:查询、查看、确认、关闭。"))
def findings() -> None:
    """What validation found: list, show, acknowledge, close."""


@findings.command(
    "list", help=both("Open findings, the largest share of its institution's use first.", "未处理的发现,按影响比例排序。")
)
@click.option("--institution", help=both("code of an institution", "单位代码"))
@click.option("--rule", type=click.Choice(list(RULES)), help=both("one rule", "规则"))
@click.option("--state", type=click.Choice(store.STATES), help=both("findings in this state, uncapped", "按状态列出,不设上限"))
@click.option("--all", "everything", is_flag=True, help=both("every finding in every state, uncapped", "全部发现"))
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 100_000), help=both("at most so many", "最多条数"))
@AS_JSON
def list_findings(
    *, institution: str | None, rule: str | None, state: str | None, everything: bool, most: int, as_json: bool
) -> None:
    """The board; or with --state or --all, what is not on it."""
    wanted = Wanted(institution, rule, state, most)
    settings = settings_given()
    capped = state is None and not everything
    rows = _answered((store.board if capped else store.all_findings)(settings.database, wanted))
    if as_json:
        click.echo(_json(rows))
        return
    for line in _lines(rows) if rows else ():
        click.echo(line)
    held_back = sum(row["held_back"] for row in rows) if capped else 0
    if held_back:
        click.echo(
            words(
                f"{held_back:,} more of the same rule and institution are held back: --all", f"另有 {held_back:,} 条未显示: --all"
            )
        )
    if not rows:
        click.echo(words("no findings", "没有发现"))


@findings.command(help=both("One finding with its evidence and what became of it.", "查看一条发现及其处理记录。"))
@click.argument("finding")
@AS_JSON
def show(finding: str, *, as_json: bool) -> None:
    """A finding by the beginning of its name."""
    settings = settings_given()
    row = _one(settings.database, finding)
    past = _answered(store.history(settings.database, row["finding"]))
    if as_json:
        click.echo(_json({**row, "history": past}))
        return
    for line in _lines([row]):
        click.echo(line)
    click.echo(f"  {_rule_text(row['rule'])}")
    for name, number in row["evidence"].items():
        click.echo(f"  {name}: {number}")
    for entry in past:
        click.echo(
            f"  {entry['recorded_at']:%Y-%m-%d %H:%M} {translated(entry['change'])} {entry['author']!r}: {entry['reason']!r}"
        )


def _changing(name: str, state: str, change: str, help_text: str) -> click.Command:
    @findings.command(name, help=help_text)
    @click.argument("finding")
    @AUTHOR
    @REASON
    @AS_JSON
    def command(finding: str, *, author: str, reason: str, as_json: bool) -> None:
        for given, what in ((author, "--author"), (reason, "--reason")):
            if not given.strip():
                raise click.ClickException(words(f"{what} must not be empty", f"{what} 不能为空"))
        settings = settings_given()
        row = _one(settings.database, finding)
        changed = _answered(store.change(settings.database, row["finding"], Change(state, change, author, reason)))
        if as_json:
            click.echo(_json({"finding": row["finding"], "state": state, "changed": changed}))
        else:
            already = "" if changed else words(" (already)", "(无变化)")
            click.echo(f"{row['finding']} {translated(state)}{already}")

    return command


_changing("acknowledge", "acknowledged", "acknowledged", both("Somebody deals with it.", "确认:已有人处理。"))
_changing("close", "closed", "closed", both("Dealt with, or no fault.", "关闭:已处理或非故障。"))
_changing("reopen", "open", "reopened", both("Put it back on the board.", "重新打开。"))


def _one(database: Any, name: str) -> Row:
    rows = _answered(store.named(database, name))
    if not rows:
        raise click.ClickException(words(f"no finding {name!r}: see `meterwarden findings list --all`", f"没有发现 {name!r}"))
    if len(rows) > 1:
        raise click.ClickException(words(f"several findings begin with {name!r}: give more of the name", f"{name!r} 对应多条发现"))
    return rows[0]


def _answered(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except Unavailable as error:
        text = words("Check METERWARDEN_DATABASE__URL, and that `meterwarden migrate` has run.",
                     "请检查 METERWARDEN_DATABASE__URL,并确认已执行 `meterwarden migrate`。")  # fmt: skip
        raise click.ClickException(f"{error}\n{text}") from error


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table as wide as the terminal, the worst first."""
    heading = [words("FINDING", "编号"), words("SEVERITY", "级别"), words("RULE", "规则"), words("DAYS", "日期"),
               words("IMPACT", "影响"), words("STATE", "状态"), words("REGISTER", "寄存器")]  # fmt: skip
    return table(heading, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    share = "" if row["impact_share"] is None else f" ({row['impact_share']:.1%})"
    where = f"{row['institution']}/{row['medium']}/{row['meter']}/{row['register']}"
    impact = f"{row['impact']:,.1f} {row['unit']}{share}"
    return [row["finding"], row["severity"], row["rule"], f"{row['from_day']}..{row['to_day']}", impact,
            translated(row.get("state", "open")), where]  # fmt: skip


def _rule_text(rule: str) -> str:
    judge = RULES[rule].judge if rule in RULES else None
    return translated((judge.__doc__ or "").strip().splitlines()[0]) if judge else ""


def _json(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, indent=1, default=_plain)


def _plain(found: object) -> object:
    match found:
        case date() | datetime():
            return found.isoformat()
        case Decimal():
            return float(found)
    raise TypeError(f"{type(found).__name__} has no JSON")
