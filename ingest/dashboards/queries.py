"""Every SQL query of the boards, by name, from the files in `sql/`; all read the public views of schema `meterwarden`."""

import re
from importlib.resources import files
from typing import Final

_FIRST: Final = "($__timeFrom()::timestamptz AT TIME ZONE place.timezone)::date"
_LAST: Final = "($__timeTo()::timestamptz AT TIME ZONE place.timezone)::date"


def sql(name: str) -> str:
    """A query as Grafana is given it, its short forms spelt out.

    `@first_day` and `@last_day` are the local days of the time range, where `place` is the row of meterwarden.institution.
    `@name` is a dashboard variable: any of its values, each quoted by Grafana; none at all is an empty list, not an error.
    """
    days = _QUERIES[name].replace("@first_day", _FIRST).replace("@last_day", _LAST)
    return re.sub(r"@(\w+)", r"ANY (ARRAY[${\1:sqlstring}]::text[])", days)


def _load() -> dict[str, str]:
    folder = files("ingest.dashboards") / "sql"
    texts = (file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".sql"))
    parts = [part for text in texts for part in re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


_QUERIES: Final = _load()
