"""Dashboards on real servers: every query of every board runs, as its data source would, and shows what its panel needs."""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql as statements

from ingest.alerts import rules
from ingest.stack import Mosquitto, Prometheus, Stack, StackError, free_port
from simulators import fleet, registry
from simulators.month import Month
from tests.acceptance.test_alert_delivery import SCRAPED_EVERY
from tests.acceptance.test_scenarios import published
from tests.databases import Database, database_of
from tests.grafana import Chosen, Query, boards, label_values, promql, queries, sql
from tests.published import publish, topic
from tests.registries import import_files
from tests.running import Service, eventually, own_broker, own_directory, running_service

SQL = queries("grafana-postgresql-datasource")
PROMQL = queries("prometheus")
INSTITUTIONS: Final = 12
DAYS: Final = 2
SEED: Final = 7
ZONE: Final = ZoneInfo("Asia/Shanghai")
FAR_AWAY: Final = "Pacific/Auckland"
"""The session's zone, so that nothing can depend on it."""

NUMBERS: Final = {"int2", "int4", "int8", "float8", "numeric"}
WORDS: Final = {"text"}
INSTANTS: Final = {"timestamptz"}
RICHEST: Final = """SELECT institution FROM meterwarden.charger_count JOIN meterwarden.virtual_day USING (institution)
                    UNION ALL SELECT institution FROM meterwarden.virtual_day"""

MAY_BE_EMPTY: Final = {
    # nobody decided anything, nothing was exchanged or deleted, and no day that was closed changed
    "institution: Decisions on readings", "institution: Exchanges", "institution: Closed days that changed",
    "quality: Deletions from quarantine",
    # chance decides what befalls one institution, or a few chargers, in two days
    "institution: Findings", "institution: Events of registers", "chargers: Out of order", "chargers: Not billed, by reason",
    "chargers: Found about chargers and sessions",
}  # fmt: skip
MAY_HAVE_NO_SERIES: Final = {"Alerts in detail", "Uncommitted bytes", "Furthest up their quota"}

Answers = dict[str, list[dict[str, Any]] | str]
"""By expression: series, or what Prometheus has against it."""


@dataclass(frozen=True, slots=True)
class City:
    """What the simulator's city left behind: a database, the metrics of the service, Prometheus' answers."""

    database: Database
    since: datetime
    until: datetime
    richest: str
    """An institution with everything."""
    exported: str
    answers: Answers

    def choices(self, board: str) -> Chosen:
        """The first value, or all of them, of every variable of a board, asked for one after the other as Grafana does."""
        chosen: dict[str, list[str]] = {"period": [f"{self.since:%Y-%m}-01"]}
        for variable in boards()[board]["templating"]["list"]:
            if variable["type"] == "custom":
                values = [option["value"] for option in variable["options"] if option["value"] != "$__all"]
            elif variable["datasource"]["type"] == "prometheus":
                values = [".+"]
            else:
                values = [row[0] for row in self.rows(variable["query"], chosen).fetched]
            found = values if variable["multi"] else [self.richest] if self.richest in values else values[:1]
            chosen.setdefault(variable["name"], found)
        return chosen

    def rows(self, text: str, chosen: Chosen) -> "Answer":
        """The answer to a query, as the reader."""
        statement = sql(text, self.since, self.until, chosen)
        with (
            psycopg.connect(self.database.reader_url, options=f"-c timezone={FAR_AWAY}") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement.encode())
            assert cursor.description is not None
            types = {column.name: psycopg.adapters.types[column.type_code].name for column in cursor.description}
            return Answer(types, cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns with their types, and rows."""

    types: dict[str, str]
    fetched: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def city(stack: Stack, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Days of the last closed month of a simulated city, published through the real service while Prometheus scrapes it."""
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute(statements.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(statements.Identifier, (name, template))))
        yield asyncio.run(_live(stack, database_of(stack, name), tmp_path_factory.mktemp("city")))
        connection.execute(statements.SQL("DROP DATABASE {} WITH (FORCE)").format(statements.Identifier(name)))


