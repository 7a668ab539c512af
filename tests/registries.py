"""Small registries for tests, written as the CSV files that operators write."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest.storage.connection import connected
from ingest.storage.registry_csv import RegistryFault, read_files
from ingest.storage.registry_import import Difference, apply_registry
from ingest.storage.registry_lines import FILES, Line
from tests.databases import Database

QUOTA = {
    "standard": "SAMPLE", "edition": "1", "table": "1", "jurisdiction": "-", "class": "government", "period_kind": "month",
    "valid_from": "2020-01-01", "source": "invented for tests", "confidence": "sample", "sample": "yes",
}  # fmt: skip
QUOTAS = (
    {**QUOTA, "quota": "E-M", "indicator": "electricity_per_area", "unit": "kWh/m2", "guide": 4, "benchmark": 7, "constraint": 10},
    {**QUOTA, "quota": "W-M", "indicator": "water_per_person", "unit": "m3/person", "benchmark": 1, "constraint": 2},
    {**QUOTA, "quota": "E-Y", "indicator": "electricity_per_area", "unit": "kWh/m2", "constraint": 120, "period_kind": "year"},
)


def institution(code: str = "I1", *, region: str = "XN", area: float = 1000, people: float = 100, **other: Any) -> dict[str, Any]:
    """An institution line with its denominators."""
    return {
        "institution": code,
        "name": f"单位 {code}",
        "region": region,
        "class": "government",
        "area": area,
        "people": people,
        **other,
    }


def meter(code: str = "E1", of: str = "I1", medium: str = "electricity", **other: Any) -> dict[str, Any]:
    """A meter line: a main meter under gateway G1, hourly, with a register of six digits and two decimals."""
    return {
        "institution": of, "medium": medium, "meter": code, "gateway": "G1", "role": "main", "register_digits": 6,
        "register_decimals": 2, "rated_capacity": 100, "valid_from": "2020-01-01", **other,
    }  # fmt: skip


def charger(code: str = "C1", of: str = "I1", **other: Any) -> dict[str, Any]:
    """A charger line: a public DC charger of 120 kW with two connectors."""
    return {
        "institution": of, "charger": code, "site": "P1", "supply": "dc", "rated_kw": 120, "connectors": 2,
        "commissioned_on": "2022-05-01", "access": "public", **other,
    }  # fmt: skip


def write_files(
    directory: Path,
    institutions: Iterable[Mapping[str, Any]] = (institution(),),
    meters: Iterable[Mapping[str, Any]] = (meter(), meter("W1", medium="water")),
    quotas: Iterable[Mapping[str, Any]] = QUOTAS,
    timezone: str = "Asia/Shanghai",
    chargers: Iterable[Mapping[str, Any]] = (),
    exchanges: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """Write a registry's files."""
    directory.mkdir(parents=True, exist_ok=True)
    institutions = list(institutions)
    write_lines(directory / "regions.csv", [{"region": "XN", "name": "咸宁", "timezone": timezone}])
    write_lines(
        directory / "institutions.csv", [{k: v for k, v in one.items() if k not in ("area", "people")} for one in institutions]
    )
    write_lines(
        directory / "denominators.csv",
        [
            {
                "institution": one["institution"],
                "denominator": kind,
                "value": one[key],
                "valid_from": "2020-01-01",
                "source": "test",
            }
            for one in institutions
            for kind, key in (("floor_area_m2", "area"), ("people", "people"))
            if one[key] is not None
        ],
    )
    write_lines(directory / "meters.csv", meters)
    write_lines(directory / "quotas.csv", quotas)
    if chargers := list(chargers):
        write_lines(directory / "chargers.csv", chargers)
    if exchanges:
        write_lines(directory / "exchanges.csv", exchanges)
    return directory


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write one file; its columns are those that any line has, without lines those that a file must have."""
    lines = list(lines)
    columns = list(dict.fromkeys(name for line in lines for name in line)) or required(path.stem)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(lines)


def required(name: str) -> list[str]:
    """The columns that a registry file must have."""
    fields = FILES[name].model_fields.items()
    return [field.alias or column for column, field in fields if field.is_required() and column not in Line.model_fields]


def mistakes_in(directory: Path) -> list[str]:
    """What is wrong with a registry's files; pytest fails where nothing is."""
    with pytest.raises(RegistryFault) as fault:
        read_files(directory)
    assert str(fault.value) == "\n".join(fault.value.mistakes)
    return fault.value.mistakes


async def import_files(database: Database, directory: Path, *, dry_run: bool = False) -> Difference:
    """Import a directory, as the service's writer role."""
    async with connected(database.settings) as connection:
        return await apply_registry(connection, read_files(directory), dry_run=dry_run)


async def channels(database: Database) -> dict[str, int]:
    """Channel numbers by `institution/medium/meter/register`."""
    return dict(
        await database.rows(
            """SELECT concat_ws('/', i.code, m.medium, m.code, c.register), c.channel FROM metering.channel c
               JOIN metering.meter m USING (meter)
               JOIN metering.meter_version v USING (meter) JOIN metering.institution i USING (institution)"""
        )
    )
