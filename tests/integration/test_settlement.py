"""Settlement on a real database: any order gives the same rows, equal to a rebuild, and exact sums."""

import random
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from pathlib import Path

import psycopg
import pytest

from ingest.metering.calendar import HOUR_US, instant, moment
from ingest.storage import decisions
from ingest.storage.decisions import Grounds
from ingest.storage.queries import QUERIES
from ingest.storage.rebuild import DERIVED
from ingest.storage.registry_csv import RegistryFault
from tests.databases import Database
from tests.registries import channels, import_files, institution, meter, write_files, write_lines
from tests.settling import (
    ByHand,
    by_hand,
    derived,
    derived_equals_rebuild,
    rebuild,
    settle_all,
    store,
)

pytestmark = pytest.mark.usefixtures("marked_by_now")

SHANGHAI = timedelta(hours=8)
CUMULATIVE = ("energy_import_kwh", "volume_m3")
GROUNDS = Grounds("test", "test")
START = instant(datetime(2026, 10, 1, tzinfo=UTC) - SHANGHAI)


async def test_a_month_of_readings_becomes_hours_days_months_and_a_verdict(database: Database, tmp_path: Path) -> None:
    """The straight line: readings, consumption with exact sums, institution totals, the level of the closed month."""
    await import_files(database, write_files(tmp_path))
    electricity = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    hourly = [(electricity, START + n * HOUR_US, 20_000 * n) for n in range(31 * 24 + 1)]
    await store(database, [hourly])
    await settle_all(database)

    assert [(31 * 24 * 20, 31 * 24 * 3600)] == await database.rows(
        """SELECT amount::int, measured_seconds::int FROM meterwarden.consumption_month
           WHERE month = '2026-10-01' AND register = 'energy_import_kwh' AND meter = 'E1'"""
    )
    assert [("2026-10-01", True, "exceeded", "over", 14880, 10000)] == await database.rows(
        """SELECT period_start::text, closed, level, rating, used::int, allowance::int FROM meterwarden.quota_status
           WHERE indicator = 'electricity_per_area' AND period_kind = 'month' AND period_start = '2026-10-01'"""
    )
    assert [(31 * 24,)] == await database.rows("SELECT count(*) FROM meterwarden.consumption_hour")
    before = await derived(database)
    await rebuild(database)
    assert before == await derived(database)


async def test_a_year_holds_what_none_of_its_months_can_claim(database: Database, tmp_path: Path) -> None:
    """A silence too long for any shape, across a month's edge: neither month has it, the year has, and both views say so."""
    await import_files(database, write_files(tmp_path))
    electricity = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    hours = [*range(-4 * 24, -2 * 24 + 1), *range(5 * 24, 6 * 24 + 1)]
    await store(database, [[(electricity, START + n * HOUR_US, 20_000 * (n + 4 * 24)) for n in hours]])
    await settle_all(database)

    assert [("2026-09-01", 960, 0, 48 * 3600), ("2026-10-01", 480, 0, 24 * 3600)] == await database.rows(
        """SELECT month::text, amount::int, unallocated::int, measured_seconds::int FROM meterwarden.consumption_month
           WHERE institution = 'I1' AND meter = 'E1' ORDER BY month"""
    )
    silence = 7 * 24 * 20
    assert [("2026-01-01", 960 + 480 + silence, silence, 10 * 24 * 3600)] == await database.rows(
        """SELECT year::text, amount::int, unallocated::int, measured_seconds::int FROM meterwarden.consumption_year
           WHERE institution = 'I1' AND meter = 'E1'"""
    )


async def test_a_settler_goes_by_the_registry_as_it_stands_in_each_round(database: Database, tmp_path: Path) -> None:
    """A ratio entered while the settler runs holds from its next round on, though it keeps its channels between rounds."""
    await import_files(database, write_files(tmp_path, meters=[meter("E1")]))
    electricity = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    async with by_hand(database) as hand:
        await hand.store([(electricity, START, 0), (electricity, START + HOUR_US, 5_000)])
        await hand.settle()
        await import_files(database, write_files(tmp_path, meters=[meter("E1", ratio=2)]))
        await hand.store([(electricity, START + 2 * HOUR_US, 10_000)])
        await hand.settle()
    amounts = "SELECT amount FROM metering.consumption_hour ORDER BY hour"
    assert [(10_000_000,), (10_000_000,)] == await database.rows(amounts)


