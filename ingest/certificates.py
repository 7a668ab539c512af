"""When certificates expire, in /metrics: of the files that the settings name, and of what broker and database show.

A file with several authorities counts by the last of them to expire, since one that holds is enough; one with a chain of ours by
the first, since all of it must hold. Of a server's chain its own certificate is seen, not those between it and the authority.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from ingest.metrics import Metrics
from ingest.settings import BrokerSettings, DatabaseSettings, Settings
from ingest.storage import certificates as of_database
from ingest.tls import shown

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 60.0
"""After a round that could not see all."""
BEGIN: Final = "-----BEGIN CERTIFICATE-----"
END: Final = "-----END CERTIFICATE-----"
VERSION_TAG: Final = 0xA0
CENTURY_FROM: Final = 50
"""Two digits from here on are a year of the last century (RFC 5280, 4.1.2.5.1)."""

Look = Callable[[], Awaitable[datetime]]
"""When a certificate expires. Raises OSError, TimeoutError or ValueError where it cannot be seen."""


async def watch_certificates(
    settings: Settings, metrics: Metrics, every_seconds: float = EVERY_SECONDS, again_seconds: float = AGAIN_SECONDS
) -> None:
    """Look at every certificate now and then, until cancelled. One that cannot be seen keeps what was last known of it."""
    unseen: set[str] = set()
    while True:
        before, unseen = unseen, set()
        for purpose, look in looks(settings).items():
            try:
                metrics.certificate_expiry.labels(purpose).set((await look()).timestamp())
            except (OSError, TimeoutError, ValueError) as error:
                unseen.add(purpose)
                if purpose not in before:
                    log.warning("certificate not seen", extra={"purpose": purpose, "reason": str(error) or type(error).__name__})
        await asyncio.sleep(again_seconds if unseen else every_seconds)


def looks(settings: Settings) -> dict[str, Look]:
    """How to see each certificate that the settings lead to, by purpose; none without TLS."""
    broker, database = settings.broker, settings.database
    files = {"broker_ca": broker.tls_ca_file, "broker_client": broker.tls_certificate_file, **of_database.files(database)}
    found: dict[str, Look] = {name: partial(_of_file, path, name) for name, path in files.items() if path is not None}
    if broker.tls_ca_file is not None:
        found["broker_server"] = partial(_of_broker, broker)
    if of_database.are_verified(database):
        found["database_server"] = partial(_of_database, database)
    return found


async def _of_file(path: Path, purpose: str) -> datetime:
    every = list(expiries(path.read_text(encoding="utf-8", errors="replace")))
    if not every:
        raise ValueError(f"no certificate in {path}")
    return max(every) if purpose.endswith("_ca") else min(every)


async def _of_broker(settings: BrokerSettings) -> datetime:
    certificate = await shown(settings)
    if certificate is None:
        raise ValueError("the broker shows no certificate")
    return expiry(certificate)


async def _of_database(settings: DatabaseSettings) -> datetime:
    return min(map(expiry, await of_database.shown(settings)))


def expiries(pem: str) -> Iterator[datetime]:
    """When each certificate in a text in PEM form expires. ValueError where one is none."""
    for part in pem.split(BEGIN)[1:]:
        body, end, _ = part.partition(END)
        if not end:
            raise ValueError("a certificate is cut off")
        yield expiry(ssl.PEM_cert_to_DER_cert(f"{BEGIN}{body}{END}\n"))


def expiry(certificate: bytes) -> datetime:
    """When a certificate in DER form expires: notAfter of its validity (RFC 5280, 4.1). ValueError where it is none."""
    try:
        _, signed = next(_fields(certificate))
        _, inner = next(_fields(signed))
        fields = [content for tag, content in _fields(inner) if tag != VERSION_TAG]
        _, (_, not_after) = _fields(fields[3])  # after the number, the algorithm and the issuer
        return _moment(not_after.decode("ascii"))
    except (IndexError, StopIteration) as error:
        raise ValueError("no certificate") from error


def _moment(text: str) -> datetime:
    """YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ."""
    if len(text) == len("YYMMDDHHMMSSZ"):
        text = ("19" if int(text[:2]) >= CENTURY_FROM else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _fields(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of the fields that stand one after the other. IndexError where the last is cut off."""
    place = 0
    while place < len(der):
        tag, size, place = der[place], der[place + 1], place + 2
        if size & 0x80:  # the length itself takes so many bytes
            wide = size & 0x7F
            size, place = int.from_bytes(der[place : place + wide]), place + wide
        if place + size > len(der):
            raise IndexError("cut off")
        yield tag, der[place : place + size]
        place += size