async def _live(stack: Stack, database: Database, directory: Path) -> City:
    month = Month.last_closed(datetime.now(UTC))
    registry.write(fleet.build(INSTITUTIONS, SEED, month), directory / "registry")
    await import_files(database, directory / "registry")
    of = ("--institutions", INSTITUTIONS, "--seed", SEED, "--month", month, "--scenario", "hostile", "--days", DAYS)
    with own_broker(stack.programs) as broker, own_directory() as prometheus_directory:
        broker.start()
        server = Prometheus.create(stack.programs, prometheus_directory / "p", rules(), free_port(), "1s", SCRAPED_EVERY)
        server.start()
        try:
            settings = {"settlement__enabled": True, "settlement__round_seconds": 0.2, "intake__accept_days_back": 75,
            "intake__replay_seconds": 1,
                        "canary__enabled": True, "canary__every_seconds": 1}  # fmt: skip
            async with running_service(database, broker, directory, **settings) as service:
                server.scrape("meterwarden", service.port)
                await published(service, database, broker, directory, *of)
                exported = await _scraped(service, server, broker)
                answers = await _answered(server)
        finally:
            server.stop()
    return City(
        database=database,
        since=datetime.fromisoformat(f"{month.first_day}T00:00:00+08:00"),
        until=datetime.now(UTC),  # what is told by the clock of the wall, such as rejections, came just now
        richest=(await database.rows(RICHEST))[0][0],
        exported=exported,
        answers=answers,
    )


async def _scraped(service: Service, server: Prometheus, broker: Mosquitto) -> str:
    """The service's own page, once Prometheus has seen it settled, and a message rejected since."""
    await eventually(lambda: server.query("meterwarden_quota_institutions"), "quotas scraped")
    await publish(broker, topic("nobody"), [b"{"])
    await eventually(lambda: server.query("rate(meterwarden_messages_rejected_total[1m]) > 0"), "a rejection scraped")
    await eventually(lambda: server.query("meterwarden_quarantine_open > 0"), "the quarantine scraped")
    await eventually(lambda: server.query("meterwarden_findings_open > 0"), "findings scraped")
    return (await service.http("/metrics"))[1]


async def _answered(server: Prometheus) -> Answers:
    """What Prometheus answers to every expression, as soon as each has an answer that must have one; in the end as it is."""
    answers: Answers = {}

    def complete() -> bool:
        answers.update({query.target["expr"]: _asked(server, query.target["expr"]) for query in PROMQL})
        return not unanswered(answers)

    with contextlib.suppress(AssertionError):  # a test of its own says which are empty
        await eventually(complete, "every expression has an answer")
    return answers


def unanswered(answers: Answers) -> set[str]:
    """Panels without an answer, those left out that may have none where all is well."""
    return {query.panel["title"].split(" / ")[-1] for query in PROMQL if not answers[query.target["expr"]]} - MAY_HAVE_NO_SERIES


def _asked(server: Prometheus, expression: str) -> list[dict[str, Any]] | str:
    """The series, or what Prometheus has against the expression."""
    try:
        return server.query(promql(expression, {"job": [".+"], "instance": [".+"]}))
    except StackError as error:
        return str(error)


# Prometheus


@pytest.mark.parametrize("query", PROMQL, ids=str)
def test_prometheus_understands_every_expression(query: Query, city: City) -> None:
    """It parses, and where it answers at all, the series carry the labels that the legend and the columns name."""
    answer = city.answers[query.target["expr"]]
    assert not isinstance(answer, str), answer
    named = set(re.findall(r"\{\{(\w+)\}\}", query.target["legendFormat"]))
    for series in answer:
        assert named <= set(series["metric"]), series["metric"]


