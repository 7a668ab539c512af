"""Every query the service runs, by name, from the files in `sql/`."""

import re
from importlib.resources import files
from typing import Final


def _load() -> dict[str, str]:
    folder = files("ingest.storage") / "sql"
    texts = (file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".sql"))
    parts = [part for text in texts for part in re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


QUERIES: Final = _load()
