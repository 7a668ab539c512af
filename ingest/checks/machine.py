"""This machine: its clock, and the port for Prometheus."""

import http.client
import socket
from datetime import UTC, datetime
from typing import Final

from ingest.checks.result import Result, Text, failed, good
from ingest.settings import HttpSettings

NOT_BEFORE: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""This version was written later."""
NOT_AFTER: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""The calendar of the database ends here."""
OWN: Final = "meterwarden_"
"""Begins the name of every metric of ours."""


def check_clock(now: datetime) -> Result:
    """Whether this machine's clock can be right."""
    if NOT_BEFORE <= now < NOT_AFTER:
        return good("machine.clock", f"{now:%Y-%m-%d %H:%M:%S} UTC", f"{now:%Y-%m-%d %H:%M:%S} UTC")
    found = Text(f"this machine says it is {now:%Y-%m-%d %H:%M:%S} UTC", f"本机时间为 {now:%Y-%m-%d %H:%M:%S} UTC")
    return failed("machine.clock", found, Text("set the clock, and keep it by NTP (chrony)", "请校准时钟,并用 NTP(chrony)保持同步"))


def check_port(http_settings: HttpSettings) -> Result:
    """Whether /metrics can be served; a Meterwarden that serves it already is no fault."""
    address = f"{http_settings.host}:{http_settings.port}"
    try:
        places = socket.getaddrinfo(http_settings.host, http_settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, place in places:
            with socket.socket(family, kind, protocol) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(place)
                listener.listen()
    except OSError as error:
        if _is_ours(http_settings):
            return good("http.port", f"{address}: this service runs and answers there", f"{address}: 服务正在运行并应答")
        remedy = Text(
            "set METERWARDEN_HTTP__HOST and METERWARDEN_HTTP__PORT to a free port of this machine, or end what listens there",
            "请将 METERWARDEN_HTTP__HOST 与 METERWARDEN_HTTP__PORT 设为本机的空闲端口,或停止占用它的程序",
        )
        return failed("http.port", Text(f"{address}: {error.strerror}", f"{address} 不可用({error.strerror})"), remedy)
    return good("http.port", f"{address} is free for /metrics", f"{address} 空闲,可提供 /metrics")


def _is_ours(settings: HttpSettings) -> bool:
    """Whether who answers there is a Meterwarden."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=3)
    try:
        connection.request("GET", "/metrics")
        return OWN in connection.getresponse().read(1_000_000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
