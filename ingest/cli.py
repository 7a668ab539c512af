"""The `meterwarden` command: the operators' commands in `ingest/commands/`, and the simulator's, loaded on demand.

A new command is one line in COMMANDS, its name in GROUPS, an example in `ingest/commands/examples.py`, and its texts in both
languages (`ingest/words.py`).
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Final

import click

from ingest.commands.check import check
from ingest.commands.completion import completion
from ingest.commands.config import config
from ingest.commands.database import bootstrap, migrate_command
from ingest.commands.demo import demo
from ingest.commands.drain import drain
from ingest.commands.edit import edit
from ingest.commands.exchange import exchange
from ingest.commands.findings import findings
from ingest.commands.gateway import gateway_group
from ingest.commands.quarantine import quarantine
from ingest.commands.quota import quota
from ingest.commands.rebuild import rebuild
from ingest.commands.registry import registry
from ingest.commands.root import LANG, Root
from ingest.commands.run import run
from ingest.commands.stack import stack_group
from ingest.commands.storage import storage
from ingest.words import LANGUAGES, both, note, translated, words

SIMULATOR: Final = {"simulate": "simulators.cli", "replay": "simulators.commands.replay", "verify": "simulators.commands.verify"}
"""Commands of the simulator, and the module each is in: loaded when asked for, because the service runs without its libraries."""
COMMANDS: Final = (
    run, drain, migrate_command, bootstrap, registry, gateway_group, quota, quarantine, edit, exchange, findings, rebuild, storage,
    stack_group, demo, check, config, completion,
)  # fmt: skip
GROUPS: Final = {
    both("Run the service", "运行服务"): ("run", "check", "config", "drain"),
    both("Set up", "安装与初始化"): ("bootstrap", "migrate", "storage", "registry", "gateway", "completion"),
    both("Daily work with readings", "日常数据工作"): ("quota", "findings", "quarantine", "edit", "exchange", "rebuild"),
    both("Try out and measure", "试用与测试"): ("demo", "stack", "simulate", "replay", "verify"),
}
"""Who uses which command, in the order of the help."""


def _of_simulator(name: str) -> click.Command:
    """The command, or one that says what to install."""
    try:
        note(import_module("simulators.chinese").CHINESE)
        import_module("simulators.words").translate_by(translated)
        command: click.Command = getattr(import_module(SIMULATOR[name]), name)
    except ModuleNotFoundError as error:
        return _not_installed(name, error.name or "")
    return command


def _not_installed(name: str, library: str) -> click.Command:
    def refuse() -> None:
        install = "pip install 'meterwarden[simulator]'"
        raise click.ClickException(words(f"{library} is not installed: {install}", f"未安装 {library}: {install}"))

    text = both("(not installed: pip install 'meterwarden[simulator]')", "(未安装: pip install 'meterwarden[simulator]')")
    return click.Command(name, callback=refuse, help=text)


class Commands(Root):
    """The service's commands, and the simulator's."""

    groups = GROUPS
    late: dict[str, Callable[[], click.Command]] = {name: partial(_of_simulator, name) for name in SIMULATOR}  # noqa: RUF012 - never changed


@click.group("meterwarden", cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
             help=both(
    "Meter readings from MQTT into TimescaleDB, none lost, none doubled; consumption; institutions over quota.",
    "将 MQTT 表计读数写入 TimescaleDB,不丢不重;计算用量;标出超定额的公共机构。"))  # fmt: skip
@click.option(LANG, type=click.Choice(LANGUAGES), expose_value=False,
              help=both("language of help and messages", "帮助与消息的语言"))  # fmt: skip
@click.version_option(package_name="meterwarden", help=both("Show the version and exit.", "显示版本并退出。"))
def main() -> None:
    """Assemble the commands."""


for one in COMMANDS:
    main.add_command(one)
