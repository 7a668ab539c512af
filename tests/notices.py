"""The shipped Alertmanager configuration, delivering at once and to the test: chat, JSON and mail are kept as they arrive."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiohttp import web

from ingest.stack import Alertmanager, Programs, free_port, places
from tests.databases import ROOT

SHIPPED = ROOT / "deploy" / "alertmanager"
SECRETS = "/etc/alertmanager/secrets"


@dataclass(slots=True)
class Notices:
    """What has been delivered, in order."""

    http_port: int
    smtp_port: int = 0
    chat: list[dict[str, Any]] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    def mail(self, *words: str) -> str:
        """Subject and text of the first mail that has all these words in it; empty where none has come."""
        texts = (f"{mail['Subject']}\n{mail.get_content()}" for mail in self.mails)
        return next((text for text in texts if all(word in text for word in words)), "")

    def to_chat(self, *words: str) -> str:
        """Title and text of the first chat message that has all these words in it; empty where none has come."""
        texts = (f"{part['title']}\n{part['text']}" for message in self.chat for part in message["attachments"])
        return next((text for text in texts if all(word in text for word in words)), "")


@asynccontextmanager
async def notices() -> AsyncIterator[Notices]:
    """A chat, a web hook and a mail server on loopback, for the length of a block."""
    found = Notices(free_port())
    application = web.Application()
    kept = {"/chat": found.chat, "/hook": found.posted, "/heartbeat": found.heartbeats}
    application.add_routes([web.post(path, _kept(into)) for path, into in kept.items()])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", found.http_port).start()
        async with await asyncio.start_server(_mail_server(found.mails), "127.0.0.1", 0) as server:
            found.smtp_port = server.sockets[0].getsockname()[1]
            yield found
    finally:
        await runner.cleanup()


def _kept(into: list[dict[str, Any]]) -> Any:
    async def keep(request: web.Request) -> web.Response:
        into.append(await request.json())
        return web.Response(text="ok")

    return keep


def _mail_server(mails: list[EmailMessage]) -> Any:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much SMTP as a delivery needs (RFC 5321)."""
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            command = line[:4].upper()
            writer.write({b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(command, b"250 ok\r\n"))
            if command == b"DATA":
                content = await reader.readuntil(b"\r\n.\r\n")
                mail = message_from_bytes(content[:-3].replace(b"\r\n..", b"\r\n."), policy=default)
                body = mail.get_body(("plain",))
                assert isinstance(body, EmailMessage)
                body["Subject"] = mail["Subject"]
                mails.append(body)
                writer.write(b"250 kept\r\n")
            if command == b"QUIT":
                break
        writer.close()

    return serve


def configuration(directory: Path, to: Notices) -> str:
    """The shipped text with its secrets below `directory` and no waiting; routes, groups, inhibitions and repetitions stay."""
    text = (SHIPPED / "alertmanager.yml").read_text(encoding="utf-8").replace(SECRETS, str(directory / "secrets"))
    text = re.sub(r"group_wait: \w+", "group_wait: 1s", text)
    text = re.sub(r"group_interval: \w+", "group_interval: 1s", text)
    text = text.replace("repeat_interval: 50s", "repeat_interval: 800ms")
    text = text.replace("smtp.example.org:587", f"127.0.0.1:{to.smtp_port}")
    return text.replace("smtp_require_tls: true", "smtp_require_tls: false")


@contextmanager
def shipped_alertmanager(programs: Programs, directory: Path, to: Notices) -> Iterator[Alertmanager]:
    """Not started yet, with the shipped configuration and templates, delivering to `to`; it ends with the block."""
    places.provide(directory)
    server = Alertmanager.create(programs, directory, configuration=configuration(directory, to))
    secrets, templates = places.provide(directory / "secrets"), places.provide(directory / "templates")
    for name, text in (("chat_url", "chat"), ("webhook_url", "hook"), ("heartbeat_url", "heartbeat")):
        places.write(secrets / name, f"http://127.0.0.1:{to.http_port}/{text}", 0o600)
    places.write(secrets / "smtp_password", "not asked for", 0o600)
    for template in (SHIPPED / "templates").iterdir():
        places.write(templates / template.name, template.read_text(encoding="utf-8"))
    try:
        yield server
    finally:
        server.stop()
