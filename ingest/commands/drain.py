"""`meterwarden drain`: a worker leaves its group for good."""

import asyncio
import json
import sys

import click

from ingest import service
from ingest.commands.given import settings_given
from ingest.commands.progress import json_option
from ingest.errors import Unavailable
from ingest.garbage import look_seldom
from ingest.logs import start_logging
from ingest.storage.members import other_members
from ingest.words import both, words


@click.command(
    short_help=both("Take a worker out of its group for good", "使一个工作进程永久退出其组"),
    help=both(
        "Leave a group of workers for good (scale-in): unsubscribe, store what still arrives, end the session at the "
        "broker. Run it with the "
        "settings of the worker that leaves, after that worker has been stopped. Exit status 1 where it stopped before the end.",
        "永久退出工作进程组(缩容): 取消订阅,存下仍会到达的消息,并在消息代理结束会话。请先停止该工作进程,"
        "再以它的设置执行本命令。未完成时退出码为 1。",
    ),
)
@click.option("--last", is_flag=True, help=both("although no other worker would receive what is published from then on",
                                                "即使此后没有其他工作进程接收消息"))  # fmt: skip
@json_option
def drain(last: bool, json_wanted: bool) -> None:
    """Leave a group of workers for good."""
    settings = settings_given()
    start_logging("WARNING")
    look_seldom()
    try:
        others = asyncio.run(other_members(settings)) if settings.broker.share_group else []
    except Unavailable as error:
        check = words("Check METERWARDEN_DATABASE__URL: what still arrives must be stored.",
                      "请检查 METERWARDEN_DATABASE__URL: 仍会到达的消息必须入库。")  # fmt: skip
        raise click.ClickException(f"{error}\n{check}") from error
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
    if json_wanted:
        click.echo(json.dumps({"left": left, "received": shown}))
    elif left:
        click.echo(words("left: the broker holds nothing for this client any more", "已退出: 消息代理不再为该客户端保留消息"))
    else:
        click.echo(words("stopped before the end: the session is kept, drain again", "未完成即停止: 会话已保留, 请再次执行 drain"))
    sys.exit(0 if left else 1)
