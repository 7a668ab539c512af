"""TLS towards the database: what libpq is told, what to do where it fails, and a look at the certificates that the servers show.

libpq makes the connections; it does not say why it believes a certificate or not, and hands none out. So the servers are asked
once more by Python's OpenSSL, with the same files and the same demands, as far as the handshake and not a byte further.
"""

import asyncio
import ssl
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg.conninfo import conninfo_to_dict

from ingest.settings import DatabaseSettings
from ingest.tls import NO_CHECK_TIME

VERIFYING: Final = ("verify-ca", "verify-full")
SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
"""Asks a PostgreSQL server to go on in TLS; it answers S or N (Frontend/Backend Protocol, SSLRequest)."""
SYSTEM: Final = "system"
"""libpq's word for the authorities that the system trusts."""
UNTRUSTED: Final = "certificate verify failed"
WRONG_AUTHORITY: Final = (
    "METERWARDEN_DATABASE__TLS_CA_FILE is not the authority that signed the server's certificate: name the one that did"
)
NO_AUTHORITY: Final = "METERWARDEN_DATABASE__TLS_CA_FILE holds no certificate: name the authority's file"
OUR_CERTIFICATE: Final = "METERWARDEN_DATABASE__TLS_CERTIFICATE_FILE"
ADVICE: Final = {
    "unable to get local issuer": WRONG_AUTHORITY,
    "self-signed certificate": WRONG_AUTHORITY,
    "certificate has expired": "renew the server's certificate, or that of its authority",
    "does not match host name": (
        "the host in METERWARDEN_DATABASE__URL is none of the names in the server's certificate: use one of them, or have this one "
        "added to it"
    ),
    "could not get server's host name": "the server's certificate names no host: have one made with its name",
    "could not read root certificate": NO_AUTHORITY,
    "server does not support SSL": "switch TLS on at the server (ssl = on), or take METERWARDEN_DATABASE__TLS_CA_FILE away",
    "requires a valid client certificate": (
        f"the server asks for a certificate: set {OUR_CERTIFICATE} and METERWARDEN_DATABASE__TLS_KEY_FILE"
    ),
    "certificate authentication failed": f"{OUR_CERTIFICATE} is not this user's: its common name must be the user's name",
    "unknown ca": f"the server does not know the authority of {OUR_CERTIFICATE}: add that to the server's ssl_ca_file",
    "alert certificate expired": f"renew {OUR_CERTIFICATE}",
    "has group or world access": "make the file of METERWARDEN_DATABASE__TLS_KEY_FILE readable by its owner only (chmod 600)",
    "could not read certificate file": f"{OUR_CERTIFICATE} cannot be used: it must hold the certificate in PEM form",
    "could not load private key": "METERWARDEN_DATABASE__TLS_KEY_FILE is not the key of the certificate, or cannot be read",
    "private key file": "METERWARDEN_DATABASE__TLS_KEY_FILE cannot be used",
    "no encryption": "the server takes no connection in the clear: set METERWARDEN_DATABASE__TLS_CA_FILE",
}
"""What to do, by a part of what libpq, OpenSSL or the server says."""


class Server(NamedTuple):
    """One server of a connection string that is reached over TCP: where it is, and what its certificate must name."""

    address: str
    port: int
    name: str


def options(settings: DatabaseSettings) -> dict[str, str]:
    """`wanted`. OSError names the setting whose file cannot be read: libpq goes on without a certificate that is not there."""
    for name in ("tls_ca_file", "tls_certificate_file", "tls_key_file"):
        _require_readable(name, getattr(settings, name))
    return wanted(settings)


def wanted(settings: DatabaseSettings) -> dict[str, str]:
    """What libpq is told where the settings ask for TLS: the authority, the host's name, and no way around either."""
    if settings.tls_ca_file is None:
        return {}
    found = {"sslmode": "verify-full", "sslrootcert": str(settings.tls_ca_file), "gssencmode": "disable"}
    if settings.tls_certificate_file is not None:
        found["sslcert"] = str(settings.tls_certificate_file)
        found["sslkey"] = str(settings.tls_key_file or settings.tls_certificate_file)
    return found


def _require_readable(setting: str, path: Path | None) -> None:
    try:
        if path is not None:
            path.open("rb").close()
    except OSError as error:
        raise OSError(f"METERWARDEN_DATABASE__{setting.upper()} cannot be read ({error})") from error


def advised(said: str, whole: str = "") -> str:
    """An error in its own words, and for TLS what to do about it. `whole`: all its lines, one for each server tried."""
    return next((f"{said}; {advice}" for words, advice in ADVICE.items() if words in f"{said}\n{whole}"), said)


async def reason(conninfo: str) -> str | None:
    """Why a server of this connection string is not believed, in OpenSSL's words; None where it is, or cannot be asked."""
    parameters = conninfo_to_dict(conninfo)
    for server in servers(parameters):
        try:
            await shown(server, parameters)
        except ssl.SSLCertVerificationError as error:
            return f"{UNTRUSTED}: {error.verify_message}"
        except (OSError, TimeoutError, ValueError):
            continue
    return None


async def shown(server: Server, parameters: Mapping[str, Any], *, any_time: bool = False) -> bytes | None:
    """The certificate that a server shows (DER), held against authority and name; None where it speaks no TLS.

    `any_time`: also one that has expired. Raises ssl.SSLError where it is not the one we want, OSError where nobody answers.
    """
    async with asyncio.timeout(float(parameters.get("connect_timeout") or 10)):
        reader, writer = await asyncio.open_connection(server.address, server.port)
        try:
            writer.write(SSL_REQUEST)
            if await reader.read(1) != b"S":
                return None
            await writer.start_tls(_context(parameters, any_time=any_time), server_hostname=server.name)
            certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return bytes(certificate) if certificate else None
        finally:
            writer.transport.abort()


def servers(parameters: Mapping[str, Any]) -> Iterator[Server]:
    """The servers that libpq would try one after the other (libpq, 32.1.1.3), those on a socket of this machine left out."""
    names = str(parameters.get("host") or "").split(",")
    addresses = str(parameters.get("hostaddr") or "").split(",")
    ports = str(parameters.get("port") or 5432).split(",")
    for place in range(max(len(names), len(addresses))):
        name = names[place] if place < len(names) else ""
        address = (addresses[place] if place < len(addresses) else "") or name
        if address and not address.startswith(("/", "@")):
            yield Server(address, int(ports[place] if len(ports) > 1 else ports[0]), name or address)


def _context(parameters: Mapping[str, Any], *, any_time: bool) -> ssl.SSLContext:
    """The demands of the connection string; no certificate of ours is shown, since nothing is asked of the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = parameters.get("sslmode") == "verify-full"
    if (authority := parameters.get("sslrootcert")) and authority != SYSTEM:
        context.load_verify_locations(authority)
    else:
        context.load_default_certs()
    if any_time:
        context.verify_flags |= NO_CHECK_TIME
    return context
