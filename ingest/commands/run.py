"""`meterwarden run`: the service."""

import asyncio
import sys

import click

from ingest import service
from ingest.broker.session import TakenOver
from ingest.commands.given import settings_given
from ingest.garbage import look_seldom
from ingest.logs import start_logging
from ingest.words import both, words


@click.command(
    short_help=both("Run the service until SIGTERM", "运行服务,直到 SIGTERM"),
    help=both(
        "Run the service: intake and settlement, until SIGTERM. Logs are JSON lines on standard error; /metrics, "
        "/livez and /readyz answer on "
        "METERWARDEN_HTTP__PORT. Exit status 1 where it could not start, or stopped before all it held was written.",
        "运行服务: 接收与结算,直到 SIGTERM。日志为标准错误上的 JSON 行;/metrics、/livez、/readyz 位于 METERWARDEN_HTTP__PORT。"
        "无法启动,或停止时仍有未写入的内容,退出码为 1。",
    ),
)
@click.option("--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), show_default=True,
              help=both("log events from this level on", "记录此级别及以上的日志"))  # fmt: skip
def run(log_level: str) -> None:
    """Run the service: intake and settlement, until SIGTERM."""
    settings = settings_given()
    start_logging(log_level)
    look_seldom()
    try:
        drained = asyncio.run(service.run(settings))
    except* TakenOver as errors:
        raise click.ClickException(str(errors.exceptions[0])) from errors
    except* OSError as errors:
        address = f"{settings.http.host}:{settings.http.port}"
        first = errors.exceptions[0]
        text = words(f"{first}; is {address} taken, or none of this machine's? Set METERWARDEN_HTTP__PORT (0: any free port) or "
                     "METERWARDEN_HTTP__HOST",
                     f"{first};{address} 是否已被占用,或不是本机地址? 请设置 METERWARDEN_HTTP__PORT(0: 任意空闲端口)"
                     "或 METERWARDEN_HTTP__HOST")  # fmt: skip
        raise click.ClickException(text) from errors
    sys.exit(0 if drained else 1)
