"""TLS towards the broker: how it is recognised, and we by it; and what to do where that fails."""

import asyncio
import ssl
from typing import Final

from ingest.settings import BrokerSettings

NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name: believe also what has expired."""
WRONG_AUTHORITY: Final = (
    "METERWARDEN_BROKER__TLS_CA_FILE is not the authority that signed the broker's certificate: name the one that did"
)
WRONG_NAME: Final = (
    "METERWARDEN_BROKER__HOST is none of the names in the broker's certificate: use one of them, or have this one added to it"
)
ADVICE: Final = {
    "unable to get local issuer": WRONG_AUTHORITY,
    "self-signed certificate": WRONG_AUTHORITY,
    "Hostname mismatch": WRONG_NAME,
    "IP address mismatch": WRONG_NAME,
    "certificate has expired": "renew the broker's certificate, or that of its authority",
    "CERTIFICATE_REQUIRED": (
        "the broker asks for a certificate: set METERWARDEN_BROKER__TLS_CERTIFICATE_FILE and METERWARDEN_BROKER__TLS_KEY_FILE"
    ),
    "ALERT_UNKNOWN_CA": (
        "the broker does not know the authority of METERWARDEN_BROKER__TLS_CERTIFICATE_FILE: add that to the broker's cafile"
    ),
    "ALERT_CERTIFICATE_EXPIRED": "renew METERWARDEN_BROKER__TLS_CERTIFICATE_FILE",
    # what the broker says last may be lost on the way, since it closes before it has read all we sent
    "Connection reset by peer": (
        "the broker's log says why; if it asks for a certificate, METERWARDEN_BROKER__TLS_CERTIFICATE_FILE is missing or refused"
    ),
    "WRONG_VERSION_NUMBER": "nothing speaks TLS there: METERWARDEN_BROKER__PORT belongs to another listener",
}
"""What to do, by a part of what OpenSSL says (its words are the same for whoever reports them)."""


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """How the broker is recognised, and we by it; None: without TLS. OSError names the setting whose file cannot be used."""
    if settings.tls_ca_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file)
    except OSError as error:
        raise OSError(f"METERWARDEN_BROKER__TLS_CA_FILE cannot be used ({error}): {settings.tls_ca_file}") from error
    if settings.tls_certificate_file is not None:
        _show(context, settings)
    return context


async def shown(settings: BrokerSettings) -> bytes | None:
    """The certificate that the broker shows (DER), held against authority and name, expired or not; None: without TLS.

    A connection of its own, as far as the handshake. Raises ssl.SSLError where it is not the one we want, OSError where nobody
    answers.
    """
    context = tls_context(settings)
    if context is None:
        return None
    context.verify_flags |= NO_CHECK_TIME
    async with asyncio.timeout(settings.connect_timeout_seconds):
        _, writer = await asyncio.open_connection(settings.host, settings.port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return bytes(certificate)


def explained(error: BaseException) -> str:
    """What went wrong, and for TLS what to do about it."""
    said = str(error) or type(error).__name__
    return next((f"{said}; {advice}" for words, advice in ADVICE.items() if words in said), said)


def _show(context: ssl.SSLContext, settings: BrokerSettings) -> None:
    """Have the context show our certificate to a broker that asks for one."""
    assert settings.tls_certificate_file is not None
    try:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    except OSError as error:
        files = f"{settings.tls_certificate_file}, {settings.tls_key_file or 'its key inside'}"
        raise OSError(f"METERWARDEN_BROKER__TLS_CERTIFICATE_FILE and ..._KEY_FILE cannot be used ({error}): {files}") from error
