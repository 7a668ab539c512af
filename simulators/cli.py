"""`meterwarden simulate`: a simulated fleet, and the ledger that tells what the database must then hold."""

import click

from simulators.commands.exchanges import exchanges
from simulators.commands.load import load
from simulators.commands.options import Clock
from simulators.commands.plot import plot
from simulators.commands.publish import publish
from simulators.commands.registry import write_registry
from simulators.commands.replay import replay
from simulators.commands.truth import truth
from simulators.commands.verify import verify

__all__ = ["Clock", "simulate"]


@click.group()
def simulate() -> None:
    """A simulated fleet of institutions, and the ledger that tells what the database must then hold."""


for command in (write_registry, publish, exchanges, truth, verify, load, replay, plot):
    simulate.add_command(command)
