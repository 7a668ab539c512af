"""What Grafana does to a query before it sends it, as its documentation says: macros of the PostgreSQL data source, variables."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.databases import ROOT

FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
Chosen = Mapping[str, Sequence[str]]
"""Values chosen for each variable."""


@dataclass(frozen=True, slots=True)
class Query:
    """A panel's query as committed, with the panel it is on."""

    board: str
    panel: Mapping[str, Any]
    target: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.board}: {self.panel['title'].split(' / ')[-1]} {self.target['refId']}"


def boards() -> dict[str, dict[str, Any]]:
    """Every committed dashboard, by its file's name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Its panels without the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(kind: str) -> list[Query]:
    """Every query of a kind of data source."""
    return [query for query in _queries() if query.target["datasource"]["type"] == kind]


def _queries() -> Iterator[Query]:
    for name, board in boards().items():
        for panel in panels(board):
            yield from (Query(name, panel, target) for target in panel["targets"])


def sql(text: str, since: datetime, until: datetime, chosen: Chosen) -> str:
    """The statement that reaches PostgreSQL. KeyError where it names a variable that nothing was chosen for."""
    begins, ends = (f"'{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'" for at in (since, until))
    text = re.sub(r"\$\{(\w+):sqlstring\}", lambda found: ",".join(map(quoted, chosen[found[1]])), text)
    macros = {
        "timeFilter": lambda column: f"{column} BETWEEN {begins} AND {ends}",
        "timeFrom": lambda _: begins,
        "timeTo": lambda _: ends,
    }
    text = re.sub(r"\$__(\w+)\(([^)]*)\)", lambda found: macros[found[1]](found[2].strip()), text)
    assert "$" not in text, f"not expanded: {text}"
    return text


def quoted(value: str) -> str:
    """A value in the format `sqlstring`."""
    return "'" + value.replace("'", "''") + "'"


def promql(text: str, chosen: Chosen) -> str:
    """The expression that reaches Prometheus: several values become one pattern."""
    text = text.replace("$__rate_interval", "1m")
    text = re.sub(r"\$(\w+)", lambda found: "(" + "|".join(chosen[found[1]]) + ")", text)
    assert "$" not in text, f"not expanded: {text}"
    return text


def label_values(query: str) -> tuple[str, str]:
    """Metric selector and label of a variable's `label_values(selector, label)`."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert found, query
    return found[1], found[2]
