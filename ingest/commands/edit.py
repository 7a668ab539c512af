"""`meterwarden edit`: disputed readings, and what an operator decides about them. How to work with it: docs/consumption.md."""

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import click

from ingest.commands.decisions import (
    as_json,
    decided,
    grounds_of,
    instant_given,
    number_given,
    register_given,
    shown,
    shown_at,
    with_grounds,
    within_of,
)
from ingest.storage import decisions
from ingest.storage.connection import Connection
from ingest.storage.decisions import Grounds, Key
from ingest.words import both, words

REGISTER = click.argument("register", metavar="INSTITUTION/MEDIUM/METER/REGISTER", callback=register_given)
READ_AT = click.argument("read_at", metavar="READ_AT", callback=instant_given)
JSON = click.option("--json", "json_wanted", is_flag=True, help=both("JSON", "以 JSON 输出"))


@click.group(help=both("Readings with several values: see them, decide which counts.", "同一时刻有多个示数的读数:查看并裁定。"))
def edit() -> None:
    """Readings with several values: see them, decide which counts."""


@edit.command("list", help=both(
    "Disputed readings with every value seen, and when; WITHIN is INSTITUTION[/MEDIUM[/METER[/REGISTER]]].",
    "列出有争议的读数及其全部示数和接收时间;WITHIN 为 机构[/介质[/表计[/寄存器]]]。"))  # fmt: skip
@click.argument("within", default="")
@click.option("--all", "everything", is_flag=True, help=both("those decided already too", "包括已裁定的"))
@click.option("--json", "json_wanted", is_flag=True, help=both("one JSON object a line", "每行一个 JSON 对象"))
def list_keys(within: str, everything: bool, json_wanted: bool) -> None:
    """Disputed readings with every value seen."""
    found = decided(partial(decisions.keys, within=within_of(within), undecided=not everything))
    for key in found:
        click.echo(as_json(_record(key)) if json_wanted else "\n".join(_lines(key)))
    click.echo(words(f"readings: {len(found):,}", f"共 {len(found):,} 条读数"), err=json_wanted)


@edit.command("set", help=both(
    "Let VALUE, in the register's unit, count at READ_AT, whatever was received.",
    "裁定该时刻以 VALUE 为准(单位同寄存器)。"))  # fmt: skip
@REGISTER
@READ_AT
@click.argument("value", metavar="VALUE", callback=number_given)
@with_grounds
@JSON
def set_value(register: str, read_at: datetime, value: Decimal, json_wanted: bool, **given: Any) -> None:
    """Let a value count."""
    _decide(register, read_at, value, grounds_of(**given), json_wanted=json_wanted)


@edit.command("drop", help=both("Let nothing count at READ_AT, whatever was received.", "裁定该时刻的读数不计。"))
@REGISTER
@READ_AT
@with_grounds
@JSON
def drop(register: str, read_at: datetime, json_wanted: bool, **given: Any) -> None:
    """Let nothing count."""
    _decide(register, read_at, None, grounds_of(**given), json_wanted=json_wanted)


def _decide(path: str, read_at: datetime, value: Decimal | None, grounds: Grounds, *, json_wanted: bool) -> None:
    meter, _, name = path.rpartition("/")

    async def work(connection: Connection) -> tuple[int, str]:
        register = await decisions.register(connection, meter, name, read_at)
        return await decisions.edit(connection, register, read_at, value, grounds), register.unit

    version, unit = decided(work)
    if json_wanted:
        click.echo(
            as_json({"register": path, "read_at": read_at, "version": version, "value": value, "unit": unit, **grounds._asdict()})
        )
        return
    counts = words("nothing counts", "不计") if value is None else words(f"{value:f} {unit} counts", f"以 {value:f} {unit} 为准")
    click.echo(words(f"{path} {shown_at(read_at)}: {counts} (version {version}); the settler derives it again",
                     f"{path} {shown_at(read_at)}: {counts}(第 {version} 版),将重新结算"))  # fmt: skip


def _record(key: Key) -> dict[str, Any]:
    record = {**key._asdict(), "register": key.path, "seen": [one._asdict() for one in key.seen or ()]}
    del record["path"]
    return record


def _lines(key: Key) -> list[str]:
    state = words("disputed, nothing counts", "有争议,不计") if key.version is None else _decision(key)
    received = words("received", "接收于")
    seen = [f"    {one.value:f} {key.unit}  {received} {shown_at(one.received_at)}" for one in key.seen or ()]
    return [f"{key.path} {shown_at(key.read_at)}: {state}", *seen]


def _decision(key: Key) -> str:
    counts = words("nothing counts", "不计") if key.value is None else words(f"{key.value:f} counts", f"以 {key.value:f} 为准")
    return words(f"{counts} (version {key.version}, {shown(key.author)}, {shown_at(key.recorded_at)}: {shown(key.because)})",
                 f"{counts}(第 {key.version} 版,{shown(key.author)},{shown_at(key.recorded_at)}:{shown(key.because)})")  # fmt: skip
