"""`meterwarden edit` and `meterwarden exchange` on a real database: what operators decide is kept in versions and settled."""

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.metering.calendar import HOUR_US, instant
from ingest.storage import decisions
from ingest.storage.connection import connected
from ingest.storage.decisions import Grounds
from tests.databases import Database
from tests.registries import channels, import_files, meter, write_files
from tests.settling import derived, rebuild, settle_all, store

pytestmark = pytest.mark.usefixtures("marked_by_now")

START = instant(datetime(2026, 10, 1, tzinfo=UTC) - timedelta(hours=8))
METER = "I1/electricity/E1"
REGISTER = f"{METER}/energy_import_kwh"
GROUNDS = ("--author", "李雷", "--because", "photo of the display")
Run = Callable[..., Result]


@pytest.fixture
def run(database: Database) -> Run:
    """A command with the writer's environment, in a thread of its own, as it starts a loop of its own."""

    def meterwarden(*arguments: object, language: str = "C.UTF-8") -> Result:
        environment: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("METERWARDEN_"))
        environment |= {"METERWARDEN_DATABASE__URL": database.writer_url, "LC_ALL": language, "TZ": "UTC"}
        command = partial(CliRunner().invoke, main, list(map(str, arguments)), "", environment)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(command).result(300)

    return meterwarden


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(result: Result) -> str:
    assert result.exit_code in (1, 2), result.output
    return result.output


@pytest.fixture
async def channel(database: Database, tmp_path: Path) -> int:
    """Two days of 10 kWh an hour, the reading of 08:00 disputed."""
    await import_files(database, write_files(tmp_path))
    number = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    rows = [(number, START + n * HOUR_US, 1_000_000 + 10_000 * n) for n in range(48)]
    await store(database, [rows, [(number, START + 8 * HOUR_US, 1_081_000)]])
    await settle_all(database)
    return number


async def amounts(database: Database) -> list[int]:
    """Of the hours around 08:00, in kWh."""
    query = "SELECT (amount / 1000000)::int FROM metering.consumption_hour ORDER BY hour"
    return [row[0] for row in await database.rows(query)][6:10]


@pytest.mark.usefixtures("marked_by_now", "channel")
async def test_a_disputed_reading_is_listed_decided_and_settled(database: Database, run: Run) -> None:
    """Both values with their arrival; the decision counts, a later one counts instead, none leaves the straight line."""
    listed = json.loads(done(run("edit", "list", "--json")))
    assert (REGISTER, None) == (listed["register"], listed["version"])
    assert ["1080.000", "1081.000"] == [one["value"] for one in listed["seen"]]
    assert "disputed, nothing counts" in done(run("edit", "list", "I1/electricity"))
    assert "有争议" in done(run("edit", "list", language="zh_CN.UTF-8"))
    assert "readings: 0" in done(run("edit", "list", "I2"))

    assert "1084 kWh counts (version 1)" in done(run("edit", "set", REGISTER, "2026-10-01T08:00:00+08:00", "1084", *GROUNDS))
    await settle_all(database)
    assert [10, 14, 6, 10] == await amounts(database)
    assert "readings: 0" in done(run("edit", "list"))
    assert "李雷" in done(run("edit", "list", "--all"))
    assert 2 == json.loads(done(run("edit", "drop", REGISTER, "2026-10-01T00:00:00Z", *GROUNDS, "--json")))["version"]
    await settle_all(database)
    assert [10, 10, 10, 10] == await amounts(database)
    before = await derived(database)
    await rebuild(database)
    assert before == await derived(database)
    assert [(Decimal(1084), "李雷"), (None, "李雷")] == await database.rows(
        "SELECT value, author FROM meterwarden.edit ORDER BY version"
    )
    assert [(14_000_000,)] != await database.rows("SELECT new_amount FROM metering.day_change")


@pytest.mark.usefixtures("marked_by_now", "channel")
async def test_a_value_may_be_entered_where_nothing_was_received(database: Database, run: Run) -> None:
    """Somebody read the meter by eye, after its last reading: a rebuild finds that too."""
    done(run("edit", "set", REGISTER, "2026-10-03T23:59:59.5+08:00", "1700.5", *GROUNDS))
    await settle_all(database)
    before = await derived(database)
    assert [(700_500_000,)] == await database.rows("SELECT (sum(amount) * 1000000)::bigint FROM meterwarden.consumption_month")
    await rebuild(database)

    assert before == await derived(database)


@pytest.mark.usefixtures("marked_by_now", "channel")
async def test_two_operators_at_once_get_two_versions(database: Database) -> None:
    """Each waits for the other's commit and sees it."""
    at = datetime(2026, 10, 1, tzinfo=UTC)

    async def decide(value: int) -> int:
        async with connected(database.settings) as connection:
            of = await decisions.register(connection, METER, None, at)
            return await decisions.edit(connection, of, at, Decimal(value), Grounds("a", "b"))

    async def declare(value: int) -> int:
        async with connected(database.settings) as connection:
            of = await decisions.register(connection, METER, None, at)
            return await decisions.exchange(connection, of, at, (Decimal(value), Decimal(0)), Grounds("a", "b"))

    assert [1, 2, 3, 4, 5, 6] == sorted(await asyncio.gather(*(decide(1000 + n) for n in range(6))))
    assert [1, 2, 3, 4, 5, 6] == sorted(await asyncio.gather(*(declare(1000 + n) for n in range(6))))


