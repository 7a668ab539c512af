"""What `replay` is told: how to read the file, what its numbers mean, as whom to publish them."""

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from schemas.registers import Medium
from simulators.commands.options import Command
from simulators.replay import Values
from simulators.samples import IS_CODE, MOST

FACTORS: Final = {
    Medium.ELECTRICITY: {"kWh": Decimal(1), "Wh": Decimal("0.001")},
    Medium.CHARGER: {"kWh": Decimal(1), "Wh": Decimal("0.001")},
    Medium.WATER: {"m3": Decimal(1), "L": Decimal("0.001")},
}
STEPS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


def _code(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and not IS_CODE(text):
        raise click.BadParameter(f"{text!r} cannot be a code: letters, digits, '.', '_' and '-', at most 64")
    return text


def _zone(_context: click.Context, _parameter: click.Parameter, text: str | None) -> ZoneInfo | None:
    try:
        return None if text is None else ZoneInfo(text)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise click.BadParameter(f"{text!r} is no zone; name one as in Asia/Shanghai or UTC") from error


def _decimal(_context: click.Context, _parameter: click.Parameter, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise click.BadParameter(f"{text!r} is no number") from error
    if not 0 <= number < MOST:
        raise click.BadParameter(f"{text} must lie from 0 to {MOST:.0e}")
    return number


def file_options(command: Command) -> Command:
    """How the file is to be read."""
    for decorate in (
        click.option("--skip-bad-lines", is_flag=True, help="leave out and count lines with mistakes; default: end at the first"),
        click.option("--limit", type=click.IntRange(1), help="only so many rows"),
        click.option("--encoding", default="utf-8-sig", show_default=True, help="of a CSV file"),
        click.option("--delimiter", default=",", show_default=True, help="of a CSV file, one character"),
        click.option("--time-format", help="as strptime takes it; default: ISO 8601"),
        click.option("--timezone", callback=_zone, help="zone of times without an offset, such as Europe/Helsinki"),
        click.option("--meter", "meters", multiple=True, metavar="NAME[=CODE]", help="replay this one; default: all; repeatable"),
        click.option("--value-column", help="long file: column of the numbers"),
        click.option("--meter-column", help="long file: column of the meters' names"),
        click.option("--time-column", help="default: the first"),
    ):
        command = decorate(command)
    return command


def meaning_options(command: Command) -> Command:
    """What its numbers mean, and as whom they are published."""
    units = sorted({unit for of_medium in FACTORS.values() for unit in of_medium})
    for decorate in (
        click.option("--shift-step", type=click.Choice(list(STEPS)), default="hour", show_default=True, help="shift by whole ones"),
        click.option("--shift-to-now", is_flag=True, help="shift all times so that the last reading is now"),
        click.option("--decimals", type=click.IntRange(0, 3), default=3, show_default=True, help="decimals a register shows"),
        click.option("--start-register", callback=_decimal, default="0", show_default=True, help="what registers show at first"),
        click.option("--unit", type=click.Choice(units), help="of the numbers; default: kWh, of water m3"),
        click.option("--values", type=click.Choice([*map(str, Values)]), default="starting", show_default=True,
                     help="amounts of intervals starting or ending at their time, or register readings"),
        click.option("--role", type=click.Choice(["main", "branch", "sub", "check"]),
                     help="of the meters, in --registry; default: main, of chargers sub"),
        click.option("--readings-each", type=click.IntRange(1, 2500), default=500, show_default=True,
                     help="most readings in a gateway's message"),
        click.option("--gateway", callback=_code, help="publish as this gateway; default: every meter by itself"),
        click.option("--medium", type=click.Choice([*map(str, Medium)]), default="electricity", show_default=True,
                     help="what the meters measure"),
        click.option("--institution", callback=_code, default="REPLAY", show_default=True, help="whose meters they are"),
    ):  # fmt: skip
        command = decorate(command)
    return command
