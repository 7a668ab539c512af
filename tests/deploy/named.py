"""Every environment variable that the project reads."""

from collections.abc import Iterator

import click
from pydantic import BaseModel

from ingest.cli import main
from ingest.settings import Settings


def variables() -> set[str]:
    """Settings of the service, and those of every command's options."""
    return set(settings(Settings, "METERWARDEN_")) | set(options(main, click.Context(main)))


def settings(part: type[BaseModel], prefix: str) -> Iterator[str]:
    """The settings of a group and of those in it."""
    for name, field in part.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}"


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The variables of a command's options and of the commands below it."""
    for parameter in command.params:
        yield from [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or []
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from options(below, click.Context(below, parent=context))
