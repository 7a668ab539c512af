"""`meterwarden drain`: a worker leaves its group for good."""

import asyncio
import sys

import click

from ingest import service
from ingest.commands.given import settings_given
from ingest.errors import Unavailable
from ingest.garbage import look_seldom
from ingest.logs import start_logging
from ingest.storage.members import other_members
from ingest.words import words


@click.command()
@click.option("--last", is_flag=True, help="although no other worker would receive what is published from then on")
def drain(last: bool) -> None:
    """Leave a group of workers for good (scale-in): unsubscribe, store what still arrives, end the session at the broker.

    Run it with the settings of the worker that leaves, after that worker has been stopped.
    """
    settings = settings_given()
    start_logging("WARNING")
    look_seldom()
    try:
        others = asyncio.run(other_members(settings)) if settings.broker.share_group else []
    except Unavailable as error:
        raise click.ClickException(f"{error}\nCheck METERWARDEN_DATABASE__URL: what still arrives must be stored.") from error
    if not others and not last:
        raise click.ClickException(
            words(
                "no other worker is subscribed: after this, what meters publish is lost. Start another one of the same share group "
                "first, or say --last",
                "没有其他订阅者: 执行后表计上报的消息将会丢失。请先启动同一共享组的其他工作进程, 或加上 --last",
            )
        )
    shown = 0

    def say(received: int) -> None:
        nonlocal shown
        if received != shown:
            shown = received
            click.echo(words(f"{received:,} messages received", f"已接收 {received:,} 条消息"), err=True)

    try:
        left = asyncio.run(service.leave(settings, say=say))
    except* OSError as errors:
        address = f"{settings.http.host}:{settings.http.port}"
        raise click.ClickException(
            words(
                f"{errors.exceptions[0]}; stop the worker at {address} first (SIGTERM keeps its session), then drain",
                f"{errors.exceptions[0]}; 请先停止 {address} 上的工作进程(SIGTERM 会保留会话), 再执行 drain",
            )
        ) from errors
    if left:
        click.echo(words("left: the broker holds nothing for this client any more", "已退出: 消息代理不再为该客户端保留消息"))
    else:
        click.echo(words("stopped before the end: the session is kept, drain again", "未完成即停止: 会话已保留, 请再次执行 drain"))
    sys.exit(0 if left else 1)
