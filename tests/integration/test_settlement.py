"""Settlement on a real database: any order gives the same rows, equal to a rebuild, and exact sums."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.metering.calendar import HOUR_US, instant, moment, utc_hour
from ingest.settlement import Round
from ingest.storage.rebuild import DERIVED
from tests.databases import Database
from tests.registries import channels, import_files, write_files
from tests.settling import derived, rebuild, settle_all, settle_once, store

SHANGHAI = timedelta(hours=8)
START = instant(datetime(2026, 10, 1, tzinfo=UTC) - SHANGHAI)


async def test_a_month_of_readings_becomes_hours_days_months_and_a_verdict(database: Database, tmp_path: Path) -> None:
    """The straight line: readings, consumption with exact sums, institution totals, the level of the closed month."""
    await import_files(database, write_files(tmp_path))
    electricity = (await channels(database))["I1/electricity/E1/energy_import_kwh"]
    hourly = [(electricity, START + n * HOUR_US, 20_000 * n) for n in range(31 * 24 + 1)]
    await store(database, [hourly])
    await settle_all(database)

    assert [(31 * 24 * 20_000 * 1000, 31 * 24 * HOUR_US)] == await database.rows(
        "SELECT amount, measured_us FROM metering.consumption_month WHERE month = '2026-10-01'"
    )
    assert [("2026-10-01", True, "exceeded", "over", 14880, 10000)] == await database.rows(
        """SELECT period_start::text, closed, level, rating, used::int, allowance::int FROM meterwarden.quota_status
           WHERE indicator = 'electricity_per_area' AND period_kind = 'month' AND period_start = '2026-10-01'"""
    )
    assert [(31 * 24,)] == await database.rows("SELECT count(*) FROM meterwarden.consumption_hour")
    before = await derived(database)
    await rebuild(database)
    assert before == await derived(database)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin"])
async def test_any_order_duplication_and_batching_gives_identical_rows(
    database: Database, tmp_path: Path, seed: int, zone: str
) -> None:
    """Readings shuffled, repeated, split into batches, settled in between in bounded rounds: the rows of a rebuild.

    Exchanges are declared somewhere in between: late or early, the rows are the same.
    """
    await import_files(database, write_files(tmp_path, timezone=zone))
    numbers = sorted((await channels(database)).values())
    rng = random.Random(seed)
    history = [row for channel in numbers for row in random_history(rng, channel)]
    exchanges = [(channel, START + rng.randrange(25, 40) * 24 * HOUR_US) for channel in numbers]
    expected = None
    for _ in range(3):
        for table in (*DERIVED, "reading", "conflict", "mark", "exchange"):
            await database.run(f"DELETE FROM metering.{table}")
        undeclared = list(exchanges)
        arriving = history + rng.choices(history, k=len(history) // 5)
        rng.shuffle(arriving)
        while arriving:
            size = rng.randrange(1, 60)
            await store(database, [arriving[:size]])
            arriving = arriving[size:]
            if undeclared and (rng.random() < 0.05 or not arriving):
                await declare(database, *undeclared.pop())
            if rng.random() < 0.3:
                await settle_all(database, channel_hours=rng.choice([1, 5, 50_000]))
        for exchange in undeclared:
            await declare(database, *exchange)
        await settle_all(database)
        rows = await derived(database)
        expected = expected or rows
        assert expected == rows, f"seed {seed}"
        await rebuild(database, channel_hours=rng.choice([1, 50_000]))
        assert expected == await derived(database), f"rebuild, seed {seed}"


def random_history(rng: random.Random, channel: int) -> list[tuple[int, int, int]]:
    """Readings over a month's end with steps, silences (some with like days), falls, jumps, resets, and disputed keys."""
    at, value, rows = START + 17 * 24 * HOUR_US, rng.randrange(10**9), []
    for _ in range(8 * 24 if channel == 1 else 0):
        at += HOUR_US
        value = (value + rng.randrange(1000)) % 10**9
        rows.append((channel, at, value))
    for _ in range(120):
        at += int(rng.choice([0.25, 1, 1, 1, 1, 2.5, 5, 7, 40]) * HOUR_US) + rng.choice([0, 0, 1, 777])
        value = (value + rng.randrange(100_000)) % 10**9
        shown = rng.randrange(10**9) if rng.random() < 0.05 else value
        rows.append((channel, at, shown))
        if rng.random() < 0.03:
            rows.append((channel, at, shown + 1))
        if rng.random() < 0.03:
            value = rng.choice([rng.randrange(10**9), rng.randrange(1000)])
    return rows


async def declare(database: Database, channel: int, at: int) -> None:
    """A declared exchange, with its mark: the old register ends far up, the new one begins at 3."""
    await database.run(
        """INSERT INTO metering.exchange (channel, exchanged_at, old_final, new_initial, author, reason)
           VALUES (%s, %s, %s, 3, 'test', 'test')""", channel, moment(at), 10**8 + channel
    )  # fmt: skip
    await database.run(
        "INSERT INTO metering.mark (channel, utc_hour) VALUES (ARRAY[%s::int], ARRAY[%s::int])", channel, utc_hour(at)
    )


async def test_a_silent_institution_is_not_assessable_and_says_why(database: Database, tmp_path: Path) -> None:
    """Without readings there is no verdict: the tick of the closed day makes the silence visible."""
    await import_files(database, write_files(tmp_path))
    await settle_all(database)

    rows = await database.rows(
        """SELECT DISTINCT indicator, level, missing_share::int FROM meterwarden.quota_status
           WHERE period_kind = 'month' ORDER BY 1"""
    )
    assert [("electricity_per_area", "not_assessable", 1), ("water_per_person", "not_assessable", 1)] == rows
    assert Round(0, 0) == await settle_once(database)
