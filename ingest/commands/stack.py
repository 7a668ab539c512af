"""`meterwarden stack`: the servers, on this machine."""

import asyncio
import json
import shlex
import shutil
import sys
from pathlib import Path

import click

from ingest import stack
from ingest.alerts import rules, without_waiting
from ingest.commands.progress import json_option, say
from ingest.storage.bootstrap import prepare
from ingest.words import both, words


@click.group("stack", short_help=both("The servers it needs, on this machine", "在本机运行所需的服务器"), help=both(
    "TimescaleDB, mosquitto, Prometheus and Alertmanager on this machine, without root or Docker.",
    "在本机运行 TimescaleDB、mosquitto、Prometheus 与 Alertmanager,无需 root 或 Docker。"))  # fmt: skip
def stack_group() -> None:
    """TimescaleDB, mosquitto, Prometheus and Alertmanager on this machine, without root or Docker."""


@stack_group.command("up", help=both("Start the servers and prepare a database on them.", "启动服务器并准备数据库。"))
def stack_up() -> None:
    """Start the servers and prepare a database on them."""
    try:
        state = stack.stack_up(say, rules=without_waiting(rules()))
        asyncio.run(prepare(state.superuser_url, "meterwarden", _passwords(state)))
    except stack.StackError as error:
        raise click.ClickException(str(error)) from error
    program = "meterwarden" if shutil.which("meterwarden") else Path(sys.executable).with_name("meterwarden")
    click.echo(words(f'next: eval "$({program} stack env)"', f'下一步: eval "$({program} stack env)"'))


@stack_group.command("down", help=both("Stop the servers that `stack up` started.", "停止由 `stack up` 启动的服务器。"))
def stack_down() -> None:
    """Stop the servers that `stack up` started."""
    stack.stack_down(say)


@stack_group.command("env", help=both(
    "Print the settings that point the service and the simulator at the servers, passwords among them, for a shell to evaluate.",
    "输出使服务与模拟器指向这些服务器的设置(含密码),供 shell 执行。"))  # fmt: skip
@json_option
def stack_env(json_wanted: bool) -> None:
    """Print the settings that point the service and the simulator at the servers."""
    state = stack.stack_state()
    if state is None:
        raise click.ClickException(
            words("no stack is up; start one with `meterwarden stack up`", "没有运行中的服务; 先执行 `meterwarden stack up`")
        )
    exports = stack.stack_env(state)
    prepared = asyncio.run(prepare(state.superuser_url, "meterwarden", _passwords(state)))
    reader = {"METERWARDEN_READER_URL": prepared.uri_with_password("meterwarden_reader")}
    exports += "".join(f"export {name}={shlex.quote(value)}\n" for name, value in {**prepared.environment, **reader}.items())
    if json_wanted:
        pairs = (word.partition("=") for word in shlex.split(exports, comments=True) if "=" in word)
        click.echo(json.dumps({name: value for name, _, value in pairs}))
    else:
        click.echo(exports + _path(), nl=False)


def _path() -> str:
    """A line that lets the shell find the servers' clients and this program, where the machine has none of its own."""
    servers = stack.programs(lambda line: click.echo(line, err=True))
    places = (servers.mosquitto_pub.parent, servers.postgres_bin, Path(sys.executable).parent)
    return f'export PATH="$PATH":{shlex.quote(":".join(map(str, places)))}\n'


def _passwords(state: stack.State) -> Path:
    return Path(state.directory) / "passwords"
