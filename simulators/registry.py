"""Fleet -> the registry's CSV files, as `docs/registry.md` describes them."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from simulators import device, fleet, quotas
from simulators.charger import Charger
from simulators.city.hours import months
from simulators.fleet import Fleet
from simulators.meter import Meter
from simulators.month import Month
from simulators.quotas import Indicator, PeriodKind
from simulators.site import VIRTUAL, Identity, Institution

Row = Sequence[object]

COLUMNS: Final = {
    "regions": "region name timezone",
    "institutions": "institution name region class sub_class climate_zone heating_type",
    "denominators": "institution denominator value valid_from valid_to source",
    "meters": "institution medium meter gateway role parent sub_item registers register_digits register_decimals"
    " interval_minutes rated_capacity ratio valid_from valid_to",
    "virtual_meters": "institution medium meter formula role parent sub_item valid_from valid_to",
    "pv_rules": "institution pv_rule valid_from valid_to source",
    "chargers": "institution charger site supply rated_kw connectors commissioned_on access",
    "quotas": "quota standard edition table jurisdiction class sub_class climate_zone heating_type indicator unit"
    " period_kind guide benchmark constraint valid_from valid_to source confidence sample excludes",
    "factors": "factor_set item unit kgce_per_unit source confidence",
}
PERIOD_KINDS: Final[tuple[PeriodKind, ...]] = ("month", "year")
FACTOR_SET: Final = "SAMPLE"


def write(of: Fleet, directory: Path) -> list[Path]:
    """Write every file; the directory is made where it is missing. Returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    return [_write(directory / f"{name}.csv", COLUMNS[name].split(), rows) for name, rows in tables(of).items()]


def tables(of: Fleet) -> dict[str, Iterable[Row]]:
    """The rows of every file, without the header."""
    institutions, year_start = of.institutions, f"{of.month.year}-01-01"
    return {
        "regions": [(code, name, "Asia/Shanghai") for code, name in fleet.REGIONS.items()],
        "institutions": [_institution(each.identity) for each in institutions],
        "denominators": [row for each in institutions for row in _denominators(each.identity, year_start)],
        "meters": [_meter(meter, each.identity, year_start) for each in institutions for meter in each.meters],
        "virtual_meters": [row for each in institutions for row in _virtual(each, year_start)],
        "pv_rules": [(each.identity.code, "net", year_start, "", "simulated") for each in institutions if each.is_net],
        "chargers": [_charger(each, of_it) for each in institutions for of_it in each.chargers],
        "quotas": list(_quotas(of.month.year)),
        "factors": [
            (FACTOR_SET, "electricity", "kWh", "0.1229", "calorific value of electricity", "sample"),
            (FACTOR_SET, "heat", "GJ", "34.12", "calorific value of heat", "sample"),
        ],
    }


def _write(path: Path, columns: list[str], rows: Iterable[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def _institution(of: Identity) -> Row:
    return (of.code, of.name, of.region, of.institution_class, of.sub_class, fleet.CLIMATE_ZONE, of.heating_type)


def _denominators(of: Identity, year_start: str) -> Iterator[Row]:
    for name in ("floor_area_m2", "people", "beds"):
        if value := of.denominator(name):
            yield (of.code, name, value, year_start, "", "simulated")


def _meter(of: Meter, identity: Identity, year_start: str) -> Row:
    return (
        of.institution,
        of.medium,
        of.code,
        of.gateway or "",
        of.role,
        of.parent,
        of.sub_item,
        " ".join(of.registers),
        of.display.digits,
        of.display.decimals,
        device.interval_s(identity.number) // 60,
        _decimal(of.rated_tenths, 1),
        _decimal(of.display.ratio_milli, 3),
        year_start,
        "",
    )


def _virtual(of: Institution, year_start: str) -> Iterator[Row]:
    """What is special beside the data room, where both are metered."""
    if formula := of.virtual.get(VIRTUAL):
        yield (of.identity.code, "electricity", VIRTUAL, " - ".join(formula), "sub", "", "", year_start, "")


def _charger(institution: Institution, of: Charger) -> Row:
    site = f"{institution.identity.name}停车场"
    supply = "dc" if of.fast else "ac"
    return (of.institution, of.code, site, supply, of.rated_kw, 1, of.commissioned_on, of.access)


def _quotas(year: int) -> Iterator[Row]:
    """Rows by indicator and class: one for years, and one for each month of this year, since seasons differ."""
    for indicator in quotas.INDICATORS:
        for institution_class in indicator.constraint_milli:
            yield _quota(indicator, institution_class, "year", Month(year, 1))
            for month in months(year):
                yield _quota(indicator, institution_class, "month", month)


def _quota(indicator: Indicator, institution_class: str, period_kind: PeriodKind, month: Month) -> Row:
    code = f"{quotas.STANDARD}-{indicator.name}-{institution_class}-{month if period_kind == 'month' else 'year'}"
    constraint_milli = indicator.allowed_milli(institution_class, period_kind, month)
    return (
        *(code, quotas.STANDARD, quotas.EDITION, "1", "sample", institution_class, "", "", ""),
        *(indicator.name, indicator.unit, period_kind),
        _decimal(constraint_milli * quotas.GUIDE_PER_MILLE // 1000, 3),
        _decimal(constraint_milli * quotas.BENCHMARK_PER_MILLE // 1000, 3),
        _decimal(constraint_milli, 3),
        month.first_day,
        month.next.first_day if period_kind == "month" else "",
        *(quotas.SOURCE, "sample", "yes", indicator.excluded(institution_class)),
    )


def _decimal(scaled: int, decimals: int) -> str:
    """An integer of the last decimal as a plain decimal without trailing zeros."""
    whole, rest = divmod(scaled, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}".rstrip("0").rstrip(".")
