"""`simulate registry`: the fleet's registry as CSV files."""

from pathlib import Path

import click

from simulators import fleet, registry
from simulators.commands.options import fleet_options
from simulators.month import Month
from simulators.words import say


@click.command(name="registry")
@click.argument("directory", type=click.Path(path_type=Path))
@fleet_options
def write_registry(directory: Path, institutions: int, seed: int, month: Month) -> None:
    """Write the fleet's registry as CSV files into DIRECTORY."""
    try:
        paths = registry.write(fleet.build(institutions, seed, month), directory)
    except OSError as error:
        raise click.ClickException(f"cannot write to {directory}: {error.strerror}; choose another directory") from error
    say(f"{len(paths)} files for {institutions} institutions in {directory}")
    say(f"next: meterwarden registry import {directory}")
