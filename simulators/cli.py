"""`meterwarden simulate`: write a registry, publish a month, compare the database with what was published."""

import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import psycopg

from simulators import faults, fleet, ledger, publisher, registry, stream
from simulators.faults import Rates
from simulators.fleet import Fleet
from simulators.month import Month
from simulators.progress import Progress
from simulators.publisher import Pace, Published
from simulators.session import Broker, PublishError
from simulators.verify import verify as verify_ledger

ENVIRONMENT: Final = "METERWARDEN_SIMULATOR_"
Command = Callable[..., Any]
RATE: Final = click.FloatRange(0, 1)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the commands take the time from; the calling program or a test may give another as click's `obj`."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def _option(name: str, *names: str, **attributes: Any) -> Callable[[Command], Command]:
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


def _fleet_options(command: Command) -> Command:
    """The options that say which fleet: with the same three every command means the same one."""
    sizes = click.IntRange(1, fleet.MOST_INSTITUTIONS)
    for option in (
        _option("--month", callback=_month, metavar="YYYY-MM", help="month to simulate; default: the last closed one"),
        _option("--seed", type=int, default=1, help="the same seed gives the same fleet and the same messages"),
        _option("--institutions", type=sizes, default=40, help="how many institutions"),
    ):
        command = option(command)
    return command


@click.group()
def simulate() -> None:
    """A simulated fleet of institutions, and the ledger that tells what the database must then hold."""


@simulate.command(name="registry")
@click.argument("directory", type=click.Path(path_type=Path))
@_fleet_options
def write_registry(directory: Path, institutions: int, seed: int, month: Month) -> None:
    """Write the fleet's registry as CSV files into DIRECTORY."""
    try:
        paths = registry.write(fleet.build(institutions, seed, month), directory)
    except OSError as error:
        raise click.ClickException(f"cannot write to {directory}: {error.strerror}; choose another directory") from error
    click.echo(f"{len(paths)} files for {institutions} institutions in {directory}")
    click.echo(f"next: meterwarden registry import {directory}")


@simulate.command()
@_fleet_options
@_option("--ledger", "ledger_path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="new SQLite file")
@_option("--host", default="127.0.0.1", help="the broker")
@_option("--port", type=click.IntRange(1, 65535), default=1883, help="its port")
@_option("--username", help="user at the broker")
@_option("--password-file", type=click.Path(path_type=Path), help="file that holds the password")
@_option("--duplicates", type=RATE, default=0.01, help="share of messages published twice")
@_option("--late", type=RATE, default=0.02, help="share of messages held back 1 to 48 hours")
@_option("--malformed", type=RATE, default=0.002, help="malformed messages on top, for each good one")
@_option("--speed", type=click.FloatRange(0), default=0.0, help="simulated over real time; 0: as fast as possible")
@_option("--connections", type=click.IntRange(1, 64), default=4, help="connections to the broker")
def publish(institutions: int, seed: int, month: Month, ledger_path: Path, **options: Any) -> None:
    """Publish a month of readings, with faults, and note in the ledger what the database must hold afterwards."""
    broker = Broker(options["host"], options["port"], options["username"], _password(options["password_file"]))
    rates = Rates(options["duplicates"], options["late"], options["malformed"])
    pace = Pace(connections=options["connections"], speed=options["speed"])
    try:
        published = _publish(fleet.build(institutions, seed, month), rates, broker, pace, ledger_path)
    except FileExistsError as error:
        raise click.ClickException(f"{ledger_path} exists; delete it or name a new file with --ledger") from error
    except FileNotFoundError as error:
        raise click.ClickException(f"no directory {ledger_path.parent}; make it, or choose another --ledger") from error
    except (PublishError, OSError, sqlite3.Error) as error:
        text = f"{error}\nThe ledger {ledger_path} is incomplete: delete it, and publish again with the same seed."
        raise click.ClickException(text) from error
    click.echo(f"{published.messages:,} messages acknowledged in {published.seconds:.1f} s: {published.messages_per_second:,.0f}/s")


@simulate.command()
@_option("--ledger", "ledger_path", type=click.Path(path_type=Path), required=True, help="the file `publish` wrote")
@_option("--database-url", required=True, help="postgresql://…, as a user who may read the views")
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of the summary")
def verify(ledger_path: Path, database_url: str, as_json: bool) -> None:
    """Compare the database with the ledger; exit code 1 where they disagree."""
    try:
        report = asyncio.run(verify_ledger(ledger_path, database_url))
    except FileNotFoundError as error:
        raise click.ClickException(f"no ledger at {ledger_path}; `simulate publish` writes one") from error
    except sqlite3.DatabaseError as error:
        raise click.ClickException(f"{ledger_path} is not a ledger ({error}); give the file `publish` wrote") from error
    except psycopg.Error as error:
        text = f"cannot read the database: {error}\nCheck --database-url, and that `meterwarden migrate` has run."
        raise click.ClickException(text) from error
    click.echo(json.dumps(report.figures) if as_json else report.summary())
    if not report.agrees:
        sys.exit(1)


def _password(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}; check --password-file") from error


def _publish(of: Fleet, rates: Rates, broker: Broker, pace: Pace, ledger_path: Path) -> Published:
    with ledger.create(ledger_path) as book:
        book.describe({"seed": of.seed, "institutions": len(of.institutions), "month": of.month, "rates": rates})
        book.know(of)
        messages = book.recorded(faults.inject(stream.messages(of), rates, of.seed, of.codes))
        expected = round(stream.count(of) * (1 + rates.duplicates + rates.malformed))
        progress = Progress(expected, sys.stderr, time.monotonic)
        published = asyncio.run(publisher.publish(messages, broker, f"simulator-{os.getpid()}", pace, progress))
        progress.finish(published.messages)
        book.describe({"complete": "yes"})
        return published
