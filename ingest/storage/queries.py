"""Every query the service runs, by name, from `sql/queries.sql`."""

import re
from importlib.resources import files
from typing import Final


def _load() -> dict[str, str]:
    text = (files("ingest.storage") / "sql" / "queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


QUERIES: Final = _load()
