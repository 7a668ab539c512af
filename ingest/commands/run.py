"""`meterwarden run`: the service."""

import asyncio
import sys

import click

from ingest import service
from ingest.broker.session import TakenOver
from ingest.commands.given import settings_given
from ingest.garbage import look_seldom
from ingest.logs import start_logging


@click.command()
@click.option("--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), show_default=True)
def run(log_level: str) -> None:
    """Run the service: intake and settlement, until SIGTERM."""
    settings = settings_given()
    start_logging(log_level)
    look_seldom()
    try:
        drained = asyncio.run(service.run(settings))
    except* TakenOver as errors:
        raise click.ClickException(str(errors.exceptions[0])) from errors
    except* OSError as errors:
        address = f"{settings.http.host}:{settings.http.port}"
        text = f"{errors.exceptions[0]}; is {address} taken? Set METERWARDEN_HTTP__PORT (0: any free port)"
        raise click.ClickException(text) from errors
    sys.exit(0 if drained else 1)