async def test_an_exchange_is_declared_late_and_withdrawn_again(database: Database, channel: int, run: Run) -> None:
    """Days after the readings came, and with days of silence behind it: declared, both registers count; withdrawn, as before."""
    new = [(channel, START + (100 + n) * HOUR_US, 5_000 + 10_000 * n) for n in range(5)]
    await store(database, [new])
    await settle_all(database)
    undeclared = await derived(database)
    assert {"unexplained", "reset"} & {row[0] for row in await database.rows("SELECT kind FROM metering.channel_event")}

    said = done(
        run("exchange", "declare", METER, "2026-10-03T04:00:00+08:00", "--old-final", "1500", "--new-initial", "0.5", *GROUNDS)
    )
    assert "1500 -> 0.5 declared (version 1)" in said
    await settle_all(database)
    assert [(500_000_000 + 44_500_000,)] == await database.rows(
        "SELECT (sum(amount) * 1000000)::bigint FROM meterwarden.consumption_month"
    )
    assert "1500.000 -> 0.500 kWh" in done(run("exchange", "list"))
    before = await derived(database)
    await rebuild(database)
    assert before == await derived(database)

    assert "withdrawn (version 2)" in done(run("exchange", "withdraw", METER, "2026-10-02T20:00:00Z", *GROUNDS))
    await settle_all(database)
    assert undeclared == await derived(database)
    assert "exchanges: 0" in done(run("exchange", "list"))
    assert ["1500.000", None] == [
        json.loads(line)["old_final"] for line in done(run("exchange", "list", "--history", "--json")).splitlines()
    ]
    assert "no exchange" in refused(run("exchange", "withdraw", METER, "2026-10-02T20:00:00Z", *GROUNDS))


WRONG = {
    "write it as": ("edit", "set", "I1/E1", "2026-10-01T08:00:00Z", "1"),
    "names no register": ("edit", "drop", f"{METER}/power_kw", "2026-10-01T08:00:00Z"),
    "with its offset": ("edit", "set", REGISTER, "2026-10-01T08:00:00", "1"),
    "future": ("edit", "set", REGISTER, "2126-10-01T08:00:00Z", "1"),
    "is no number": ("edit", "set", REGISTER, "2026-10-01T08:00:00Z", "1,5"),
    "round it yourself": ("edit", "set", REGISTER, "2026-10-01T08:00:00Z", "1.2345"),
    "not including, 1000000": ("edit", "set", REGISTER, "2026-10-01T08:00:00Z", "1000000"),
    "from 0 up": ("exchange", "declare", METER, "2026-10-01T08:00:00Z", "--old-final", "5", "--new-initial=-1"),
    "is not registered": ("exchange", "withdraw", "I1/electricity/E9", "2026-10-01T08:00:00Z"),
    "registers energy_import_kwh": ("edit", "drop", f"{METER}/energy_export_kwh", "2026-10-01T08:00:00Z"),
}


@pytest.mark.parametrize("says", WRONG)
@pytest.mark.usefixtures("marked_by_now", "channel")
async def test_what_cannot_be_decided_says_what_to_do(database: Database, run: Run, says: str) -> None:
    """And changes nothing."""
    assert says in refused(run(*WRONG[says], *GROUNDS))
    assert [(0, 0)] == await database.rows("SELECT (SELECT count(*) FROM metering.edit), (SELECT count(*) FROM metering.mark)")


@pytest.mark.usefixtures("marked_by_now", "channel")
async def test_nothing_is_decided_before_the_readings_that_are_kept(database: Database, run: Run) -> None:
    """What was derived then stays, and the local day that was cut; the correction is a reversal. An author has a name."""
    await database.run("UPDATE metering.retention SET raw_kept_since = '2026-10-01T16:00Z'")
    assert "reversal" in refused(run("edit", "drop", REGISTER, "2026-10-01T15:59:59Z", *GROUNDS))
    done(run("edit", "drop", REGISTER, "2026-10-01T16:00:00Z", *GROUNDS))
    await database.run("UPDATE metering.retention SET raw_kept_since = '2026-10-01T16:00:01Z'")
    assert "2026-10-02T16:00:00+00:00" in refused(run("edit", "drop", REGISTER, "2026-10-02T15:59:59Z", *GROUNDS))
    assert "must not be empty" in refused(run("edit", "drop", REGISTER, "2026-10-03T00:00:00Z", "--author", " ", "--because", "x"))


@pytest.mark.parametrize("table", ["edit", "exchange", "day_change"])
async def test_what_was_decided_or_changed_stays_on_record(database: Database, table: str) -> None:
    """The service's role can add to it, and neither change nor delete."""
    async with await psycopg.AsyncConnection.connect(database.writer_url, autocommit=True) as connection:
        for statement in (
            f"DELETE FROM metering.{table}",
            f"UPDATE metering.{table} SET channel = 1",
            f"TRUNCATE metering.{table}",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement)


async def test_exchanges_come_with_the_registry_too(database: Database, tmp_path: Path) -> None:
    """Validated, shown as a difference, versioned where they differ; a file without them withdraws none."""
    files: dict[str, Any] = {"meters": (meter(), meter("W1", medium="water"))}
    line = {"institution": "I1", "medium": "electricity", "meter": "E1", "exchanged_at": "2026-10-01T08:00:00+08:00",
            "old_final": "1234.5", "new_initial": "0", "author": "李雷", "reason": "换表单 17"}  # fmt: skip
    directory = write_files(tmp_path, **files, exchanges=[line])
    assert 1 == len([one for one in (await import_files(database, directory)).added if one.startswith("exchanges")])
    assert not await import_files(database, directory)
    write_files(tmp_path, **files, exchanges=[{**line, "old_final": "1234.6"}])
    changed = (await import_files(database, directory)).changed
    assert ["exchanges: I1/electricity/E1/energy_import_kwh/2026-10-01 00:00:00+00:00: old_final 1234.5 -> 1234.6"] == changed
    assert [(1, 1_234_500), (2, 1_234_600)] == await database.rows("SELECT version, old_final FROM metering.exchange ORDER BY 1")
