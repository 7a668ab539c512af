"""Lines that say how far a command is: on stdout, or on stderr where METERWARDEN_QUIET keeps stdout for a program."""

import os

import click


def say(line: str) -> None:
    """Show one line."""
    click.echo(line, err=os.environ.get("METERWARDEN_QUIET") is not None)
