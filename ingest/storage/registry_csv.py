"""Registry files -> checked lines. Every mistake is named with its file, line and column; nothing is guessed.

The columns are described in docs/registry.md.
"""

import csv
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ingest.metering.calendar import calendar
from ingest.metering.quotas import INDICATORS
from schemas.reading import CODE
from schemas.registers import MAIN_REGISTER, REGISTERS, Medium

Code = Annotated[str, StringConstraints(pattern=CODE)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Positive = Annotated[Decimal, Field(gt=0)]
Flag = Annotated[bool, BeforeValidator(lambda text: {"yes": True, "no": False}.get(text, text))]

WIDE_CAPACITY: Final = {"electricity": Decimal(10_000), "water": Decimal(1_000), "charger": Decimal(1_000)}
"""kW, m3/h and kW: what a meter without a rated capacity is believed to be able to pass. Wide on purpose; no standard."""
USUAL_REGISTERS: Final = {
    Medium.ELECTRICITY: "energy_import_kwh power_kw",
    Medium.WATER: "volume_m3 flow_m3_per_h",
    Medium.CHARGER: "energy_import_kwh power_kw",
}
MAX_CAPACITY: Final = Decimal(10_000_000)
"""Above this a century of consumption would not fit the integers it is kept in."""


class Line(BaseModel):
    """One line of a registry file; an empty field is absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def empty_is_absent(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Drop empty fields, so that defaults apply."""
        return {name: value for name, value in values.items() if value not in ("", None)}


class RegionLine(Line):
    """A region and its time zone."""

    region: Code
    name: Text
    timezone: Text

    @model_validator(mode="after")
    def zone_is_usable(self) -> "RegionLine":
        """The zone exists and its full hours stand still."""
        calendar(self.timezone)
        return self


class InstitutionLine(Line):
    """An institution and what quotas may distinguish it by."""

    institution: Code
    name: Text
    region: Code
    class_: Annotated[Literal["government", "school", "hospital", "venue", "other"] | None, Field(alias="class")] = None
    sub_class: Text | None = None
    climate_zone: Text | None = None
    heating_type: Text | None = None


class DenominatorLine(Line):
    """Floor area, people or beds of an institution."""

    institution: Code
    denominator: Literal["floor_area_m2", "people", "beds"]
    value: Positive
    valid_from: date
    valid_to: date | None = None
    source: Text


class MeterLine(Line):
    """One version of a meter."""

    institution: Code
    medium: Medium
    meter: Code
    gateway: Code | None = None
    role: Literal["main", "branch", "sub", "check"]
    parent: Code | None = None
    sub_item: Text | None = None
    registers: str = ""
    register_digits: Annotated[int, Field(ge=1, le=12)] | None = None
    register_decimals: Annotated[int, Field(ge=0, le=3)] = 2
    interval_minutes: Annotated[int, Field(ge=1, le=44_640)] = 60
    rated_capacity: Annotated[Decimal, Field(gt=0, le=MAX_CAPACITY)] | None = None
    ratio: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=3)] = Decimal(1)
    valid_from: date | datetime
    valid_to: date | datetime | None = None

    @property
    def register_names(self) -> list[str]:
        """The registers the meter may publish."""
        return (self.registers or USUAL_REGISTERS[self.medium]).split()

    @property
    def capacity(self) -> Decimal:
        """The rated capacity, or the wide default of the medium."""
        return self.rated_capacity or WIDE_CAPACITY[self.medium]

    @model_validator(mode="after")
    def registers_are_known(self) -> "MeterLine":
        """The registers exist, and the one every reading carries is among them."""
        unknown = [name for name in self.register_names if name not in REGISTERS]
        if unknown:
            raise ValueError(f"unknown register {unknown[0]!r}: use {', '.join(REGISTERS)}")
        if MAIN_REGISTER[self.medium] not in self.register_names:
            raise ValueError(f"registers must include {MAIN_REGISTER[self.medium]}, which every reading carries")
        for at in (self.valid_from, self.valid_to):
            if isinstance(at, datetime) and at.tzinfo is None:
                raise ValueError(f"{at.isoformat()} has no offset: write a date, or a time with its offset")
        return self


class ChargerLine(Line):
    """What a charger is, beside its register."""

    institution: Code
    charger: Code
    site: Text
    supply: Literal["dc", "ac", "combined"]
    rated_kw: Positive
    connectors: Annotated[int, Field(ge=1, le=64)]
    commissioned_on: date | None = None
    access: Literal["own", "public"]


class QuotaLine(Line):
    """One row of a quota standard's table."""

    quota: Code
    standard: Text
    edition: Text
    table: Text
    jurisdiction: Text
    class_: Annotated[Text | None, Field(alias="class")] = None
    sub_class: Text | None = None
    climate_zone: Text | None = None
    heating_type: Text | None = None
    indicator: Text
    unit: Text
    period_kind: Literal["month", "year"]
    guide: Positive | None = None
    benchmark: Positive | None = None
    constraint: Positive
    valid_from: date
    valid_to: date | None = None
    source: Text
    confidence: Text
    sample: Flag

    @model_validator(mode="after")
    def indicator_and_tiers_fit(self) -> "QuotaLine":
        """The indicator exists in this unit, and the tiers rise."""
        indicator = INDICATORS.get(self.indicator)
        if indicator is None:
            raise ValueError(f"unknown indicator {self.indicator!r}: use {', '.join(INDICATORS)}")
        if self.unit != indicator.unit:
            raise ValueError(f"unit of {self.indicator} is {indicator.unit}, not {self.unit!r}")
        tiers = [tier for tier in (self.guide, self.benchmark, self.constraint) if tier is not None]
        if tiers != sorted(tiers):
            raise ValueError("tiers must rise: guide <= benchmark <= constraint")
        return self


