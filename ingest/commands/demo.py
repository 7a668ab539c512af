"""`meterwarden demo`: the main job on real servers."""

import asyncio
import sys

import click

from ingest import demo as demonstration
from ingest import stack
from ingest.commands.progress import say
from ingest.words import both


@click.command(short_help=both("The main job on real servers, in half a minute", "在真实服务器上演示主要流程"), help=both(
    "The main job on real servers: a month of readings in, the institutions over quota out. Exit status 1 where "
    "database and ledger disagree.",
    "在真实服务器上完成主要流程: 输入一个月的读数,得出超定额机构。数据库与账本不一致时退出码为 1。"))  # fmt: skip
@click.option("--keep", is_flag=True, envvar="KEEP", help=both("leave everything running until Ctrl-C", "保持运行直到 Ctrl-C"))
@click.option("--institutions", default=40, show_default=True, type=click.IntRange(1, 1000),
              help=both("how many simulated institutions", "模拟机构数"))  # fmt: skip
@click.option("--seed", default=7, show_default=True,
              help=both("the same seed gives the same fleet and the same messages", "种子相同则机构与消息相同"))  # fmt: skip
@click.option("--scenario", default="messy", show_default=True,
              help=both("what goes wrong: a scenario of the simulator, or a TOML file", "故障情景: 名称或文件"))  # fmt: skip
def demo(keep: bool, institutions: int, seed: int, scenario: str) -> None:
    """The main job on real servers: a month of readings in, the institutions over quota out."""
    try:
        agrees = asyncio.run(demonstration.demo(institutions, seed, scenario, keep=keep, say=say))
    except (stack.StackError, demonstration.DemoFailed) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if agrees else 1)