@pytest.mark.parametrize("query", PROMQL, ids=str)
def test_every_metric_is_exported(query: Query, city: City) -> None:
    """A metric that was renamed would leave its panel empty without a word; ALERTS is Prometheus' own."""
    exported = set(re.findall(r"^(\w+)(?:\{.*\})? ", city.exported, re.MULTILINE))
    exported |= set(re.findall(r"^# TYPE (\w+) gauge$", city.exported, re.MULTILINE))  # quotas near their limit: none, maybe
    used = set(re.findall(r"\b(?:meterwarden_\w+|ALERTS)\b", query.target["expr"]))
    assert used
    assert used <= exported | {"ALERTS"}


def test_most_expressions_have_an_answer(city: City) -> None:
    """Those that stay empty in a city where all is well are named here, so that no other can."""
    assert set() == unanswered(city.answers)


def test_variables_of_prometheus_name_what_is_there(city: City) -> None:
    """`label_values(metric, label)`: the metric is exported, the label is one that every target has."""
    for variable in boards()["operations"]["templating"]["list"]:
        selector, label = label_values(variable["query"]["query"])
        metric = selector.partition("{")[0]
        assert re.search(rf"^{metric}[ {{]", city.exported, re.MULTILINE), metric
        assert label in ("job", "instance")


# PostgreSQL


@pytest.mark.parametrize("query", SQL, ids=str)
def test_every_statement_gives_what_its_panel_needs(query: Query, city: City) -> None:
    """As the reader: the columns that the panel names, of types it can draw, in the order of time where it draws time."""
    answer = city.rows(query.target["rawSql"], city.choices(query.board))
    names = list(answer.types)
    columns = {override["matcher"]["options"] for override in query.panel["fieldConfig"]["overrides"]}
    assert columns <= set(names), "a column is named that the query does not give"
    if query.target["format"] == "time_series":
        assert names[0] == "time"
        assert answer.types["time"] in INSTANTS
        assert {"metric"} >= {name for name in names[1:] if answer.types[name] in WORDS}
        assert NUMBERS >= {answer.types[name] for name in names[1:] if name != "metric"} != set()
        times = [row[0] for row in answer.fetched]
        assert times == sorted(times)
    elif query.panel["type"] == "stat":
        assert set(answer.types.values()) <= NUMBERS
        assert len(answer.fetched) == 1
    elif query.panel["type"] == "barchart":
        assert query.panel["options"]["xField"] == names[0]
        assert answer.types[names[0]] in WORDS
        assert {answer.types[name] for name in names[1:]} <= NUMBERS
    else:
        assert columns == set(names), "every column of a table has its words"
        # a date would be shown as an instant, hours off: days are text
        assert set(answer.types.values()) <= NUMBERS | WORDS | INSTANTS


def test_most_panels_show_something(city: City) -> None:
    """Those that may stay empty after two days of a city are named here with their reason, so that no other can."""
    shown = {}
    for query in SQL:
        rows = city.rows(query.target["rawSql"], city.choices(query.board)).fetched
        shown[str(query).removesuffix(" A")] = any(value is not None for row in rows for value in row)
    assert set() == {panel for panel, something in shown.items() if not something} - MAY_BE_EMPTY


@pytest.mark.parametrize("name", ["quotas", "institution", "quality", "chargers"])
def test_every_variable_has_values(name: str, city: City) -> None:
    """From the first to the last, each with what was chosen before."""
    chosen = city.choices(name)
    assert chosen
    assert [] == [variable for variable, values in chosen.items() if not values]


async def test_days_begin_at_midnight_of_the_region(city: City) -> None:
    """A board shows a local day where it began, whatever zone session and browser have."""
    for query in SQL:
        if query.target["format"] == "time_series" and "day" in query.target["rawSql"]:
            for row in city.rows(query.target["rawSql"], city.choices(query.board)).fetched:
                assert row[0].astimezone(ZONE).time() == time(0), query


