"""A client for what is not intake: quota states go out, the broker's own counts come in. aiomqtt, which nobody here wrote."""

from pathlib import Path

import aiomqtt

from ingest.settings import BrokerSettings
from ingest.tls import tls_context


def client(settings: BrokerSettings, purpose: str) -> aiomqtt.Client:
    """A client not connected yet, with our identifier and its purpose as name. Its sessions end with their connections.

    OSError where a file that the settings name cannot be used.
    """
    password = None
    if settings.password_file is not None:
        password = Path(settings.password_file).read_text(encoding="utf-8").strip()
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=f"{settings.client_identifier}-{purpose}",
        username=settings.username,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=tls_context(settings),
    )
