"""`meterwarden quota list` on a real database: who is over, by how much, on what evidence."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.metering.calendar import HOUR_US, instant
from tests.databases import Database
from tests.integration.clock import server_clock
from tests.registries import channels, import_files, institution, write_files
from tests.settling import settle_all, store

NOW = datetime.now(UTC)
YEAR_AGO = NOW - timedelta(days=365)
HOURS = 24
HOURLY = 100_000  # Wh


@pytest.fixture(autouse=True)
def marked_as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import marks the day before NOW, though another may have ended since."""
    server_clock(monkeypatch)(NOW)


async def run(database: Database, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Output of the command, which must succeed."""
    monkeypatch.setenv("METERWARDEN_DATABASE__URL", database.writer_url)
    monkeypatch.setenv("METERWARDEN_LANG", "en")
    done = await asyncio.to_thread(CliRunner().invoke, main, ["quota", "list", *arguments])
    assert 0 == done.exit_code, done.output
    return done.output


async def overrun(database: Database, tmp_path: Path) -> None:
    """A day until now and a day a year ago, each with 2,400 kWh where a month allows 1,000: either part of it, if it has two."""
    await import_files(database, write_files(tmp_path, institutions=[institution(area=100)]))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    for before, end in enumerate((YEAR_AGO, NOW)):
        first = instant(end) - HOURS * HOUR_US
        rows = [(channel, first + n * HOUR_US, (before * HOURS + n) * HOURLY) for n in range(HOURS + 1)]
        await store(database, [rows])
    await settle_all(database, now=NOW)


async def test_the_exceeded_quotas_are_listed_with_their_evidence(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the view has them: the running and the last period, others with --all, one level with --level, capped by --most."""
    await overrun(database, tmp_path)
    count = "SELECT count(*)::int FROM meterwarden.quota_status WHERE level = 'exceeded'"
    [(every,)] = await database.rows(count)
    [(recent,)] = await database.rows(f"{count} AND period_start > %s", (NOW - timedelta(days=70)).date())

    listed = json.loads(await run(database, monkeypatch, "--level", "exceeded", "--json"))
    everything = json.loads(await run(database, monkeypatch, "--level", "exceeded", "--all", "--json"))
    lines = (await run(database, monkeypatch, "--level", "exceeded")).splitlines()

    assert 0 < recent == len(listed) < every == len(everything)
    assert {("I1", "exceeded")} == {(row["institution"], row["level"]) for row in everything}
    assert listed == sorted(listed, key=lambda row: -row["used_ratio"])
    assert len(listed) + 1 == len(lines)
    assert f"{listed[0]['used_ratio']:.0%}" in lines[1]
    assert f"{listed[0]['used'] / listed[0]['denominator']:,.2f} {listed[0]['unit']}" in lines[1]
    assert 1 == len(json.loads(await run(database, monkeypatch, "--all", "--most", "1", "--json")))
    assert "nothing settled yet, or nothing such\n" == await run(database, monkeypatch, "--institution", "I2")


async def test_what_keeps_an_institution_from_being_assessed_is_listed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A level without a quota row names what lacks."""
    await overrun(database, tmp_path)
    missing = [row for row in json.loads(await run(database, monkeypatch, "--json")) if row["missing"]]
    shown = await run(database, monkeypatch, "--level", "not_assessable")

    assert missing
    assert "missing: " + ", ".join(missing[0]["missing"]) in shown
