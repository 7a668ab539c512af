"""Charging sessions on a real database: derived the same in any order, held against what the charger is."""

import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.messages import Assessed, Message, Row, SessionRow
from ingest.metering.calendar import HOUR_US, calendar, instant, moment
from ingest.metering.connectors import judge
from ingest.metering.sessions import Charger, Session, Statement, Version, fold
from ingest.storage.writer import Writer
from tests.databases import Database
from tests.integration.chargers import register
from tests.registries import channels
from tests.settling import NOW, derived, rebuild, settle_all

pytestmark = pytest.mark.usefixtures("marked_by_now")

MINUTE = HOUR_US // 60
START = instant(datetime(2026, 10, 30, 16, tzinfo=UTC))
"""Local midnight in Shanghai, two days before a month ends."""


async def number_of(database: Database, code: str = "C1") -> int:
    """The number of a charger's meter."""
    return (await database.rows("SELECT meter FROM metering.meter WHERE medium = 'charger' AND code = %s", code))[0][0]


def said(of: int, connector: int, session: str, statement: Statement) -> Assessed:
    """A statement as intake assesses it."""
    row = SessionRow(of, session, connector, *statement, START)
    return Assessed(Message("t", b"", 1, False, 1, 1, START), sessions=[row])


def read(channel: int, when: int, value: int) -> Assessed:
    """A reading as intake assesses it."""
    return Assessed(Message("t", b"", 1, False, 1, 1, START), [Row(channel, when, value, START)])


async def write(database: Database, batches: list[list[Assessed]]) -> None:
    """As intake commits them."""
    writer = Writer(database.settings)
    for batch in batches:
        await writer.write(batch)
    await writer.close()


def charged(begins: int, minutes: int, register: int, kwh: int, **more: Any) -> Statement:
    """A stop: a session from a minute after `START` on."""
    return Statement(
        START + begins * MINUTE, more.get("start", register), START + (begins + minutes) * MINUTE, register + kwh * 1000,
        more.get("energy"),
    )  # fmt: skip


async def test_statements_become_sessions_findings_and_the_views_of_a_site(database: Database, tmp_path: Path) -> None:
    """A day with a session from zero, one that nobody stated, and an honest one: hours, day, month and evidence."""
    await register(database, tmp_path, "I1")
    one, channel = await number_of(database), (await channels(database))["I1/charger/C1/energy_import_kwh"]
    advance = {9: 20_000, 12: 30_000, 20: 15_000}  # at 9 and 12 by sessions, at 20 by nobody
    registers = [(hour, 500_000 + sum(kwh for at_hour, kwh in advance.items() if at_hour < hour)) for hour in range(25)]
    await write(
        database,
        [
            [read(channel, START + hour * HOUR_US, value) for hour, value in registers],
            [said(one, 1, "honest", charged(9 * 60, 60, 500_000, 20, energy=20_000))],
            [said(one, 2, "from-zero", Statement(START + 12 * HOUR_US, 0))],
            [said(one, 2, "from-zero", charged(12 * 60, 30, 0, 550, energy=30_000))],
        ],
    )
    await settle_all(database)

    assert [
        ("from-zero", 2, 30, "closed", "stated", "started_at_zero", True, 2),
        ("honest", 1, 20, "closed", "measured", None, True, 1),
    ] == await database.rows(
        """SELECT session, connector, energy_kwh::int, state, quality, reason, billable, statements
           FROM meterwarden.charger_session ORDER BY session"""
    )
    evidence = await database.rows(
        "SELECT kind, session, (evidence->>'orphan')::bigint FROM meterwarden.charging_finding ORDER BY kind"
    )
    assert [("orphan_energy", None, 15_000_000), ("started_at_zero", "from-zero", None)] == evidence
    hours = await database.rows(
        """SELECT extract(hour FROM hour AT TIME ZONE 'Asia/Shanghai')::int, energy_kwh::int, average_kw::int, load_share::float,
                  occupied_share::float, chargers_reporting, chargers FROM meterwarden.charging_site_hour
           WHERE energy_kwh > 0 AND site = 'P1' ORDER BY hour"""
    )
    assert [(9, 20, 20, 0.15748, 0.333333, 1, 2), (12, 30, 30, 0.23622, 0.166667, 1, 2), (20, 15, 15, 0.11811, 0.0, 1, 2)] == hours
    assert [(date(2026, 10, 31), 65, 0, 65, 2, 2, 50, 1, 2)] == await database.rows(
        """SELECT day, energy_kwh::int, own_kwh::int, public_kwh::int, sessions, billable_sessions, billable_kwh::int,
                  chargers_reporting, chargers FROM meterwarden.charging_site_day"""
    )
    assert [("public", "dc", 65, 2, 50)] == await database.rows(
        "SELECT access, supply, energy_kwh::int, billable_sessions, billable_kwh::int FROM meterwarden.charging_month"
    )
    counts = await database.rows("SELECT supply, access, chargers, connectors FROM meterwarden.charger_count WHERE year = 2024")
    assert [("ac", "own", 1, 1), ("dc", "public", 1, 2)] == sorted(counts)


