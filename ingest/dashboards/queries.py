"""Every SQL query of the boards, by name, from the files in `sql/`; all read the public views of schema `meterwarden`."""

import re
from importlib.resources import files
from typing import Final

_FIRST: Final = "($__timeFrom()::timestamptz AT TIME ZONE place.timezone)::date"
_LAST: Final = "($__timeTo()::timestamptz AT TIME ZONE place.timezone)::date"
_ABOUT: Final = "($__timeFrom()::timestamptz - interval '1 day')::date AND ($__timeTo()::timestamptz + interval '1 day')::date"


def sql(name: str) -> str:
    """A query as Grafana is given it, its short forms spelt out.

    `@in_range(column)`: a local day of the time range, by the clock of `place`, the row of meterwarden.institution. It is said
    twice: about, which a view that adds up days can take inside, and exactly. `@first_day` and `@last_day` are the range's ends.
    `@name` is a dashboard variable: any of its values, each quoted by Grafana; none at all is an empty list, not an error. In a
    view that adds up, it must be asked of the view's own column: the planner does not take it there from `place`.
    """
    text = re.sub(r"@in_range\(([\w.]+)\)", rf"\1 BETWEEN {_ABOUT} AND \1 BETWEEN @first_day AND @last_day", _QUERIES[name])
    text = text.replace("@first_day", _FIRST).replace("@last_day", _LAST)
    return re.sub(r"@(\w+)", r"ANY (ARRAY[${\1:sqlstring}]::text[])", text)


def _load() -> dict[str, str]:
    folder = files("ingest.dashboards") / "sql"
    texts = (file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".sql"))
    parts = [part for text in texts for part in re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


_QUERIES: Final = _load()
