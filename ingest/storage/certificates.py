"""The certificates between us and the database, as far as they can be seen: our files, and what the servers show."""

from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from ingest.settings import DatabaseSettings
from ingest.storage import tls


def files(settings: DatabaseSettings) -> dict[str, Path]:
    """The files that the settings or the URL name, by purpose; none where the server is not held against an authority."""
    if not are_verified(settings):
        return {}
    parameters = _parameters(settings)
    named = {"database_ca": parameters.get("sslrootcert"), "database_client": parameters.get("sslcert")}
    return {purpose: Path(path) for purpose, path in named.items() if path and path != tls.SYSTEM}


def are_verified(settings: DatabaseSettings) -> bool:
    """Whether a server that cannot prove to be ours is refused; where not, nothing depends on its certificate."""
    return _parameters(settings).get("sslmode") in tls.VERIFYING


async def shown(settings: DatabaseSettings) -> list[bytes]:
    """The certificate of each server that answers (DER), expired or not; OSError where none does, or none that we would believe."""
    parameters = _parameters(settings)
    found, fault = [], OSError("no server is reached over the network")
    for server in tls.servers(parameters):
        try:
            certificate = await tls.shown(server, parameters, any_time=True)
        except OSError as error:
            fault = error
        else:
            found += [certificate] if certificate else []
    if not found:
        raise fault
    return found


def _parameters(settings: DatabaseSettings) -> dict[str, Any]:
    given = {"connect_timeout": settings.connect_timeout_seconds}
    return given | conninfo_to_dict(settings.url.get_secret_value()) | tls.wanted(settings)
