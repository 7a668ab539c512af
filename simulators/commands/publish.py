"""`simulate publish`: a month of readings to the broker, and the ledger of what must come of it."""

import asyncio
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import click

from simulators import faults, fleet, ledger, publisher, stream
from simulators.commands.options import RATE, fleet_options, option, password_in
from simulators.faults import Rates
from simulators.fleet import Fleet
from simulators.month import Month
from simulators.progress import Progress
from simulators.publisher import Pace, Published
from simulators.session import Broker, PublishError


@click.command()
@fleet_options
@option("--ledger", "ledger_path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="new SQLite file")
@option("--host", default="127.0.0.1", help="the broker")
@option("--port", type=click.IntRange(1, 65535), default=1883, help="its port")
@option("--username", help="user at the broker")
@option("--password-file", type=click.Path(path_type=Path), help="file that holds the password")
@option("--duplicates", type=RATE, default=0.01, help="share of messages published twice")
@option("--late", type=RATE, default=0.02, help="share of messages held back 1 to 48 hours")
@option("--malformed", type=RATE, default=0.002, help="malformed messages on top, for each good one")
@option("--speed", type=click.FloatRange(0), default=0.0, help="simulated over real time; 0: as fast as possible")
@option("--connections", type=click.IntRange(1, 64), default=4, help="connections to the broker")
def publish(institutions: int, seed: int, month: Month, ledger_path: Path, **options: Any) -> None:
    """Publish a month of readings, with faults, and note in the ledger what the database must hold afterwards."""
    broker = Broker(options["host"], options["port"], options["username"], password_in(options["password_file"]))
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
