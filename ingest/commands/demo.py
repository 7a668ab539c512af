"""`meterwarden demo`: the main job on real servers."""

import asyncio
import sys

import click

from ingest import demo as demonstration
from ingest import stack
from ingest.commands.progress import say


@click.command()
@click.option("--keep", is_flag=True, envvar="KEEP", help="leave everything running until Ctrl-C")
@click.option("--institutions", default=40, show_default=True, type=click.IntRange(1, 1000))
@click.option("--seed", default=7, show_default=True)
@click.option("--scenario", default="messy", show_default=True, help="what goes wrong: a scenario of the simulator, or a TOML file")
def demo(keep: bool, institutions: int, seed: int, scenario: str) -> None:
    """The main job on real servers: a month of readings in, the institutions over quota out."""
    try:
        agrees = asyncio.run(demonstration.demo(institutions, seed, scenario, keep=keep, say=say))
    except (stack.StackError, demonstration.DemoFailed) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if agrees else 1)
