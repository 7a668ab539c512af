"""A dashboard: variables, rows of panels -> Grafana's JSON, laid out from left to right and top to bottom."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.dashboards.panels import DATABASE, PROMETHEUS, Json, Panel, Words, title
from ingest.dashboards.queries import sql

SCHEMA_VERSION: Final = 39
"""Grafana 11; later ones migrate it as they load it."""

TIMEZONE: Final = "Asia/Shanghai"
"""Days begin at local midnight of their region, so a board is read in the time of the regions, not of the browser."""

TAG: Final = "meterwarden"
WIDTH: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice above the board: fixed values, a query of the database by name (`__value`, `__text`), or of Prometheus."""

    name: str
    words: Words
    query: str = ""
    prom: str = ""
    values: Mapping[str, Words] | None = None
    several: bool = False
    on_time_range: bool = False

    def json(self) -> Json:
        """As a member of templating.list."""
        common: Json = {
            "name": self.name,
            "label": title(self.words),
            "hide": 0,
            "skipUrlSync": False,
            "multi": self.several,
            "includeAll": self.several,
        }
        if self.values is not None:
            return {**common, **self._fixed(self.values)}
        text = sql(self.query) if self.query else self.prom
        return {
            **common,
            "type": "query",
            "datasource": DATABASE if self.query else PROMETHEUS,
            "query": text if self.query else {"query": text, "refId": self.name, "qryType": 1},
            "refresh": 2 if self.on_time_range else 1,
            "regex": "",
            "sort": 0,
            "options": [],
            **({"current": {"selected": False, "text": ["All"], "value": ["$__all"]}} if self.several else {}),
        }

    def _fixed(self, values: Mapping[str, Words]) -> Json:
        every = {"text": "All", "value": "$__all"}
        options = [{"text": title(words), "value": value} for value, words in values.items()]
        chosen = {"text": ["All"], "value": ["$__all"]} if self.several else options[0]
        listed = [every, *options] if self.several else options
        return {
            "type": "custom",
            "query": ", ".join(f"{option['text']} : {option['value']}" for option in options),
            "options": [{**option, "selected": number == 0} for number, option in enumerate(listed)],
            "current": {"selected": True, **chosen},
        }


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    words: Words
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard; `name` is its file, and part of its uid for ever."""

    name: str
    words: Words
    about: Words
    variables: Sequence[Variable]
    rows: Sequence[Row]
    time_from: str
    refresh: str

    @property
    def uid(self) -> str:
        """What links call it."""
        return f"{TAG}-{self.name}"

    def json(self, timezone: str = TIMEZONE) -> Json:
        """The whole dashboard, in Grafana's classic model."""
        return {
            "uid": self.uid,
            "title": f"Meterwarden {title(self.words)}",
            "description": "\n\n".join(self.about),
            "tags": [TAG],
            "timezone": timezone,
            "weekStart": "monday",
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "liveNow": False,
            "time": {"from": self.time_from, "to": "now"},
            "timepicker": {},
            "refresh": self.refresh,
            "annotations": {"list": []},
            "links": [_boards()],
            "templating": {"list": [variable.json() for variable in self.variables]},
            "panels": list(self._panels()),
        }

    def text(self, timezone: str = TIMEZONE) -> str:
        """The file."""
        return json.dumps(self.json(timezone), indent=2, ensure_ascii=False) + "\n"

    def _panels(self) -> Iterator[Json]:
        number, top = 0, 0
        for row in self.rows:
            number += 1
            yield {
                "id": number,
                "type": "row",
                "title": title(row.words),
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
            }
            left, top, line = 0, top + 1, 0
            for panel in row.panels:
                if left + panel.width > WIDTH:
                    left, top, line = 0, top + line, 0
                number += 1
                yield {**panel.json(), "id": number, "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height}}
                left, line = left + panel.width, max(line, panel.height)
            top += line


REGION: Final = Variable(name="region", words=("地区", "Region"), several=True, query="region_choice")


def _boards() -> Json:
    """The menu of all boards: the time range goes along, and so does a variable of the same name."""
    return {
        "type": "dashboards",
        "title": "Meterwarden",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
