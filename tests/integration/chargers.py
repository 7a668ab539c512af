"""Institutions with two chargers each."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from tests.databases import Database
from tests.registries import charger, import_files, institution, meter, write_files


async def register(
    database: Database, directory: Path, *codes: str, rated_kw: int | None = 120, digits: int = 6, gateways: Iterable[str] = ()
) -> None:
    """Institutions, each with the chargers C1 (public, DC) and C2 (own, AC) at one site; further gateways with a meter each."""
    meters = [meter(name, code, "charger", register_digits=digits) for code in codes for name in ("C1", "C2")]
    meters += [meter(f"E-{gateway}", code, gateway=gateway) for code in codes for gateway in gateways]
    chargers = [
        line
        for code in (codes if rated_kw else ())
        for line in (
            charger("C1", code, rated_kw=rated_kw),
            charger("C2", code, supply="ac", rated_kw=7, access="own", connectors=1),
        )
    ]
    files = write_files(directory / secrets.token_hex(4), [institution(code) for code in codes], meters, chargers=chargers)
    await import_files(database, files)
