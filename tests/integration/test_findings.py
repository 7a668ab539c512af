"""Validation on a real database: any order gives the findings of a rebuild; what people made of them stays."""

import asyncio
import json
import random
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.messages import Assessed, Message, Row, SessionRow
from ingest.metering.calendar import HOUR_US, instant
from ingest.metering.sessions import Statement
from ingest.metering.vee.view import DAY_US
from ingest.storage.rebuild import forget_and_mark
from ingest.storage.writer import Writer
from tests.databases import Database
from tests.registries import channels, import_files, meter, write_files
from tests.settling import settle_all

pytestmark = pytest.mark.usefixtures("marked_by_now")

START = instant(datetime(2026, 8, 31, 16, tzinfo=UTC))  # midnight of 1 September in Shanghai, a Tuesday
DAYS = 50
NOW = datetime(2026, 10, 20, 20, 30, tzinfo=UTC)  # 04:30 on 21 October: 50 days are closed
FINDINGS = """SELECT finding, rule, severity, state, from_day, to_day, days, impact, impact_share, evidence::text
              FROM meterwarden.finding ORDER BY 1"""
Reading = tuple[int, int, int]


def hourly(channel: int, *, still: range = range(0), silent: range = range(0), often: int = 1) -> list[Reading]:
    """Readings of 50 days: an office's course; `still` and `silent` are hours since the start."""
    value, rows = 1_000_000, []
    for step in range(DAYS * 24 * often):
        hour, day = step // often, step // often // 24
        weekday = date.fromordinal(date(2026, 9, 1).toordinal() + day).weekday()
        busy = 7 <= hour % 24 < 19 and weekday < 5
        value += 0 if hour in still else ((9_000 if busy else 2_000) + step * 37 % 500) // often // 10 * 10
        if hour not in silent:
            rows.append((channel, START + (step + 1) * HOUR_US // often, value))
    return rows


async def store(database: Database, rows: list[Reading], received_after_us: int = 60_000_000) -> None:
    """Write (channel, read_at, value), each received a minute after it was taken."""
    writer = Writer(database.settings)
    message = Message("t", b"", 1, False, 1, 1, START)
    for first in range(0, len(rows), 5000):
        some = [Row(channel, at, value, at + received_after_us) for channel, at, value in rows[first : first + 5000]]
        await writer.write([Assessed(message, some)])
    await writer.close()


async def fleet(database: Database, tmp_path: Path) -> dict[str, int]:
    """Two electricity meters and a water meter, hourly."""
    meters = (meter("E1"), meter("E2", role="sub", parent="E1"), meter("W1", medium="water"))
    await import_files(database, write_files(tmp_path, meters=meters))
    return {
        path.split("/")[2]: channel
        for path, channel in (await channels(database)).items()
        if "power" not in path and "flow" not in path
    }


STILL = range(45 * 24 + 2, 47 * 24 + 6)
SILENT = range(44 * 24, 47 * 24)


async def test_a_register_that_stands_still_and_a_silent_meter_are_found(database: Database, tmp_path: Path) -> None:
    """From stored rows to the board, ranked; the rest of the fleet is left in peace."""
    of = await fleet(database, tmp_path)
    await store(database, hourly(of["E1"], still=STILL) + hourly(of["W1"], silent=SILENT))
    await settle_all(database, now=NOW)

    board = await database.rows("SELECT rule, meter, from_day::text, to_day::text, state IS NOT NULL FROM meterwarden.finding")
    assert ("zero_run", "E1", "2026-10-16", "2026-10-18", True) in board
    assert ("silent", "W1", "2026-10-16", "2026-10-17", True) in board
    assert {"E1", "W1"} == {row[1] for row in board}
    assert [(1,)] == await database.rows("SELECT rank::int FROM meterwarden.finding_board WHERE rule = 'zero_run'")
    assert [(0,)] == await database.rows("SELECT count(*) FROM metering.vee_due")


async def test_the_board_holds_back_what_would_flood_it(database: Database, tmp_path: Path) -> None:
    """Five silent meters of one institution: three are shown, the third says that there are two more."""
    meters = [meter(f"E{number}") for number in range(5)]
    await import_files(database, write_files(tmp_path, meters=meters))
    for channel in (await channels(database)).values():
        await store(database, hourly(channel, silent=SILENT))
    await settle_all(database, now=NOW)

    rows = await database.rows("SELECT held_back::int FROM meterwarden.finding_board WHERE rule = 'silent' ORDER BY rank")
    assert [(0,), (0,), (2,)] == rows


@pytest.mark.parametrize("newest_first", [True, False])
async def test_any_order_gives_the_findings_of_a_rebuild(
    database: Database, tmp_path: Path, seed: int, *, newest_first: bool
) -> None:
    """Days that arrive shuffled or backwards, settled and judged in between, also while days close: the findings of a rebuild."""
    of = await fleet(database, tmp_path)
    rng = random.Random(seed)
    rows = hourly(of["E1"], still=STILL) + hourly(of["E2"], silent=SILENT) + hourly(of["W1"])
    by_days: dict[tuple[int, int], list[Reading]] = {}
    for row in rows:
        by_days.setdefault((row[0], (row[1] - START) // (24 * 5 * HOUR_US)), []).append(row)
    parts = [by_days[key] for key in sorted(by_days, key=lambda key: -key[1])]
    if not newest_first:
        rng.shuffle(parts)
    for number, part in enumerate(parts):
        await store(database, part)
        if newest_first or rng.random() < 0.3:
            await settle_all(
                database, now=NOW - timedelta(days=max(8 - number // 4, 0)), channel_hours=rng.choice([40, 400, 50_000])
            )
    await settle_all(database, now=NOW, channel_hours=rng.choice([40, 50_000]))
    found, signals = await database.rows(FINDINGS), await database.rows("SELECT t::text FROM metering.vee_signal t ORDER BY 1")
    assert {"zero_run", "silent"} <= {row[1] for row in found}

    await forget_and_mark(database.settings)
    assert [] == await database.rows(FINDINGS)
    await settle_all(database, now=NOW)

    assert found == await database.rows(FINDINGS), f"seed {seed}"
    assert signals == await database.rows("SELECT t::text FROM metering.vee_signal t ORDER BY 1"), f"seed {seed}"


async def test_what_people_decided_survives_a_rebuild(database: Database, tmp_path: Path) -> None:
    """State, author and reason stay; the finding carries the same name."""
    of = await fleet(database, tmp_path)
    await store(database, hourly(of["E1"], still=STILL))
    await settle_all(database, now=NOW)
    name = (await database.rows("SELECT finding FROM meterwarden.finding WHERE rule = 'zero_run'"))[0][0]
    await database.run(
        "UPDATE metering.finding SET state = 'closed', author = 'li', reason = 'holiday', state_at = now() WHERE name = %s", name
    )

    await forget_and_mark(database.settings)
    assert [("withdrawn",)] == await database.rows("SELECT state FROM meterwarden.finding")
    await settle_all(database, now=NOW)

    assert [("closed", "li", "holiday")] == await database.rows(
        "SELECT state, author, reason FROM meterwarden.finding WHERE finding = %s", name
    )


async def test_late_readings_withdraw_what_they_refute(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding that nobody touched goes; one that somebody dealt with stays as withdrawn, and its history says so."""
    of = await fleet(database, tmp_path)
    all_rows = hourly(of["E1"])
    late = [row for row in all_rows if (row[1] - START) // HOUR_US - 1 in SILENT]
    await store(database, [row for row in all_rows if row not in late] + hourly(of["W1"], silent=SILENT))
    await settle_all(database, now=NOW)
    name = (await database.rows("SELECT finding FROM meterwarden.finding WHERE rule = 'silent' AND meter = 'E1'"))[0][0]

    shown = await run(database, monkeypatch, "list", "--json")
    assert {"E1", "W1"} == {row["meter"] for row in json.loads(shown) if row["rule"] == "silent"}
    assert "acknowledged" in await run(
        database, monkeypatch, "acknowledge", name[:8], "--author", "li", "--reason", "gateway is off"
    )
    assert "already" in await run(database, monkeypatch, "acknowledge", name, "--author", "li", "--reason", "again")
    assert name not in await run(database, monkeypatch, "list")

    await store(database, late)
    await store(database, [row for row in hourly(of["W1"]) if (row[1] - START) // HOUR_US - 1 in SILENT])
    await settle_all(database, now=NOW)

    assert [(name, "withdrawn")] == await database.rows("SELECT finding, state FROM meterwarden.finding WHERE rule = 'silent'")
    one = json.loads(await run(database, monkeypatch, "show", name, "--json"))
    assert ["acknowledged", "withdrawn"] == [entry["change"] for entry in one["history"]]
    assert one["history"][0]["author"] == "li"


async def test_a_jump_is_judged_anew_when_a_late_reading_shortens_the_silence_before_it(database: Database, tmp_path: Path) -> None:
    """No day comes to another amount, but the event that was found days later rests on another reading."""
    of = await fleet(database, tmp_path)
    rows = [
        (channel, at, value + (500_000_000 if at >= START + 47 * DAY_US else 0))
        for channel, at, value in hourly(of["E1"], silent=range(44 * 24, 47 * 24))
    ]
    await store(database, rows)
    await settle_all(database, now=NOW)
    jump = "SELECT evidence ->> 'from_value', impact > 0 FROM metering.vee_signal WHERE rule = 'unexplained'"
    assert [(str(rows[44 * 24 - 1][2]), True)] == await database.rows(jump)

    await store(database, hourly(of["E1"])[44 * 24 + 4 : 44 * 24 + 5])
    await settle_all(database, now=NOW)
    found = await database.rows(FINDINGS)
    assert [(str(hourly(of["E1"])[44 * 24 + 4][2]), True)] == await database.rows(jump)
    await forget_and_mark(database.settings)
    await settle_all(database, now=NOW)
    assert found == await database.rows(FINDINGS)


async def test_a_meter_never_heard_is_found_until_its_readings_come(database: Database, tmp_path: Path) -> None:
    """A week after it was registered, ranked, the same after a rebuild, no news from day to day; gone with its first readings."""
    of = await fleet(database, tmp_path)
    board = (
        "SELECT meter, from_day::text, to_day::text, impact_share <= 1, state FROM meterwarden.finding WHERE rule = 'never_heard'"
    )
    await database.run("UPDATE metering.meter SET registered_at = '2026-09-30 16:00+00' WHERE code = 'E2'")  # 1 October in Shanghai
    await store(database, hourly(of["E1"]))
    await settle_all(database, now=NOW - timedelta(days=14))
    assert [] == await database.rows(board)

    await settle_all(database, now=NOW - timedelta(days=2))
    assert [("E2", "2026-10-08", "2026-10-18", True, "open")] == await database.rows(board)
    assert [(1,)] == await database.rows("SELECT rank::int FROM meterwarden.finding_board WHERE rule = 'never_heard'")
    await database.run("UPDATE metering.finding SET state = 'acknowledged', author = 'li', reason = 'ordered', state_at = now()")
    await settle_all(database, now=NOW)
    shown = [("E2", "2026-10-08", "2026-10-20", True, "acknowledged")]
    assert shown == await database.rows(board)
    assert [] == await database.rows("SELECT * FROM meterwarden.finding_history")
    await forget_and_mark(database.settings)
    await settle_all(database, now=NOW)
    assert shown == await database.rows(board)

    await store(database, hourly(of["E2"])[-30:])
    await settle_all(database, now=NOW)
    assert ["withdrawn"] == [row[4] for row in await database.rows(board)]


async def test_a_meter_that_is_not_in_force_need_not_be_heard(database: Database, tmp_path: Path) -> None:
    """Taken down before it ever spoke: no finding."""
    await import_files(database, write_files(tmp_path, meters=[meter("E1", valid_to="2026-10-10"), meter("E2")]))
    await database.run("UPDATE metering.meter SET registered_at = '2026-09-30 16:00+00'")
    await settle_all(database, now=NOW)

    assert [("E2",)] == await database.rows("SELECT meter FROM meterwarden.finding WHERE rule = 'never_heard'")


async def test_a_charger_whose_sessions_came_was_heard(database: Database, tmp_path: Path) -> None:
    """One that sends sessions and no readings is no meter never heard; the one beside it, of which nothing came, is."""
    meters = [meter("C1", medium="charger"), meter("C2", medium="charger")]
    await import_files(database, write_files(tmp_path, meters=meters))
    await database.run("UPDATE metering.meter SET registered_at = '2026-09-30 16:00+00'")
    number = (await database.rows("SELECT meter FROM metering.meter WHERE code = 'C1'"))[0][0]
    begins = START + 40 * DAY_US
    session = SessionRow(number, "s-1", 1, *Statement(begins, 0, begins + HOUR_US, 20_000, 20_000), begins + HOUR_US)
    writer = Writer(database.settings)
    await writer.write([Assessed(Message("t", b"", 1, False, 1, 1, START), sessions=[session])])
    await writer.close()
    await settle_all(database, now=NOW)

    assert [("C2",)] == await database.rows("SELECT meter FROM meterwarden.finding WHERE rule = 'never_heard'")


@pytest.mark.parametrize(("times", "severities"), [(1, []), (3, ["critical"])])
async def test_chargers_are_among_the_meters_behind_a_meter(
    database: Database, tmp_path: Path, times: int, severities: list[str]
) -> None:
    """A charger that was half of a building rests for a week: nothing is unseen. One that counts threefold is found."""
    meters = [meter("E1"), meter("E2", role="sub", parent="E1"), meter("C1", medium="charger", role="sub", parent="E1")]
    await import_files(database, write_files(tmp_path, meters=meters))
    of = {path.split("/")[2]: channel for path, channel in (await channels(database)).items() if path.endswith("energy_import_kwh")}
    whole = hourly(of["E1"])
    rests = START + (DAYS - 8) * DAY_US
    shared = [(at, value // 2 if times > 1 or at < rests else 0) for (_, at, value) in advances(whole)]
    counted = [(at, value * (times if at > rests else 1)) for at, value in shared]
    await store(database, whole + registered(of["C1"], counted))
    await store(
        database,
        registered(of["E2"], [(at, value - part) for (_, at, value), (_, part) in zip(advances(whole), shared, strict=True)]),
    )
    await settle_all(database, now=NOW)

    assert severities == [
        row[0] for row in await database.rows("SELECT severity FROM meterwarden.finding WHERE rule = 'sum_of_children'")
    ]


async def test_a_check_meter_stands_behind_the_roof_of_the_meter_it_checks(database: Database, tmp_path: Path) -> None:
    """A day without a night at which neither moves is the sun's, of both; of a meter without a roof it is a finding."""
    roof = "energy_import_kwh energy_export_kwh"
    meters = [meter("E1", registers=roof), meter("E2", role="check", parent="E1"), meter("E3")]
    await import_files(database, write_files(tmp_path, meters=meters))
    for path, channel in (await channels(database)).items():
        if path.endswith("energy_import_kwh"):
            await store(database, hourly(channel, still=range(45 * 24 + 5, 45 * 24 + 20)))
    await settle_all(database, now=NOW)

    assert [("E3",)] == await database.rows("SELECT meter FROM meterwarden.finding WHERE rule = 'zero_run'")


def advances(readings: list[Reading]) -> list[Reading]:
    """What a register advanced by up to each reading."""
    return [(channel, at, value - before) for (_, _, before), (channel, at, value) in pairwise(readings)]


def registered(channel: int, advanced: list[tuple[int, int]]) -> list[Reading]:
    """The readings of a register that advances so."""
    values = accumulate((value for _, value in advanced), initial=0)
    return [(channel, at, value) for (at, _), value in zip(advanced, islice(values, 1, None), strict=True)]


async def test_commands_say_what_is_wrong(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name, an empty reason, an unknown rule: refused in words, nothing changed."""
    assert "no finding 'abc'" in await run(database, monkeypatch, "show", "abc", status=1)
    assert "--reason" in await run(database, monkeypatch, "close", "abc", "--author", "li", status=2)
    assert "empty" in await run(database, monkeypatch, "close", "abc", "--author", "li", "--reason", " ", status=1)
    assert "zero_run" in await run(database, monkeypatch, "list", "--rule", "zerorun", status=2)
    assert "no findings" in await run(database, monkeypatch, "list")


async def run(database: Database, monkeypatch: pytest.MonkeyPatch, *arguments: str, status: int = 0) -> str:
    """What `meterwarden findings` prints, with the writer's rights."""
    monkeypatch.setenv("METERWARDEN_DATABASE__URL", database.writer_url)
    monkeypatch.setenv("LC_ALL", "C")
    result: Any = await asyncio.to_thread(CliRunner().invoke, main, ["findings", *arguments])
    assert result.exit_code == status, result.output
    return str(result.output)
