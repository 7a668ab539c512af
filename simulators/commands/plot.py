"""`simulate plot`: pictures of a fleet, for a person to judge whether it is believable."""

from pathlib import Path

import click

from simulators import fleet
from simulators.commands.options import RATE, fleet_options, option
from simulators.month import Month

NO_MATPLOTLIB = "pictures need matplotlib: pip install 'meterwarden[simulator]'"


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@fleet_options
@option("--leaks", type=RATE, default=0.2, help="share of institutions whose water begins to leak on some day of the year")
def plot(directory: Path, institutions: int, seed: int, month: Month, leaks: float) -> None:
    """Draw a fleet into DIRECTORY, as SVG and PNG: a week of each class, a day of charging, a leak, a year's weather."""
    try:
        paths = _plot(directory, institutions, seed, month, leaks)
    except OSError as error:
        raise click.ClickException(f"cannot write to {directory}: {error.strerror}; choose another directory") from error
    for path in paths:
        click.echo(path)


def _plot(directory: Path, institutions: int, seed: int, month: Month, leaks: float) -> list[Path]:
    try:
        from simulators import labels, pictures
        from simulators import plot as chosen
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{NO_MATPLOTLIB} ({error.name} is missing)") from error
    directory.mkdir(parents=True, exist_ok=True)
    plans, words = fleet.planned(institutions, seed, month.year, leaks=leaks), labels.words()
    weeks = chosen.weeks(plans, month)
    figures = {
        "week-electricity": pictures.electricity(weeks, words),
        "week-water": pictures.water(weeks, words),
        "year-weather": pictures.year(chosen.year(plans), words),
    }
    if day := chosen.charger_day(plans, month):
        figures["day-charging"] = pictures.charger_day(day, words)
    if leaking := chosen.leak(plans):
        figures["leak"] = pictures.leak(leaking, words)
    return [path for name, figure in figures.items() for path in pictures.write(figure, directory, name)]
