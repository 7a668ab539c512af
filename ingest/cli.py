"""The `meterwarden` command."""

import asyncio
import os
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import click
import psycopg
from psycopg import AsyncConnection

from ingest import demo as demonstration
from ingest import service, stack
from ingest.alerts import rules
from ingest.broker.session import TakenOver
from ingest.commands.drain import drain
from ingest.commands.findings import findings
from ingest.commands.given import settings_given as _settings
from ingest.errors import Unavailable
from ingest.logs import start_logging
from ingest.settings import Settings
from ingest.storage.bootstrap import prepare
from ingest.storage.connection import connected
from ingest.storage.migrate import MigrationFault, applied, migrate, pending
from ingest.storage.rebuild import forget_and_mark
from ingest.storage.registry_csv import RegistryFault, read_files
from ingest.storage.registry_import import Difference, apply_registry
from ingest.words import words

SHOWN_LINES = 20
"""Lines of a difference shown before they are only counted."""


SIMULATOR: Final = {"simulate": "simulators.cli", "replay": "simulators.commands.replay", "verify": "simulators.commands.verify"}
"""Commands of the simulator, and the module each is in: loaded when asked for, because the service runs without its libraries."""


class Commands(click.Group):
    """The service's commands, and the simulator's, which are loaded on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, whether its libraries are there or not."""
        return sorted([*super().list_commands(ctx), *SIMULATOR])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or one that says what to install."""
        if cmd_name not in SIMULATOR:
            return super().get_command(ctx, cmd_name)
        try:
            command: click.Command = getattr(import_module(SIMULATOR[cmd_name]), cmd_name)
        except ModuleNotFoundError as error:
            return _not_installed(cmd_name, error.name or "")
        return command


def _not_installed(name: str, library: str) -> click.Command:
    def refuse() -> None:
        raise click.ClickException(f"{library} is not installed: pip install 'meterwarden[simulator]'")

    return click.Command(name, callback=refuse, help="(not installed: pip install 'meterwarden[simulator]')")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="meterwarden")
def main() -> None:
    """Meter readings from MQTT into TimescaleDB, none lost, none doubled; consumption; institutions over quota."""


main.add_command(findings)


@main.command()
@click.option("--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), show_default=True)
def run(log_level: str) -> None:
    """Run the service: intake and settlement, until SIGTERM."""
    settings = _settings()
    start_logging(log_level)
    try:
        drained = asyncio.run(service.run(settings))
    except* TakenOver as errors:
        raise click.ClickException(str(errors.exceptions[0])) from errors
    except* OSError as errors:
        address = f"{settings.http.host}:{settings.http.port}"
        text = f"{errors.exceptions[0]}; is {address} taken? Set METERWARDEN_HTTP__PORT (0: any free port)"
        raise click.ClickException(text) from errors
    sys.exit(0 if drained else 1)


@main.command("drain")
@click.option("--last", is_flag=True, help="although no other worker would receive what is published from then on")
def drain_command(last: bool) -> None:
    """Leave a group of workers for good (scale-in): unsubscribe, store what still arrives, end the session at the broker.

    Run it with the settings of the worker that leaves, after that worker has been stopped.
    """
    drain(_settings(), last=last)


@main.command("migrate")
@click.option("--url", envvar="METERWARDEN_OWNER_URL", required=True, show_envvar=True, help="the database, as meterwarden_owner")
@click.option("--check", is_flag=True, help="change nothing; exit status 1 where a migration is missing")
def migrate_command(url: str, check: bool) -> None:
    """Bring the database's structure up to this version."""
    try:
        names = asyncio.run(_migrate(url, check=check))
    except MigrationFault as error:
        raise click.ClickException(str(error)) from error
    except psycopg.Error as error:
        raise click.ClickException(f"{error}\nCheck --url, and that `meterwarden bootstrap` has run.") from error
    for name in names:
        click.echo(f"{words('missing', '缺少') if check else words('applied', '已执行')} {name}")
    if not names:
        click.echo(words("up to date", "已是最新"))
    sys.exit(1 if check and names else 0)


async def _migrate(url: str, *, check: bool) -> list[str]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        if check:
            return [migration.name for migration in pending(await applied(connection))]
        return await migrate(connection)


