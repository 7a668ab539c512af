"""The committed dashboards: what the code makes, sound by Grafana's documented model, complete in both languages."""

import re
from itertools import combinations
from typing import Any

import pytest

from ingest.dashboards.__main__ import BOARDS, FOLDER
from ingest.dashboards.columns import INSTITUTION_LINK
from ingest.dashboards.words import CONNECTORS, INDICATORS, LEVELS, PERIODS, SEVERITIES
from ingest.metering.levels import Thresholds
from ingest.metering.quotas import INDICATORS as KNOWN_INDICATORS
from ingest.metering.vee.view import Severity
from ingest.settings import QuotaSettings
from schemas.charger import ConnectorStatus
from schemas.quota import Level
from tests.databases import ROOT
from tests.grafana import FILES, boards, panels

CORE = {"row", "timeseries", "stat", "table", "barchart", "bargauge"}
"""Of the panel types that Grafana brings itself, those used here; a plugin would have to be installed."""

UNITS = {"none", "percentunit", "s", "bytes", "cps", "mps", "kwatt", "kwatth", "m3"}
"""Ids of Grafana's value formats (@grafana/data); an unknown one would be shown as text behind the number."""

BOARD_NAMES = [board.name for board in BOARDS]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
every_board = pytest.mark.parametrize("name", BOARD_NAMES)


def all_panels() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}: {panel['title']}", panel) for name, board in boards().items() for panel in panels(board)]


@every_board
def test_a_committed_dashboard_is_what_the_code_makes(name: str) -> None:
    """Renew them with `python -m ingest.dashboards`."""
    board = next(board for board in BOARDS if board.name == name)
    assert board.text() == (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def test_no_dashboard_is_left_over() -> None:
    """A file that nothing makes would go on being provisioned."""
    assert sorted(BOARD_NAMES) == [path.stem for path in FILES]


def test_uids_are_those_of_the_files_and_fit_grafana() -> None:
    """A uid is in every link that people have kept; Grafana takes at most 40 characters."""
    uids = {name: board["uid"] for name, board in boards().items()}
    assert {name: f"meterwarden-{name}" for name in BOARD_NAMES} == uids
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid) for uid in uids.values())


@every_board
def test_panels_lie_side_by_side(name: str) -> None:
    """Inside the 24 columns, numbered once each, none over another."""
    board = boards()[name]
    places = [panel["gridPos"] for panel in board["panels"]]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24, place
        assert place["h"] > 0
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@every_board
def test_the_frame_is_complete(name: str) -> None:
    """Schema of Grafana 11, a named time zone, a title in both languages, a menu of the other boards, not editable in place."""
    board = boards()[name]
    assert board["schemaVersion"] == 39
    assert board["timezone"] == "Asia/Shanghai"
    assert not board["editable"]
    assert "id" not in board  # the server numbers it
    assert [link["tags"] for link in board["links"]] == [["meterwarden"]] == [board["tags"]]
    _in_both_languages(board["title"].removeprefix("Meterwarden "), " / ")
    _in_both_languages(board["description"], "\n\n")
    assert all(panel["type"] in CORE for panel in board["panels"])


def _in_both_languages(text: str, between: str) -> None:
    chinese, found, english = text.partition(between)
    assert found, text
    assert CHINESE.search(chinese), text
    assert english.strip(), text
    assert not CHINESE.search(english), text


def test_every_panel_speaks_both_languages_and_explains_itself() -> None:
    """Title, what it means, what it means when there is nothing to see; and the columns of its tables."""
    for where, panel in all_panels():
        _in_both_languages(panel["title"], " / ")
        _in_both_languages(panel["description"], "\n\n")
        assert "无数据时" in panel["description"], where
        assert " Empty: " in panel["description"], where
        _in_both_languages(panel["fieldConfig"]["defaults"]["noValue"], " / ")
        for override in panel["fieldConfig"]["overrides"]:
            shown = next(each["value"] for each in override["properties"] if each["id"] == "displayName")
            _in_both_languages(shown, " / ")


