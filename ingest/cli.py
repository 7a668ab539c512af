"""The `meterwarden` command: the operators' commands in `ingest/commands/`, and the simulator's, loaded on demand."""

from importlib import import_module
from typing import Final

import click

from ingest.commands.database import bootstrap, migrate_command
from ingest.commands.demo import demo
from ingest.commands.drain import drain
from ingest.commands.edit import edit
from ingest.commands.exchange import exchange
from ingest.commands.findings import findings
from ingest.commands.gateway import gateway_group
from ingest.commands.quarantine import quarantine
from ingest.commands.rebuild import rebuild
from ingest.commands.registry import registry
from ingest.commands.run import run
from ingest.commands.stack import stack_group

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


COMMANDS: Final = (
    run, drain, migrate_command, bootstrap, registry, gateway_group, quarantine, edit, exchange, findings, rebuild, stack_group,
    demo,
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)
