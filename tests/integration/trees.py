"""A tree of meters over one month, read and settled, and what is derived from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.metering.calendar import HOUR_US, instant
from tests import settling
from tests.databases import Database
from tests.registries import QUOTAS, channels, meter, write_files, write_lines
from tests.settling import derived, differences, rebuild, settle_all

START = instant(datetime(2026, 9, 30, 16, tzinfo=UTC))  # 1 October in Shanghai
HOURS = 31 * 24
BOTH = "energy_import_kwh energy_export_kwh"
METERS = {
    "E1": meter(registers=BOTH),
    "E2": meter("E2", role="branch", parent="E1", sub_item="A"),
    "E3": meter("E3", role="branch", parent="E1", sub_item="D"),
    "E4": meter("E4", role="sub", parent="E3", sub_item="D1"),
    "E9": meter("E9", role="check", parent="E1"),
    "C1": meter("C1", medium="charger", role="sub", parent="E1", sub_item="D6"),
}
KWH_AN_HOUR = {"E1": 100, "E2": 30, "E3": 40, "E4": 25, "E9": 99, "C1": 10}
EXPORTED = 5
VIRTUAL = {"institution": "I1", "medium": "electricity", "meter": "V1", "formula": "E3 - E4", "role": "sub", "parent": "E3",
           "valid_from": "2020-01-01"}  # fmt: skip
NET = {"institution": "I1", "pv_rule": "net", "valid_from": "2020-01-01", "source": "invented for tests"}
MONTH = """SELECT used::int, level, excludes, excluded, deducted_known_share::float FROM meterwarden.quota_status
           WHERE indicator = 'electricity_per_area' AND period_kind = 'month' AND period_start = '2026-10-01'"""
DERIVED_FROM_TREES = ("virtual_day", "virtual_month", "gap_day", "gap_month", "sub_item_day", "sub_item_month", "quota_status")


def files(directory: Path, *, meters: Mapping[str, Any] = METERS, excludes: str = "", **more: list[Mapping[str, Any]]) -> Path:
    """A registry; `more` are the lines of optional files, and `versions` further versions of meters."""
    lines = [*meters.values(), *more.pop("versions", [])]
    quotas = [*more.pop("quotas", []), {**QUOTAS[0], "excludes": excludes}, *QUOTAS[1:]]
    write_files(directory, meters=lines, quotas=quotas)
    for name, rows in more.items():
        write_lines(directory / f"{name}.csv", rows)
    return directory


async def store(database: Database, rows: list[tuple[int, int, int]]) -> None:
    """Write (channel, read_at, value), as the service does."""
    await settling.store(database, [rows[start : start + 2_000] for start in range(0, len(rows), 2_000)])


async def month_of_readings(database: Database, *, silent: Mapping[str, range] | None = None) -> None:
    """Every meter read at every full hour of October at its own pace; `silent` ones not in some hours."""
    numbers, rows = await channels(database), []
    for path, channel in numbers.items():
        _, _, code, register = path.split("/")
        if not register.endswith("kwh"):
            continue
        pace = EXPORTED if register == "energy_export_kwh" else KWH_AN_HOUR[code]
        hours = (hour for hour in range(HOURS + 1) if hour not in (silent or {}).get(code, range(0)))
        rows += [(channel, START + hour * HOUR_US, pace * 1000 * hour) for hour in hours]
    await store(database, rows)
    await settle_all(database)


async def derived_from_scratch_is_the_same(database: Database) -> None:
    """A rebuild changes nothing."""
    before = await derived(database)
    await rebuild(database)
    assert [] == differences(before, await derived(database))[:5]
