"""`simulate truth`: a year of true hourly consumption of the city, in one file."""

import sqlite3
import sys
import time
from pathlib import Path

import click

from simulators import fleet
from simulators.city import store
from simulators.city import year as years
from simulators.commands.options import RATE, city_options, option
from simulators.words import say, translated

LAST_YEAR_HELP = "year to simulate; public holidays are known for 2025 and 2026"


@click.command()
@city_options
@option("--year", type=click.IntRange(2000, 2100), default=2025, help=LAST_YEAR_HELP)
@option("--leaks", type=RATE, default=0.0, help="share of institutions whose water begins to leak on some day")
@option("--workers", type=click.IntRange(1, 64), default=2, help="processes that compute")
@option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="new SQLite file")
def truth(institutions: int, seed: int, year: int, leaks: float, workers: int, out: Path) -> None:
    """Write what truly passed at every meter in every hour of a year, with the totals of institutions and months."""
    started = time.monotonic()
    try:
        count = _write(institutions, seed, year, leaks, workers, out)
    except FileExistsError as error:
        raise click.ClickException(f"{out} exists; delete it or name a new file with --out") from error
    except FileNotFoundError as error:
        raise click.ClickException(f"no directory {out.parent}; make it, or choose another --out") from error
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"cannot write {out}: {error}; delete it, and choose a place with more room") from error
    say(f"{count:,} meter-months in {time.monotonic() - started:.1f} s, {out.stat().st_size / 1e6:,.0f} MB in {out}")


def _write(institutions: int, seed: int, year: int, leaks: float, workers: int, out: Path) -> int:
    with store.create(out) as file:
        plans = fleet.planned(institutions, seed, year, leaks=leaks)
        file.describe({"seed": seed, "institutions": institutions, "year": year, "leaks": leaks})
        with click.progressbar(years.rows(plans, workers), institutions, translated("institutions"), file=sys.stderr) as bar:
            count = sum(file.add(rows) for rows in bar)
        file.describe({"complete": "yes"})
    return count
