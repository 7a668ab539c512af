"""Registry files for meters that are not the fleet's: those of a load, or of a replayed file."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.registers import MAIN_REGISTER, Medium
from simulators.registry import COLUMNS

REQUIRED: Final = ("regions", "institutions", "denominators", "meters", "quotas")


@dataclass(frozen=True, slots=True)
class Installed:
    """What the meters of one institution have in common. `digits` None: a fall of the register is never a rollover."""

    institution: str
    medium: Medium
    gateway: str | None
    role: str
    digits: int | None
    decimals: int
    interval_minutes: int
    valid_from: str
    timezone: str


def write(of: Installed, meters: Iterable[str], directory: Path) -> list[Path]:
    """Write the files the registry import needs; denominators and quotas stay empty. Returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    region = re.sub(r"[^A-Za-z0-9]+", "-", of.timezone)  # one a zone, so that several imports agree
    rows: dict[str, Iterable[Sequence[object]]] = {
        "regions": [(region, of.timezone, of.timezone)],
        "institutions": [(of.institution, of.institution, region, "other", "", "", "")],
        "meters": (_meter(of, code) for code in meters),
    }
    return [_write(directory / f"{name}.csv", COLUMNS[name], rows.get(name, ())) for name in REQUIRED]


def _meter(of: Installed, code: str) -> Sequence[object]:
    digits = "" if of.digits is None else of.digits
    who = (of.institution, of.medium, code, of.gateway or "", of.role, "", "")
    return (*who, MAIN_REGISTER[of.medium], digits, of.decimals, of.interval_minutes, "", 1, of.valid_from, "")


def _write(path: Path, columns: str, rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns.split())
        writer.writerows(rows)
    return path
