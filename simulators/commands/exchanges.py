"""`simulate exchanges`: what the fleet's operators declare of the exchanges in a ledger, as a registry file."""

import csv
import sqlite3
from pathlib import Path
from typing import Final

import click

from simulators import ledger
from simulators.month import local
from simulators.words import say

COLUMNS: Final = ["institution", "medium", "meter", "register", "exchanged_at", "old_final", "new_initial", "author", "reason"]
DECLARED: Final = """
    SELECT institution, medium, meter, register, first_s, old_final, new_initial, declared
    FROM register_fault JOIN device USING (device) WHERE declared IN ('on_time', 'late') ORDER BY device, first_s
"""


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--ledger", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="of simulate publish")
def exchanges(directory: Path, path: Path) -> None:
    """Write exchanges.csv into DIRECTORY, beside the registry: those exchanges of the ledger that somebody declares."""
    try:
        with ledger.read(path) as connection:
            rows = connection.execute(DECLARED).fetchall()
        with (directory / "exchanges.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(_line(*row) for row in rows)
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"{error}; check --ledger and the directory") from error
    say(f"{len(rows)} exchanges in {directory / 'exchanges.csv'}")
    say(f"next: meterwarden registry import {directory}")


def _line(*row: object) -> tuple[object, ...]:
    *key, at, old_final, new_initial, declared = row
    assert isinstance(at, int)
    return (*key, local(at).isoformat(), _decimal(old_final), _decimal(new_initial), "simulated", f"declared {declared}")


def _decimal(milli: object) -> str:
    assert isinstance(milli, int)
    return f"{milli // 1000}.{milli % 1000:03d}"
