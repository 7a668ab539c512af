"""A panel and its queries -> Grafana's JSON. Panel types are those of Grafana itself, no plugin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ingest.dashboards.queries import sql

Json = dict[str, Any]
Words = tuple[str, str]
"""The same in Chinese and English."""

Named = Mapping[str, tuple[Words, str]]
"""Stored words -> what is shown for them, and the color."""

PROMETHEUS: Final = {"type": "prometheus", "uid": "meterwarden-prometheus"}
DATABASE: Final = {"type": "grafana-postgresql-datasource", "uid": "meterwarden-database"}


def title(words: Words) -> str:
    """Both languages in a line."""
    return " / ".join(words)


@dataclass(frozen=True, slots=True)
class Sql:
    """A query of `sql/`, by name. A series begins with the column `time`; a column `metric` names the lines."""

    name: str
    series: bool = False

    def json(self, number: int) -> Json:
        """As a panel's target."""
        return {
            "refId": chr(ord("A") + number),
            "datasource": DATABASE,
            "editorMode": "code",
            "format": "time_series" if self.series else "table",
            "rawQuery": True,
            "rawSql": sql(self.name),
        }


@dataclass(frozen=True, slots=True)
class Prom:
    """A PromQL expression over the time range, or of its end alone."""

    expr: str
    legend: str = ""
    instant: bool = False

    def json(self, number: int) -> Json:
        """As a panel's target."""
        return {
            "refId": chr(ord("A") + number),
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "expr": " ".join(self.expr.split()),
            "legendFormat": self.legend or "__auto",
            "instant": self.instant,
            "range": not self.instant,
            "format": "table" if self.instant else "time_series",
        }


@dataclass(frozen=True, slots=True)
class Column:
    """How one column or line is shown; `link` is an address with Grafana's placeholders."""

    words: Words
    unit: str = ""
    color: str = ""
    steps: Sequence[tuple[float | None, str]] = ()
    names: Named = field(default_factory=dict)
    link: str = ""
    width: int = 0

    def json(self, name: str) -> Json:
        """As a panel's override."""
        properties: list[Json] = [{"id": "displayName", "value": title(self.words)}]
        if self.unit:
            properties.append({"id": "unit", "value": self.unit})
        if self.color:
            properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": self.color}})
        if self.steps:
            properties.append({"id": "thresholds", "value": thresholds(self.steps)})
        if self.names:
            properties.append({"id": "mappings", "value": mappings(self.names)})
        if self.steps or self.names:
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        if self.link:
            properties.append({"id": "links", "value": [{"title": "打开 / Open", "url": self.link}]})
        if self.width:
            properties.append({"id": "custom.width", "value": self.width})
        return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def thresholds(steps: Sequence[tuple[float | None, str]]) -> Json:
    """Colors from a value on; the first step has no value."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def mappings(names: Named) -> list[Json]:
    """What stored words are shown as, and in which color."""
    options = {
        name: {"text": title(words), "color": color, "index": index} for index, (name, (words, color)) in enumerate(names.items())
    }
    return [{"type": "value", "options": options}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is seen, what it means (`about`), and what it means when there is nothing to see (`empty`)."""

    title: Words
    about: Words
    empty: Words
    queries: Sequence[Sql | Prom]
    kind: str = "timeseries"
    unit: str = "none"
    decimals: int | None = None
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),)
    names: Named = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[float | None, float | None] = (None, None)
    width: int = 12
    height: int = 8

    def json(self) -> Json:
        """Without its place on the board."""
        about = (f"{self.about[0]}无数据时:{self.empty[0]}", f"{self.about[1]} Empty: {self.empty[1]}")
        defaults: Json = {
            "unit": self.unit,
            "noValue": title(self.empty),
            "thresholds": thresholds(self.steps),
            "mappings": mappings(self.names) if self.names else [],
            "color": {"mode": "palette-classic" if self.kind in ("timeseries", "barchart") else "thresholds"},
            "custom": {**_CUSTOM.get(self.kind, {}), **self.custom},
        }
        least, most = self.limits
        defaults |= {key: value for key, value in (("min", least), ("max", most), ("decimals", self.decimals)) if value is not None}
        return {
            "type": self.kind,
            "title": title(self.title),
            "description": "\n\n".join(about),
            "datasource": self.queries[0].json(0)["datasource"],
            "targets": [query.json(number) for number, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": defaults, "overrides": [column.json(name) for name, column in self.columns.items()]},
            "options": {**_OPTIONS[self.kind], **self.options},
            "transformations": [{"id": "organize", "options": {"excludeByName": dict.fromkeys(self.hidden, True)}}]
            if self.hidden
            else [],
        }


LINES: Final[Json] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": False}
BARS: Final[Json] = {"drawStyle": "bars", "lineWidth": 0, "fillOpacity": 80, "barAlignment": 1}
STACKED: Final[Json] = {"stacking": {"mode": "normal", "group": "A"}}
LIMITS: Final[Json] = {"thresholdsStyle": {"mode": "line"}}
FIELDS: Final[Json] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False}}
"""A stat shows every column of its row."""

_CUSTOM: Final[Mapping[str, Json]] = {"timeseries": LINES, "table": {"align": "auto", "filterable": True, "inspect": True}}
_LEGEND: Final[Json] = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
_OPTIONS: Final[Mapping[str, Json]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "barchart": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}, "stacking": "normal", "xTickLabelRotation": 0},
    "table": {"showHeader": True, "cellHeight": "sm"},
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "value_and_name",
        "orientation": "auto",
    },
    "bargauge": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "showUnfilled": True,
    },
}