def test_every_variable_speaks_both_languages() -> None:
    """Its label, and what is chosen from where the values are fixed."""
    for board in boards().values():
        for variable in board["templating"]["list"]:
            _in_both_languages(variable["label"], " / ")
            for option in variable["options"]:
                if option["value"] != "$__all":
                    _in_both_languages(option["text"], " / ")
                    assert f"{option['text']} : {option['value']}" in variable["query"]


def test_units_are_known_to_grafana() -> None:
    """Of panels and of columns."""
    for where, panel in all_panels():
        config = panel["fieldConfig"]
        units = {config["defaults"]["unit"]}
        units |= {each["value"] for override in config["overrides"] for each in override["properties"] if each["id"] == "unit"}
        assert units <= UNITS, where


@every_board
def test_queries_name_only_variables_that_the_board_has(name: str) -> None:
    """And every variable is used: by a panel, or by a variable that comes after it."""
    board = boards()[name]
    variables = board["templating"]["list"]
    names = [variable["name"] for variable in variables]
    used: set[str] = set()
    for number, variable in enumerate(variables):
        asked = _variables(str(variable["query"])) if variable["type"] == "query" else set()
        assert asked <= set(names[:number]), variable["name"]  # Grafana would resolve it too, but a reader should not have to
        used |= asked
    for panel in panels(board):
        for target in panel["targets"]:
            used |= _variables(target.get("rawSql", "") + target.get("expr", ""))
    assert used == set(names)


def _variables(text: str) -> set[str]:
    return {one or other for one, other in re.findall(r"\$\{(\w+):\w+\}|\$(?!__)(\w+)", text)}


def test_values_reach_sql_quoted() -> None:
    """Every variable in SQL has the format that quotes: a name with an apostrophe is a name, not a statement."""
    for board in boards().values():
        texts = [target["rawSql"] for panel in panels(board) for target in panel["targets"] if "rawSql" in target]
        texts += [variable["query"] for variable in board["templating"]["list"] if isinstance(variable["query"], str)]
        assert set() == {found for text in texts for found in re.findall(r"\$(?!__)(?!\{\w+:sqlstring\})\S{0,20}", text)}


def test_links_lead_to_boards_and_variables_that_exist() -> None:
    """Data links name a uid and set a variable of that board."""
    by_uid = {board["uid"]: board for board in boards().values()}
    assert "/d/meterwarden-institution?" in INSTITUTION_LINK
    linked = set()
    for where, panel in all_panels():
        for override in panel["fieldConfig"]["overrides"]:
            for each in override["properties"]:
                for link in each["value"] if each["id"] == "links" else []:
                    found = re.fullmatch(r"/d/([\w-]+)\?\$\{__url_time_range\}&var-(\w+)=.+", link["url"])
                    assert found, where
                    assert found[2] in [variable["name"] for variable in by_uid[found[1]]["templating"]["list"]], where
                    linked.add(where.partition(":")[0])
    assert linked == {"operations", "quotas", "institution", "quality", "chargers"}


def test_data_sources_are_those_that_are_provisioned() -> None:
    """Panels name them by uid; the file of data sources has the same uids and types."""
    text = (ROOT / "deploy/grafana/provisioning/datasources/meterwarden.yaml").read_text(encoding="utf-8")
    provisioned = set(
        zip(re.findall(r"^ +uid: (\S+)$", text, re.MULTILINE), re.findall(r"^ +type: (\S+)$", text, re.MULTILINE), strict=True)
    )
    used = {(target["datasource"]["uid"], target["datasource"]["type"]) for _, panel in all_panels() for target in panel["targets"]}
    assert used == provisioned
    assert "user: meterwarden_reader\n" in text
    assert re.findall(r"password: (.*)", text) == ["$__file{/run/secrets/meterwarden_reader_password}"]


def test_words_and_thresholds_are_those_of_the_service() -> None:
    """A new level, severity, state, indicator or default needs its words and colors here."""
    assert set(LEVELS) == set(Level)
    assert set(SEVERITIES) == set(Severity)
    assert set(CONNECTORS) >= set(ConnectorStatus)
    assert set(INDICATORS) == set(KNOWN_INDICATORS)
    assert set(PERIODS) == {"month", "year"}
    assert float(Thresholds().warning_ratio) == QuotaSettings().warning_ratio
    assert float(Thresholds().completeness) == QuotaSettings().completeness
