"""`meterwarden config show`: every setting, its value, and where that comes from."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from ingest.commands.columns import table
from ingest.commands.configured import Configured, configured, unknown
from ingest.commands.given import mistakes_in, settings_or_none
from ingest.commands.progress import json_option
from ingest.words import both, translated, words


@click.group(help=both("Settings as they stand.", "当前设置。"))
def config() -> None:
    """Settings as they stand."""


@config.command(
    help=both(
        "Every setting, its value and where that comes from: default, environment or file. Secrets are hidden. "
        "Variables that begin with "
        "METERWARDEN_ and are no setting are told. Exit status 1 where a setting is wrong.",
        "列出全部设置、取值及来源(默认、环境变量、文件)。密码等已隐藏。并指出以 METERWARDEN_ 开头但不是设置的变量。"
        "设置有误时退出码为 1。",
    )
)
@click.option("--changed", is_flag=True, help=both("only those that are not at their default", "只列出非默认的设置"))
@json_option  # fmt: skip
def show(changed: bool, json_wanted: bool) -> None:
    """Show every setting."""
    mistakes, strange = mistakes_in(), unknown()
    found = [one for one in configured(settings_or_none()) if not changed or one.origin != "default"]
    if json_wanted:
        facts = {"settings": [asdict(one) for one in found], "unknown": strange, "mistakes": mistakes}
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
    else:
        _tell(found, strange, mistakes)
    sys.exit(1 if mistakes else 0)


def _tell(found: Sequence[Configured], strange: dict[str, str], mistakes: Sequence[str]) -> None:
    origins = {"default": words("default", "默认"), "environment": words("environment", "环境变量"), "file": words("file", "文件")}
    heading = [words("VARIABLE", "变量"), words("ORIGIN", "来源"), words("VALUE", "取值")]
    rows = [[one.variable, origins[one.origin], _text(one.value)] for one in found]
    for line in table(heading, rows):
        click.echo(line)
    for name, nearest in strange.items():
        meant = words(f"; did you mean {nearest}?", f",是否指 {nearest}?") if nearest else ""
        click.echo(words(f"{name} is no setting{meant}", f"没有设置 {name}{meant}"), err=True)
    for line in mistakes:
        click.echo(f"{words('wrong', '有误')}: {translated(line)}", err=True)


def _text(value: Any) -> str:
    if value is None:
        return words("(not set)", "(未设置)")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | bool) else str(value)
