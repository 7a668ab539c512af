"""What several commands are told: which fleet, which broker, and the clock they go by."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from simulators import fleet
from simulators.city.census import CITIES
from simulators.month import Month

ENVIRONMENT: Final = "METERWARDEN_SIMULATOR_"
Command = Callable[..., Any]
RATE: Final = click.FloatRange(0, 1)
DEFAULT_INSTITUTIONS: Final = 40


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the commands take the time from; the calling program or a test may give another as click's `obj`."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def option(name: str, *names: str, **attributes: Any) -> Callable[[Command], Command]:
    """An option that can also come from the environment."""
    variable = ENVIRONMENT + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *names, envvar=variable, show_envvar=True, show_default="default" in attributes, **attributes)


def _month(context: click.Context, _parameter: click.Parameter, text: str | None) -> Month:
    if text is None:
        return Month.last_closed((context.find_object(Clock) or Clock()).now())
    try:
        return Month.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; give year and month, or leave it out for the last closed month") from error


def _remember(context: click.Context, parameter: click.Parameter, given: object) -> None:
    """Keep an option for `_institutions`, which follows because the others are eager."""
    context.meta[f"{__name__}.{parameter.name}"] = given


def _institutions(context: click.Context, parameter: click.Parameter, count: int | None) -> int:
    """The number given, or the one the scale means; both would contradict each other."""
    city, scale = CITIES[context.meta[f"{__name__}.city"]], context.meta[f"{__name__}.scale"]
    if scale is None:
        return DEFAULT_INSTITUTIONS if count is None else count
    if count is not None:
        raise click.BadParameter("--scale says how many already; give one of the two", context, parameter)
    return city.scaled(scale)


def city_options(command: Command) -> Command:
    """The options that say which institutions: a part of a city, by scale or by number, and the seed."""
    sizes = click.IntRange(1, fleet.MOST_INSTITUTIONS)
    remembered: dict[str, Any] = {"callback": _remember, "expose_value": False, "is_eager": True}
    for decorate in (
        option("--institutions", type=sizes, callback=_institutions, help=f"how many institutions; default {DEFAULT_INSTITUTIONS}"),
        option("--scale", type=click.FloatRange(0, 5, min_open=True), help="part of the city; 1: its census", **remembered),
        option("--city", type=click.Choice(list(CITIES)), default="xianning", help="whose mix of institutions", **remembered),
        option("--seed", type=int, default=1, help="the same seed gives the same fleet and the same messages"),
    ):
        command = decorate(command)
    return command


def fleet_options(command: Command) -> Command:
    """The options that say which fleet: with the same ones every command means the same one."""
    month = option("--month", callback=_month, metavar="YYYY-MM", help="month to simulate; default: the last closed one")
    return city_options(month(command))


def password_in(path: Path | None) -> str | None:
    """The password in a file; an unreadable file ends the command with what to do."""
    try:
        return None if path is None else path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}; check --password-file") from error