class FactorLine(Line):
    """A conversion factor of one factor set."""

    factor_set: Code
    item: Text
    unit: Text
    kgce_per_unit: Annotated[Decimal, Field(gt=0, le=100)]
    source: Text
    confidence: Text


FILES: Final[dict[str, type[Line]]] = {
    "regions": RegionLine,
    "institutions": InstitutionLine,
    "denominators": DenominatorLine,
    "meters": MeterLine,
    "chargers": ChargerLine,
    "quotas": QuotaLine,
    "factors": FactorLine,
}
OPTIONAL: Final = frozenset({"chargers", "factors"})

Files = dict[str, list[Any]]


class RegistryFault(Exception):  # noqa: N818 - a verdict on files, not a fault of the program
    """The files cannot be imported; `mistakes` has one line each, with file, line and what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        """All mistakes at once, so that one pass mends them."""
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def read_files(directory: Path) -> Files:
    """The checked lines of every registry file in a directory. Raises RegistryFault with all mistakes."""
    mistakes: list[str] = []
    files = {name: _read(directory / f"{name}.csv", model, name, mistakes) for name, model in FILES.items()}
    if not mistakes:
        mistakes += _cross_checks(files)
    if mistakes:
        raise RegistryFault(mistakes)
    return files


def _read(path: Path, model: type[Line], name: str, mistakes: list[str]) -> list[Any]:
    if not path.exists():
        if name not in OPTIONAL:
            mistakes.append(f"{path}: missing; write it with the columns in docs/registry.md")
        return []
    lines = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, values in enumerate(csv.DictReader(file), start=2):
            try:
                lines.append(model.model_validate(values))
            except ValidationError as error:
                mistakes += [f"{path.name}:{number}: {_words(detail)}" for detail in error.errors(include_url=False)]
    return lines


def _words(detail: Any) -> str:
    column = ".".join(str(part) for part in detail["loc"]).removesuffix("_")
    message = detail["msg"].removeprefix("Value error, ")
    return f"{column}: {message} (found {detail['input']!r})" if column else message


def _cross_checks(files: Files) -> list[str]:
    """Names that lines of one file use and another must define, and keys that may stand only once."""
    regions = {line.region for line in files["regions"]}
    institutions = {line.institution for line in files["institutions"]}
    meters = {(line.institution, line.medium, line.meter) for line in files["meters"]}
    mistakes = [f"institutions.csv: {line.institution}: region {line.region!r} is not in regions.csv"
                for line in files["institutions"] if line.region not in regions]  # fmt: skip
    for name in ("denominators", "meters", "chargers"):
        mistakes += [f"{name}.csv: institution {line.institution!r} is not in institutions.csv"
                     for line in files[name] if line.institution not in institutions]  # fmt: skip
    mistakes += [f"chargers.csv: {line.institution}/{line.charger} is not a charger in meters.csv"
                 for line in files["chargers"] if (line.institution, Medium.CHARGER, line.charger) not in meters]  # fmt: skip
    mistakes += [f"meters.csv: {line.institution}/{line.medium}/{line.meter}: parent {line.parent!r} is not a meter of its medium"
                 for line in files["meters"]
                 if line.parent and (line.institution, line.medium, line.parent) not in meters
                 and (line.institution, Medium.ELECTRICITY, line.parent) not in meters]  # fmt: skip
    mistakes += _twice("regions", (line.region for line in files["regions"]))
    mistakes += _twice("institutions", (line.institution for line in files["institutions"]))
    mistakes += _twice("quotas", (line.quota for line in files["quotas"]))
    mistakes += _overlaps("denominators", ((line.institution, line.denominator, _text(line.valid_from), _text(line.valid_to))
                                           for line in files["denominators"]))  # fmt: skip
    mistakes += _overlaps("meters", ((line.institution, line.medium, line.meter, _text(line.valid_from), _text(line.valid_to))
                                     for line in files["meters"]))  # fmt: skip
    return mistakes


def _twice(name: str, keys: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [f"{name}.csv: {key!r} stands twice" for key in keys if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


def _overlaps(name: str, spans: Iterable[tuple[Any, ...]]) -> list[str]:
    mistakes = []
    previous: tuple[Any, ...] = ()
    for span in sorted(spans, key=lambda span: tuple(str(part) for part in span)):
        if span[-2] >= span[-1]:
            mistakes.append(f"{name}.csv: {'/'.join(map(str, span[:-2]))}: valid_to must lie after valid_from")
        elif previous and previous[:-2] == span[:-2] and span[-2] < previous[-1]:
            mistakes.append(f"{name}.csv: {'/'.join(map(str, span[:-2]))}: two lines are valid on {span[-2]}")
        previous = span
    return mistakes


def _text(at: date | None) -> str:
    return "9999" if at is None else at.isoformat()