@pytest.mark.parametrize("board", ["quotas", "institution", "quality", "chargers"])
async def test_an_empty_database_is_no_error(board: str, database: Database) -> None:
    """Before the first import, with variables that have no values: empty panels, which say why they are empty."""
    since = datetime(2026, 10, 1, tzinfo=UTC)
    bare = City(database, since, since + timedelta(days=30), "", "", {})
    chosen = bare.choices(board)
    assert [] == [values for name, values in chosen.items() if name in ("region", "institution", "meter", "site") and values]
    for query in SQL:
        if query.board == board:
            answer = bare.rows(query.target["rawSql"], chosen)
            assert query.panel["type"] == "stat" or answer.fetched == []


async def test_a_name_with_an_apostrophe_is_a_name(database: Database) -> None:
    """What stands in a variable reaches the database as a value."""
    since = datetime(2026, 10, 1, tzinfo=UTC)
    bare = City(database, since, since + timedelta(days=30), "", "", {})
    chosen = {name: ["O'Hara'); SELECT 1; --"] for name in ("region", "institution", "meter", "site", "indicator", "medium")}
    chosen |= {"period_kind": ["month"], "period": ["2026-10-01"]}
    for query in SQL:
        assert query.panel["type"] == "stat" or bare.rows(query.target["rawSql"], chosen).fetched == []


def test_the_views_of_the_boards_agree_with_the_verdicts(city: City) -> None:
    """A month of institution_month is what the verdict on it used, where nothing is left out; the last quota_day is the status."""
    months = """
        SELECT count(*) AS months, count(*) FILTER (WHERE used.amount <> status.used) AS others,
               count(*) FILTER (WHERE abs(used.missing_seconds / used.expected_seconds - status.missing_share) > 0.000001) AS unsure
        FROM meterwarden.quota_status AS status
        JOIN meterwarden.institution_month AS used ON used.institution = status.institution AND used.month = status.period_start
         AND used.medium = CASE status.indicator WHEN 'water_per_person' THEN 'water' ELSE 'electricity' END
        WHERE status.period_kind = 'month' AND status.closed AND status.excludes = '' AND used.expected_seconds > 0"""
    [(number, others, unsure)] = city.rows(months, {}).fetched
    assert number > 0
    assert (others, unsure) == (0, 0)
    status = """
        SELECT count(*) FROM meterwarden.quota_status AS status
        LEFT JOIN meterwarden.quota_day AS level USING (institution, indicator, period_kind, period_start)
        WHERE level.day = status.as_of
          AND (level.level, level.used, level.used_ratio) IS NOT DISTINCT FROM (status.level, status.used, status.used_ratio)"""
    everything = city.rows("SELECT count(*) FROM meterwarden.quota_status", {}).fetched
    assert city.rows(status, {}).fetched == everything != [(0,)]


async def test_a_month_holds_what_only_the_month_proves(database: Database) -> None:
    """An amount and a time that no day could have, booked with the second day, are in the month and in no day."""
    await database.run("INSERT INTO metering.region (code, name, timezone) VALUES ('R', 'R', 'Asia/Shanghai')")
    await database.run("INSERT INTO metering.institution (code, name, region) VALUES ('I', 'I', 1)")
    await database.run(
        """INSERT INTO metering.institution_day (institution, medium, day, amount, measured_us, estimated_us, expected_us,
               month_amount, month_measured_us, month_estimated_us, year_amount, year_measured_us, year_estimated_us)
           VALUES (1, 'water', '2026-10-01', 10000000, 70000000, 20000000, 100000000, 0, 0, 0, 0, 0, 0),
                  (1, 'water', '2026-10-02', 20000000, 60000000, 20000000, 100000000, 5000000, 30000000, -10000000, 0, 0, 0)"""
    )
    month = (
        "SELECT amount, expected_seconds, measured_seconds, estimated_seconds, missing_seconds FROM meterwarden.institution_month"
    )
    day = month.replace("institution_month", "institution_day ORDER BY day")
    assert [(35, 200, 160, 30, 10)] == await database.rows(month)
    assert [(10, 100, 70, 20, 10), (20, 100, 60, 20, 20)] == await database.rows(day)
