"""`meterwarden stack`: the servers, on this machine."""

import asyncio
import shlex
from pathlib import Path

import click

from ingest import stack
from ingest.alerts import rules
from ingest.commands.progress import say
from ingest.storage.bootstrap import prepare
from ingest.words import words


@click.group("stack")
def stack_group() -> None:
    """TimescaleDB, mosquitto, Prometheus and Alertmanager on this machine, without root or Docker."""


@stack_group.command("up")
def stack_up() -> None:
    """Start the servers and prepare a database on them."""
    try:
        state = stack.stack_up(say, rules=rules())
        asyncio.run(prepare(state.superuser_url, "meterwarden", _passwords(state)))
    except stack.StackError as error:
        raise click.ClickException(str(error)) from error
    click.echo(words('next: eval "$(meterwarden stack env)"', '下一步: eval "$(meterwarden stack env)"'))


@stack_group.command("down")
def stack_down() -> None:
    """Stop the servers that `stack up` started."""
    stack.stack_down(say)


@stack_group.command("env")
def stack_env() -> None:
    """Print the settings that point the service and the simulator at the servers."""
    state = stack.stack_state()
    if state is None:
        raise click.ClickException(
            words("no stack is up; start one with `meterwarden stack up`", "没有运行中的服务; 先执行 `meterwarden stack up`")
        )
    click.echo(stack.stack_env(state), nl=False)
    prepared = asyncio.run(prepare(state.superuser_url, "meterwarden", _passwords(state)))
    reader = {"METERWARDEN_READER_URL": prepared.uri_with_password("meterwarden_reader")}
    for name, value in {**prepared.environment, **reader}.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _passwords(state: stack.State) -> Path:
    return Path(state.directory) / "passwords"
