"""`meterwarden quota`: how institutions stand against their quotas, in an operator's hands."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import click

from ingest.commands.columns import table
from ingest.commands.given import settings_given
from ingest.commands.progress import json_option
from ingest.errors import Unavailable
from ingest.storage import standings as store
from ingest.storage.standings import Row, Wanted
from ingest.words import both, translated, words
from schemas.quota import Level

LEVELS: Final = {
    Level.EXCEEDED: both("exceeded", "超定额"),
    Level.PROJECTED: both("projected", "预计超定额"),
    Level.WARNING: both("warning", "接近定额"),
    Level.WITHIN: both("within", "定额内"),
    Level.NOT_ASSESSABLE: both("not assessable", "无法评估"),
}


@click.group(help=both("How institutions stand against their quotas.", "各机构的定额执行情况。"))
def quota() -> None:
    """How institutions stand against their quotas."""


@quota.command("list", help=both(
    "Running and last periods, the largest share of the quota first, with the evidence.",
    "本期与上期的定额执行情况及依据,占定额比例大者在前。"))  # fmt: skip
@click.option("--institution", help=both("code of an institution", "单位代码"))
@click.option("--level", type=click.Choice([str(level) for level in Level]), help=both("one level", "按级别列出"))
@click.option("--all", "everything", is_flag=True, help=both("every period, not the last two alone", "全部周期"))
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 100_000), help=both("at most so many", "最多条数"))
@json_option
def list_standings(*, institution: str | None, level: str | None, everything: bool, most: int, json_wanted: bool) -> None:
    """The newest standing of each institution, indicator and period."""
    settings = settings_given()
    try:
        rows = asyncio.run(store.standings_listed(settings.database, Wanted(institution, level, everything, most)))
    except Unavailable as error:
        text = words("Check METERWARDEN_DATABASE__URL, and that `meterwarden migrate` has run.",
                     "请检查 METERWARDEN_DATABASE__URL,并确认已执行 `meterwarden migrate`。")  # fmt: skip
        raise click.ClickException(f"{error}\n{text}") from error
    if json_wanted:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1, default=_plain))
        return
    for line in _lines(rows) if rows else (words("nothing settled yet, or nothing such", "尚无结算结果,或没有符合条件的记录"),):
        click.echo(line)


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    heading = [words("INSTITUTION", "单位"), words("INDICATOR", "指标"), words("PERIOD", "周期"), words("LEVEL", "级别"),
               words("USED", "已用"), words("ALLOWED", "定额"), words("SHARE", "占比"), words("MEASURED", "实测"),
               words("QUOTA", "定额依据"), words("NAME", "名称")]  # fmt: skip
    return table(heading, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    period = f"{row['period_start']:%Y-%m}" if row["period_kind"] == "month" else f"{row['period_start']:%Y}"
    share = "" if row["used_ratio"] is None else f"{row['used_ratio']:.0%}"
    return [row["institution"], row["indicator"], period, translated(LEVELS[Level(row["level"])]), _specific(row, "used"),
            _specific(row, "allowance"), share, f"{row['measured_share']:.0%}", _basis(row), row["name"]]  # fmt: skip


def _specific(row: Row, name: str) -> str:
    """An amount over its denominator, in the indicator's unit; empty where either is unknown."""
    return f"{row[name] / row['denominator']:,.2f} {row['unit']}" if row[name] is not None and row["denominator"] else ""


def _basis(row: Row) -> str:
    """The quota row it is held against; what lacks where there is none."""
    if row["quota"] is None:
        return words("missing: ", "缺: ") + ", ".join(row["missing"])
    return f"{row['quota']} ({words('sample', '示例')})" if row["sample"] else str(row["quota"])


def _plain(found: Any) -> object:
    match found:
        case date():
            return found.isoformat()
        case Decimal():
            return float(found)
    raise TypeError(f"{type(found).__name__} has no JSON")
