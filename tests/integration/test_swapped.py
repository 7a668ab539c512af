"""Two meters that report under each other's code from some instant on: what is lost, what is said, and what an operator enters."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.metering.calendar import HOUR_US, instant, moment
from ingest.storage import decisions
from ingest.storage.connection import connected
from tests.databases import Database
from tests.registries import channels, import_files, meter, write_files
from tests.settling import derived, rebuild, settle_all, store

pytestmark = pytest.mark.usefixtures("marked_by_now")

START = instant(datetime(2026, 10, 1, tzinfo=UTC) - timedelta(hours=8))
NOON, BACK, HOURS = 24 * 3 + 12, 24 * 9 + 12, 24 * 12
SUM = "SELECT sum(amount) / 1000000 FROM metering.consumption_day"
SWAPPED = "SELECT meter, evidence->>'with', from_day, severity FROM meterwarden.finding WHERE rule = 'swapped' ORDER BY 3, 1"
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
    days = [date(2026, 10, 4), date(2026, 10, 10)]
    expected = [(code, beside, day, "critical") for day in days for code, beside in (("E1", "E2"), ("E2", "E1"))]
    assert expected == await database.rows(SWAPPED)

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
    assert [] == await database.rows(UNEXPLAINED) == await database.rows(SWAPPED)
    settled = await derived(database)
    await rebuild(database)
    assert settled == await derived(database)


async def test_a_swap_is_said_of_both_meters_whichever_of_them_arrives_first(database: Database, tmp_path: Path) -> None:
    """The second one's readings come when the first one's days have been judged; a third meter that was reset has no part in it."""
    await import_files(database, write_files(tmp_path, meters=[meter("E1"), meter("E2"), meter("E3")]))
    numbers = await channels(database)
    one, other, third = (numbers[f"I1/electricity/{code}/energy_import_kwh"] for code in ("E1", "E2", "E3"))
    hours = [(START + hour * HOUR_US, hour) for hour in range(HOURS)]
    await store(database, [[(third, at, 20_000_000 + hour if hour < NOON else hour) for at, hour in hours]])
    await store(database, [[(one, at, big(hour) if hour < NOON else small(hour)) for at, hour in hours]])
    await settle_all(database)
    assert [] == await database.rows(SWAPPED)
    await store(database, [[(other, at, small(hour) if hour < NOON else big(hour)) for at, hour in hours]])
    await settle_all(database)
    day = date(2026, 10, 4)
    assert [("E1", "E2", day, "critical"), ("E2", "E1", day, "critical")] == await database.rows(SWAPPED)
    settled, found = await derived(database), await database.rows(SWAPPED)
    await rebuild(database)
    assert settled == await derived(database)
    assert found == await database.rows(SWAPPED)

    async with connected(database.settings) as connection:
        at = moment(START + NOON * HOUR_US)
        register = await decisions.register(connection, "I1/electricity/E2", None, at)
        values = Decimal(small(NOON)).scaleb(-3), Decimal(big(NOON)).scaleb(-3)
        await decisions.exchange(connection, register, at, values, decisions.Grounds("E. Xample", "work order 17"))
    await settle_all(database)
    assert [] == await database.rows(SWAPPED)