@main.command()
@click.option(
    "--superuser-url", envvar="METERWARDEN_SUPERUSER_URL", required=True, show_envvar=True, help="the server, as superuser"
)
@click.option("--database", default="meterwarden", show_default=True)
@click.option(
    "--passwords", type=click.Path(path_type=Path), default=Path("passwords"), show_default=True, help="directory to keep them in"
)
def bootstrap(superuser_url: str, database: str, passwords: Path) -> None:
    """Create database, extension and the three roles with generated passwords, migrate, and print the settings to use."""
    try:
        prepared = asyncio.run(prepare(superuser_url, database, passwords.absolute()))
    except psycopg.Error as error:
        raise click.ClickException(f"{error}\nCheck --superuser-url, and that the server has TimescaleDB 2.19 or newer.") from error
    for name, value in prepared.environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@main.group()
def registry() -> None:
    """What is installed where: institutions, meters, quotas."""


@registry.command("import")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="show the difference, write nothing")
def import_registry(directory: Path, dry_run: bool) -> None:
    """Import the CSV files in DIRECTORY (docs/registry.md): validated whole, shown as a difference, applied at once."""
    settings = _settings()
    try:
        difference = asyncio.run(_import(settings, directory, dry_run=dry_run))
    except RegistryFault as fault:
        text = words("nothing was imported:", "未导入:")
        raise click.ClickException("\n".join([text, *fault.mistakes])) from fault
    except (Unavailable, psycopg.Error) as error:
        raise click.ClickException(f"{error}\nCheck METERWARDEN_DATABASE__URL, and that `meterwarden migrate` has run.") from error
    for sign, lines in (("+", difference.added), ("~", difference.changed), ("=", difference.kept)):
        _show(sign, lines)
    done = words("would change", "将变更") if dry_run else words("imported", "已导入")
    click.echo(f"{done}: +{len(difference.added)} ~{len(difference.changed)}; {words('kept', '保留')} {len(difference.kept)}")


def _show(sign: str, lines: list[str]) -> None:
    for line in lines[:SHOWN_LINES]:
        click.echo(f"{sign} {line}")
    if len(lines) > SHOWN_LINES:
        click.echo(f"{sign} … {len(lines) - SHOWN_LINES} {words('more', '更多')}")


async def _import(settings: Settings, directory: Path, *, dry_run: bool) -> Difference:
    files = read_files(directory)
    async with connected(settings.database) as connection:
        return await apply_registry(connection, files, dry_run=dry_run)


@main.command()
def rebuild() -> None:
    """Forget what was derived and mark every reading, so that the running settler derives it again."""
    settings = _settings()
    try:
        marked = asyncio.run(forget_and_mark(settings.database))
    except (Unavailable, psycopg.Error) as error:
        raise click.ClickException(f"{error}\nCheck METERWARDEN_DATABASE__URL.") from error
    click.echo(words(f"{marked:,} channels marked; the settler derives them again", f"已标记 {marked:,} 个通道,将重新结算"))


@main.group("stack")
def stack_group() -> None:
    """TimescaleDB, mosquitto, Prometheus and Alertmanager on this machine, without root or Docker."""


@stack_group.command("up")
def stack_up() -> None:
    """Start the servers and prepare a database on them."""
    try:
        state = stack.stack_up(_progress, rules=rules())
        asyncio.run(prepare(state.superuser_url, "meterwarden", _passwords(state)))
    except stack.StackError as error:
        raise click.ClickException(str(error)) from error
    click.echo(words('next: eval "$(meterwarden stack env)"', '下一步: eval "$(meterwarden stack env)"'))


@stack_group.command("down")
def stack_down() -> None:
    """Stop the servers that `stack up` started."""
    stack.stack_down(_progress)


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


@main.command()
@click.option("--keep", is_flag=True, envvar="KEEP", help="leave everything running until Ctrl-C")
@click.option("--institutions", default=40, show_default=True, type=click.IntRange(1, 1000))
@click.option("--seed", default=7, show_default=True)
@click.option("--scenario", default="messy", show_default=True, help="what goes wrong: a scenario of the simulator, or a TOML file")
def demo(keep: bool, institutions: int, seed: int, scenario: str) -> None:
    """The main job on real servers: a month of readings in, the institutions over quota out."""
    try:
        agrees = asyncio.run(demonstration.demo(institutions, seed, scenario, keep=keep, say=_progress))
    except (stack.StackError, demonstration.DemoFailed) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if agrees else 1)


def _progress(line: str) -> None:
    click.echo(line, err=os.environ.get("METERWARDEN_QUIET") is not None)
