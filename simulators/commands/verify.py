"""`simulate verify`: the database against a ledger."""

import asyncio
import json
import sqlite3
import sys
from pathlib import Path

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict

from simulators.commands.options import option
from simulators.verify import verify as verify_ledger
from simulators.words import say


@click.command()
@option("--ledger", "ledger_path", type=click.Path(path_type=Path), required=True, help="the file `publish` wrote")
@option("--database-url", required=True, help="postgresql://…, as a user who may read the views")
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of the summary")
@click.option("--explain", is_flag=True, help="a line for every single difference first, on standard error")
def verify(ledger_path: Path, database_url: str, as_json: bool, explain: bool) -> None:
    """Compare the database with the ledger; exit code 1 where they disagree."""
    tell = _say if explain else None
    try:
        conninfo_to_dict(database_url)
    except psycopg.ProgrammingError as error:  # whose words would repeat it, password included
        raise click.ClickException("not a connection string; write it as postgresql://USER@HOST:PORT/DATABASE") from error
    try:
        report = asyncio.run(verify_ledger(ledger_path, database_url, tell))
    except FileNotFoundError as error:
        raise click.ClickException(f"no ledger at {ledger_path}; `simulate publish` writes one") from error
    except sqlite3.DatabaseError as error:
        raise click.ClickException(f"{ledger_path} is not a ledger ({error}); give the file `publish` wrote") from error
    except psycopg.Error as error:
        text = f"cannot read the database: {error}\nCheck --database-url, and that `meterwarden migrate` has run."
        raise click.ClickException(text) from error
    if as_json:
        click.echo(json.dumps(report.figures))
    else:
        say(report.summary())
    if not report.agrees:
        sys.exit(1)


def _say(line: str) -> None:
    click.echo(line, err=True)
