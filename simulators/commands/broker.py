"""The options that say which broker, handed to a command as one `broker`."""

import functools
from pathlib import Path
from typing import Any

import click

from simulators.commands.options import Command, option, password_in
from simulators.session import Broker


def broker_options(command: Command) -> Command:
    """The broker's address and our name there."""

    @functools.wraps(command)
    def with_broker(host: str, port: int, username: str | None, password_file: Path | None, **options: Any) -> Any:
        return command(broker=Broker(host, port, username, password_in(password_file)), **options)

    decorated: Command = with_broker
    for decorate in (
        option("--password-file", type=click.Path(path_type=Path), help="file that holds the password"),
        option("--username", help="user at the broker"),
        option("--port", type=click.IntRange(1, 65535), default=1883, help="its port"),
        option("--host", default="127.0.0.1", help="the broker"),
    ):
        decorated = decorate(decorated)
    return decorated