async def test_any_order_repetition_and_rounds_give_the_sessions_of_a_rebuild(
    database: Database, tmp_path: Path, seed: int
) -> None:
    """Random statements and readings, shuffled, repeated, settled in small rounds: the same rows, and those of the pure fold."""
    await register(database, tmp_path, "I1", digits=5)
    rng, numbers = random.Random(seed), await channels(database)
    of = {code: await number_of(database, code) for code in ("C1", "C2")}
    statements = [(of[code], *each) for code in of for each in random_statements(rng)]
    everything = [said(*each) for each in statements]
    for code in of:
        everything += random_readings(rng, numbers[f"I1/charger/{code}/energy_import_kwh"])
    expected = None
    for _ in range(2):
        for table in ("reading", "conflict", "mark", "session_statement", "charging_due"):
            await database.run(f"DELETE FROM metering.{table}")
        await rebuild(database)
        arriving = everything + rng.choices(everything, k=len(everything) // 5)
        rng.shuffle(arriving)
        while arriving:
            size = rng.randrange(1, 40)
            await write(database, [arriving[:size]])
            arriving = arriving[size:]
            if rng.random() < 0.5:
                await settle_all(database, channel_hours=rng.choice([7, 50, 50_000]))
        await settle_all(database)
        rows = await derived(database)
        expected = expected or rows
        assert expected == rows, f"seed {seed}"
        await rebuild(database, channel_hours=rng.choice([50, 50_000]))
        assert expected == await derived(database), f"rebuild, seed {seed}"
    assert expected is not None
    assert expected["charging_finding"]
    await _equals_the_pure_fold(database, statements)


def random_statements(rng: random.Random) -> list[tuple[int, str, Statement]]:
    """Sessions of two connectors over some days: honest, from zero, cut, overlapping, reversed, repeated with differences."""
    found = []
    for connector in (1, 2):
        begins, register = rng.randrange(600), rng.randrange(10**8)
        for number in range(25):
            lasts, kwh = rng.choice([5, 30, 60, 600, 5_000]), rng.choice([0, 3, 10, 60])
            name = f"S{number}" if rng.random() < 0.9 else "S0"
            start = 0 if rng.random() < 0.1 else register
            stop = charged(begins, lasts, register, kwh, start=start, energy=rng.choice([None, kwh * 1000, 5_000]))
            found.append((connector, name, Statement(stop.started_at, start)))
            if rng.random() < 0.9:
                found.append((connector, name, stop))
            if rng.random() < 0.2:
                found.append((connector, name, stop._replace(stop_register=rng.choice([None, 0, register + kwh * 1000 + 7]))))
            register = (register + kwh * 1000) % 10**8
            begins += lasts + rng.choice([-20, 0, 10, 90, 300])
    return found


def random_readings(rng: random.Random, channel: int) -> list[Assessed]:
    """A week of an hourly register, with silences."""
    value, found = rng.randrange(10**8), []
    for hour in range(24 * 7):
        value = (value + rng.choice([0, 0, 0, 7_000, 50_000])) % 10**8
        if rng.random() < 0.98:
            found.append(read(channel, START + hour * HOUR_US, value))
    return found


async def _equals_the_pure_fold(database: Database, statements: list[tuple[int, int, str, Statement]]) -> None:
    known = Charger(calendar("Asia/Shanghai"), 120_000, (Version(0, 1000, 10, 10**8, HOUR_US),))
    of = await number_of(database)
    wanted: list[Session] = []
    for connector in (1, 2):
        names = {name for meter_, there, name, _ in statements if meter_ == of and there == connector}
        mine = {name: [s for m, c, n, s in statements if (m, c, n) == (of, connector, name)] for name in names}
        wanted += judge([fold(connector, name, stated, known) for name, stated in mine.items()], known)
    rows = await database.rows(
        """SELECT connector, session, started_at, ends_at, energy, state, reason, billable FROM metering.charging_session
           WHERE meter = %s""",
        of,
    )
    assert sorted(rows) == sorted(
        (one.connector, one.session, moment(one.started_at), moment(one.ends_at), one.energy, one.state, one.reason, one.billable)
        for one in wanted
    )


async def test_a_charger_whose_rated_power_is_corrected_has_its_sessions_judged_again(database: Database, tmp_path: Path) -> None:
    """60 kWh in half an hour: too much for its meter's 100 kW while nobody knows the charger, and for 60 kW; not for 240 kW."""
    await register(database, tmp_path, "I1", rated_kw=None)
    await write(database, [[said(await number_of(database), 1, "S", charged(0, 30, 100_000, 60))]])
    await settle_all(database)
    assert [(None, "no_energy")] == await database.rows("SELECT site, reason FROM meterwarden.charger_session")
    await register(database, tmp_path, "I1", rated_kw=60)
    await settle_all(database)
    assert [("impossible_energy",), ("no_energy",)] == await database.rows("SELECT kind FROM metering.charging_finding ORDER BY 1")
    await register(database, tmp_path, "I1", rated_kw=240)
    await settle_all(database)
    assert [(60_000_000, True)] == await database.rows("SELECT energy, billable FROM metering.charging_session")
    assert [] == await database.rows("SELECT kind FROM metering.charging_finding")


async def test_days_before_the_first_session_are_judged_once_it_is_known(database: Database, tmp_path: Path) -> None:
    """The first session comes late, after the days that follow it were settled; then an even earlier one."""
    await register(database, tmp_path, "I1")
    one, channel = await number_of(database), (await channels(database))["I1/charger/C1/energy_import_kwh"]
    await write(database, [[read(channel, START + hour * HOUR_US, 2_000 * hour) for hour in range(24 * 4 + 1)]])
    await settle_all(database, now=NOW)
    assert [] == await database.rows("SELECT FROM metering.charging_finding")
    for first, days in ((2, 2), (0, 4)):
        await write(database, [[said(one, 1, f"S{first}", charged(first * 1440 + 600, 60, 100_000, 10))]])
        await settle_all(database, now=NOW)
        assert [(days,)] == await database.rows("SELECT count(*) FROM metering.charging_finding WHERE kind = 'orphan_energy'")
        before = await derived(database)
        await rebuild(database)
        assert before == await derived(database)
