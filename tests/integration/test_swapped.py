"""Two meters that report under each other's code from some instant on: what is lost, what is said, and what an operator enters."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from ingest.metering.calendar import HOUR_US, instant, moment
from ingest.storage import decisions
from ingest.storage.connection import connected
from tests.databases import Database
from tests.registries import channels, import_files, meter, write_files
from tests.settling import derived, rebuild, settle_all, store

START = instant(datetime(2026, 10, 1, tzinfo=UTC) - timedelta(hours=8))
NOON, BACK, HOURS = 24 * 3 + 12, 24 * 9 + 12, 24 * 12
SUM = "SELECT sum(amount) / 1000000 FROM metering.consumption_day"
UNEXPLAINED = """SELECT meter, evidence->>'event', (evidence->>'from_value')::int, (evidence->>'to_value')::int
                 FROM meterwarden.finding WHERE rule = 'unexplained' ORDER BY from_day, meter"""


def big(hour: int) -> int:
    """Register of the big meter, in thousandths of a kWh: 10 kWh an hour."""
    return 40_000_000 + 10_000 * hour


def small(hour: int) -> int:
    """Register of the small one: 3 kWh an hour."""
    return 10_000_000 + 3_000 * hour


async def test_swapped_meters_lose_one_step_each_are_two_findings_and_two_exchanges_make_the_sum_whole(
    database: Database, tmp_path: Path
) -> None:
    """From a noon to another six days later; a reading at noon is the other meter's already."""
    await import_files(database, write_files(tmp_path, meters=[meter("E1"), meter("E2")]))
    numbers = await channels(database)
    one, other = (numbers[f"I1/electricity/{code}/energy_import_kwh"] for code in ("E1", "E2"))
    rows = []
    for hour in range(HOURS):
        at, swapped = START + hour * HOUR_US, NOON <= hour < BACK
        rows += [(other if swapped else one, at, big(hour)), (one if swapped else other, at, small(hour))]
    await store(database, [rows])
    await settle_all(database)

    passed = (HOURS - 1) * 13
    assert [(passed - 2 * 13,)] == await database.rows(SUM)
    assert [
        ("E1", "unexplained", big(NOON - 1), small(NOON)),
        ("E2", "unexplained", small(NOON - 1), big(NOON)),
        ("E1", "unexplained", small(BACK - 1), big(BACK)),
        ("E2", "unexplained", big(BACK - 1), small(BACK)),
    ] == await database.rows(UNEXPLAINED)

    async with connected(database.settings) as connection:
        for hour in (NOON, BACK):
            at = moment(START + hour * HOUR_US)
            for code, (old, new) in {"E1": (big, small), "E2": (small, big)}.items():
                final, initial = (old, new) if hour == NOON else (new, old)
                register = await decisions.register(connection, f"I1/electricity/{code}", None, at)
                values = Decimal(final(hour)).scaleb(-3), Decimal(initial(hour)).scaleb(-3)
                await decisions.exchange(connection, register, at, values, decisions.Grounds("E. Xample", "swapped at the gateway"))
    await settle_all(database)
    assert [(passed,)] == await database.rows(SUM)
    assert [] == await database.rows(UNEXPLAINED)
    settled = await derived(database)
    await rebuild(database)
    assert settled == await derived(database)