async def test_what_is_settled_is_not_read_again_for_what_is_newer(database: Database, tmp_path: Path) -> None:
    """The day's earlier readings are gone, unknown to settlement: a newer one goes on as if they were there, a late one cannot."""
    await import_files(database, write_files(tmp_path))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    quarter_hours = [(channel, START + n * HOUR_US // 4, 20_000 * n) for n in range(41)]
    await store(database, [quarter_hours[:38]])
    await settle_all(database)
    await database.run("DELETE FROM metering.reading WHERE read_at < %s", moment(START + 9 * HOUR_US))
    await store(database, [quarter_hours[38:39], quarter_hours[40:]])
    await settle_all(database)

    day = "SELECT amount, measured_us FROM metering.consumption_day"
    assert [(40 * 20_000 * 1000, 10 * HOUR_US)] == await database.rows(day)
    await store(database, [quarter_hours[39:40]])
    await settle_all(database)
    assert [(4 * 20_000 * 1000, HOUR_US)] == await database.rows(day), "a late reading folds its whole day again"


async def test_a_round_looks_for_what_is_new_in_no_chunk_but_its_own(database: Database, tmp_path: Path) -> None:
    """Years of weekly chunks would each be asked for each channel otherwise."""
    await import_files(database, write_files(tmp_path))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    await store(database, [[(channel, START + week * 7 * 24 * HOUR_US, week) for week in range(8)]])
    begin, end = START + 7 * 7 * 24 * HOUR_US, START + (7 * 7 * 24 + 1) * HOUR_US
    span = {
        "channel": f"{{{channel}}}", "from": f"{{{begin}}}", "until": f"{{{end}}}",
        "earliest": moment(begin), "latest": moment(end),
    }  # fmt: skip
    async with await psycopg.AsyncConnection.connect(database.writer_url) as connection:
        plan = await (await connection.execute(f"EXPLAIN {QUERIES['settling_readings']}", span)).fetchall()
    assert 1 == len(set(re.findall(r"_hyper_\d+_\d+_chunk\b", "\n".join(line for (line,) in plan))))


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin"])
async def test_any_order_duplication_and_batching_gives_identical_rows(
    database: Database, tmp_path: Path, seed: int, zone: str
) -> None:
    """Readings shuffled, repeated, split into batches, settled in between in bounded rounds: the rows of a rebuild.

    Edits are made and exchanges declared and withdrawn somewhere in between: late or early, the rows are the same.
    """
    await import_files(database, write_files(tmp_path, timezone=zone))
    numbers = await channels(database)
    rng = random.Random(seed)
    history = [row for channel in sorted(numbers.values()) for row in random_history(rng, channel)]
    decided = [
        one
        for path, channel in numbers.items()
        if path.endswith(CUMULATIVE)
        for one in random_decisions(rng, path, channel, history)
    ]
    expected = None
    async with by_hand(database) as hand:
        for attempt in range(3):
            for table in (*DERIVED, "tick", "reading", "conflict", "mark", "exchange", "edit"):
                await database.run(f"DELETE FROM metering.{table}")
            undecided, arriving = list(decided), history + rng.choices(history, k=len(history) // 5)
            rng.shuffle(arriving)
            if attempt == 0:
                arriving.sort(key=itemgetter(1))  # as they nearly always come: each goes on from the newest state
            while arriving or undecided:
                size = rng.randrange(1, 80)
                await hand.store(arriving[:size])
                arriving = arriving[size:]
                while undecided and (rng.random() < 0.2 or not arriving):
                    await decide(hand, *undecided.pop(0))
                if rng.random() < 0.3:
                    await hand.settle(channel_hours=rng.choice([1, 5, 50_000]))
            await hand.settle()
            rows = await derived(database)
            expected = expected or rows
            assert expected == rows, f"seed {seed}"
        await rebuild(database, channel_hours=rng.choice([1, 50_000]))
        assert expected == await derived(database), f"rebuild, seed {seed}"


def random_history(rng: random.Random, channel: int) -> list[tuple[int, int, int]]:
    """Readings over a month's end with steps, silences (some with like days), falls, jumps, resets, standstills, disputed keys."""
    at, value, rows = START + 17 * 24 * HOUR_US, rng.randrange(10**9), []
    for _ in range(8 * 24 if channel == 1 else 0):
        at += HOUR_US
        value = (value + rng.randrange(1000)) % 10**9
        rows.append((channel, at, value))
    for _ in range(120):
        at += int(rng.choice([0.25, 1, 1, 1, 1, 2.5, 5, 7, 40]) * HOUR_US) + rng.choice([0, 0, 1, 777])
        value = (value + rng.randrange(100_000)) % 10**9
        shown = rng.randrange(10**9) if rng.random() < 0.05 else rows[-1][2] if rows and rng.random() < 0.1 else value
        rows.append((channel, at, shown))
        if rng.random() < 0.03:
            rows.append((channel, at, shown + 1))
        if rng.random() < 0.03:
            value = rng.choice([rng.randrange(10**9), rng.randrange(1000)])
    return rows


Decision = tuple[str, str, int, tuple[int, int] | int | None]
"""What, of which register, at which instant; the values of an exchange, or of an edit."""


def random_decisions(rng: random.Random, path: str, channel: int, history: list[tuple[int, int, int]]) -> list[Decision]:
    """Edits of readings there are and of instants without any, some twice; two exchanges declared, one of them withdrawn."""
    readings = [(at, value) for of, at, value in history if of == channel]
    found: list[Decision] = []
    for at, value in rng.sample(readings, 6):
        found.append(("edit", path, at + rng.choice([0, 0, 1, HOUR_US // 3]), rng.choice([None, value, value + 17])))
    found += [("edit", path, at, None) for _, _, at, _ in rng.sample(found, 2)]
    ats = [START + rng.randrange(25, 40) * 24 * HOUR_US + rng.randrange(3) for _ in range(2)]
    found += [("exchange", path, at, (10**8 + channel, 3)) for at in ats]
    return [*found, ("exchange", path, ats[0], None)]


async def decide(hand: ByHand, what: str, path: str, at: int, values: tuple[int, int] | int | None) -> None:
    """As an operator does."""
    meter, _, name = path.rpartition("/")
    register = await decisions.register(hand.connection, meter, name, moment(at))
    if what == "edit":
        value = None if values is None else Decimal(values).scaleb(-3)
        await decisions.edit(hand.connection, register, moment(at), value, GROUNDS)
    else:
        old_new = None if values is None else (Decimal(values[0]).scaleb(-3), Decimal(values[1]).scaleb(-3))
        await decisions.exchange(hand.connection, register, moment(at), old_new, GROUNDS)


async def test_an_institution_keeps_its_days_once_they_are_settled(database: Database, tmp_path: Path, now: datetime) -> None:
    """A region of another zone may be corrected before anything was derived; afterwards days would begin at two midnights."""
    since = "2020-01-01T00:00:00+08:00"

    def moved(region: str) -> Path:
        meters = [meter(valid_from=since), meter("C1", medium="charger", valid_from=since)]
        directory = write_files(tmp_path / region, institutions=[institution(region=region)], meters=meters)
        zones = {"XN": "Asia/Shanghai", "XC": "Asia/Chongqing", "BE": "Europe/Berlin"}
        write_lines(directory / "regions.csv", [{"region": code, "name": code, "timezone": zone} for code, zone in zones.items()])
        return directory

    await import_files(database, moved("BE"))
    await settle_all(database, now=now)
    await import_files(database, moved("XN"))
    channel = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    await store(database, [[(channel, START + n * HOUR_US, 100 * n) for n in range(99)]])
    await derived_equals_rebuild(database, now)

    with pytest.raises(
        RegistryFault, match=r"I1: region: days of Asia/Shanghai are settled, which are none of Europe/Berlin; leave"
    ):
        await import_files(database, moved("BE"))


async def test_marks_that_wait_are_told_with_the_oldest_and_the_newest(database: Database) -> None:
    """From their numbers the settler learns how long the oldest has waited."""
    question = QUERIES["marks_waiting"]
    assert await database.rows(question) == [(0, None, None)]
    await store(database, [[(1, HOUR_US, 1), (1, 2 * HOUR_US, 2)], [(2, HOUR_US, 1)], [(3, HOUR_US, 1)]])
    ((waiting, oldest, newest),) = await database.rows(question)
    assert (waiting, newest - oldest) == (4, 2)
