"""`meterwarden exchange`: meters that were exchanged, as operators declare them. How to work with it: docs/consumption.md."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import click

from ingest.commands.columns import table
from ingest.commands.decisions import (
    CUMULATIVE,
    as_json,
    decided,
    grounds_of,
    instant_given,
    meter_given,
    number_given,
    shown,
    shown_at,
    with_grounds,
    within_of,
)
from ingest.storage import decisions
from ingest.storage.connection import Connection
from ingest.storage.decisions import Declared, Grounds
from ingest.words import both, words

METER = click.argument("meter", metavar="INSTITUTION/MEDIUM/METER", callback=meter_given)
AT = click.argument("at", metavar="AT", callback=instant_given)
NAMED = click.option(
    "--register", type=click.Choice(CUMULATIVE), help=both("where the meter has several", "表计有多个寄存器时必填")
)
JSON = click.option("--json", "json_wanted", is_flag=True, help=both("JSON", "以 JSON 输出"))


@click.group(help=both("Exchanged meters: the old register's last value, the new one's first.", "换表:旧表末值与新表初值。"))
def exchange() -> None:
    """Exchanged meters: the old register's last value, the new one's first."""


@exchange.command("list", help=both(
    "Declared exchanges; WITHIN is INSTITUTION[/MEDIUM[/METER[/REGISTER]]].",
    "列出已声明的换表;WITHIN 为 机构[/介质[/表计[/寄存器]]]。"))  # fmt: skip
@click.argument("within", default="")
@click.option("--history", is_flag=True, help=both("every version, withdrawn ones too", "全部版本,含已撤回的"))
@click.option("--json", "json_wanted", is_flag=True, help=both("one JSON object a line", "每行一个 JSON 对象"))
def list_exchanges(within: str, history: bool, json_wanted: bool) -> None:
    """Declared exchanges."""
    found = decided(partial(decisions.exchanges, within=within_of(within), history=history))
    listed = (as_json({"register": one.path, **one._asdict()}) for one in found) if json_wanted else _lines(found) if found else ()
    for line in listed:
        click.echo(line)
    click.echo(words(f"exchanges: {len(found):,}", f"共 {len(found):,} 次换表"), err=json_wanted)


@exchange.command("declare", help=both(
    "At AT the old register ended at --old-final and the new one began at --new-initial, in the register's unit. A reading at AT "
    "itself is the new register's. Declared again, the newest values count.",
    "AT 时刻旧表止于 --old-final,新表始于 --new-initial(单位同寄存器)。AT 时刻的读数属于新表;重复声明以最新为准。"))  # fmt: skip
@METER
@AT
@click.option("--old-final", required=True, callback=number_given, help=both("last value of the old register", "旧表末值"))
@click.option("--new-initial", required=True, callback=number_given, help=both("first value of the new register", "新表初值"))
@NAMED
@with_grounds
@JSON
def declare(
    meter: str, at: datetime, old_final: Decimal, new_initial: Decimal, register: str | None, json_wanted: bool, **given: Any
) -> None:
    """Declare an exchange."""
    _decide(meter, at, register, (old_final, new_initial), grounds_of(**given), json_wanted=json_wanted)


@exchange.command("withdraw", help=both("The exchange declared at AT did not happen.", "撤回在 AT 时刻声明的换表。"))
@METER
@AT
@NAMED
@with_grounds
@JSON
def withdraw(meter: str, at: datetime, register: str | None, json_wanted: bool, **given: Any) -> None:
    """Withdraw an exchange."""
    _decide(meter, at, register, None, grounds_of(**given), json_wanted=json_wanted)


def _decide(
    meter: str, at: datetime, name: str | None, values: tuple[Decimal, Decimal] | None, grounds: Grounds, *, json_wanted: bool
) -> None:
    async def work(connection: Connection) -> tuple[int, str]:
        of = await decisions.register(connection, meter, name, at)
        return await decisions.exchange(connection, of, at, values, grounds), of.name

    version, register = decided(work)
    path = f"{meter}/{register}"
    old_final, new_initial = values or (None, None)
    if json_wanted:
        facts = {"register": path, "exchanged_at": at, "version": version, "old_final": old_final, "new_initial": new_initial}
        click.echo(as_json({**facts, **grounds._asdict()}))
        return
    done = words("withdrawn", "已撤回") if values is None else words(f"{old_final:f} -> {new_initial:f} declared",
                                                                  f"已声明 {old_final:f} -> {new_initial:f}")  # fmt: skip
    click.echo(words(f"{path} {shown_at(at)}: {done} (version {version}); the settler derives it again",
                     f"{path} {shown_at(at)}: {done}(第 {version} 版),将重新结算"))  # fmt: skip


def _lines(found: Sequence[Declared]) -> Iterator[str]:
    """A table as wide as the terminal."""
    heading = [words("REGISTER", "寄存器"), words("EXCHANGED", "换表时间"), words("VALUES", "示数"), words("VERSION", "版本"),
               words("RECORDED", "登记时间"), words("AUTHOR", "操作人"), words("BECAUSE", "原因")]  # fmt: skip
    return table(heading, [_cells(one) for one in found], loose=2)


def _cells(one: Declared) -> list[str]:
    withdrawn = one.old_final is None or one.new_initial is None
    values = words("withdrawn", "已撤回") if withdrawn else f"{one.old_final:f} -> {one.new_initial:f} {one.unit}"
    former = "" if one.newest else words(" (superseded)", "(已被取代)")
    return [one.path, shown_at(one.exchanged_at), values + former, f"v{one.version}", shown_at(one.recorded_at), shown(one.author),
            shown(one.because)]  # fmt: skip
