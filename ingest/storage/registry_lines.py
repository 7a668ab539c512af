"""One line of each registry file, checked by itself. The columns are described in docs/registry.md."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.metering.calendar import calendar
from ingest.metering.quotas import INDICATORS
from ingest.storage.registry_fields import (
    Code,
    Day,
    ExactInstant,
    Exclusions,
    Flag,
    FormulaText,
    FreeCode,
    Instant,
    Positive,
    Shown,
    Size,
    SubItem,
    Text,
)
from schemas.registers import MAIN_REGISTER, REGISTERS, Medium

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
    line_number: Annotated[int, Field(exclude=True)] = 0

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

    institution: FreeCode
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
    value: Size
    valid_from: Day
    valid_to: Day | None = None
    source: Text


class MeterLine(Line):
    """One version of a meter."""

    institution: Code
    medium: Medium
    meter: Code
    gateway: Code | None = None
    role: Literal["main", "branch", "sub", "check"]
    parent: Code | None = None
    sub_item: SubItem | None = None
    registers: str = ""
    register_digits: Annotated[int, Field(ge=1, le=12)] | None = None
    register_decimals: Annotated[int, Field(ge=0, le=3)] = 2
    interval_minutes: Annotated[int, Field(ge=1, le=44_640)] = 60
    rated_capacity: Annotated[Decimal, Field(gt=0, le=MAX_CAPACITY)] | None = None
    ratio: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=3)] = Decimal(1)
    valid_from: Instant
    valid_to: Instant | None = None

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
        return self

    @model_validator(mode="after")
    def sub_item_fits(self) -> "MeterLine":
        """Sub-items divide electricity."""
        _electricity_only(self.medium, self.sub_item)
        return self


class VirtualMeterLine(Line):
    """One version of a meter that is made of others."""

    institution: Code
    medium: Medium
    meter: Code
    formula: FormulaText
    role: Literal["main", "branch", "sub"]
    parent: Code | None = None
    sub_item: SubItem | None = None
    valid_from: Day
    valid_to: Day | None = None

    @model_validator(mode="after")
    def sub_item_fits(self) -> "VirtualMeterLine":
        """Sub-items divide electricity."""
        _electricity_only(self.medium, self.sub_item)
        return self


def _electricity_only(medium: Medium, sub_item: str | None) -> None:
    if sub_item and medium is Medium.WATER:
        raise ValueError("sub_item: sub-items divide electricity; leave it empty for water")


class PvRuleLine(Line):
    """Whether an institution's electricity is what it took from the grid, or that less what it fed back."""

    institution: Code
    pv_rule: Literal["net", "gross"]
    valid_from: Day
    valid_to: Day | None = None
    source: Text


class ExchangeLine(Line):
    """A declared exchange of a meter: the old register's last value, the new one's first, in the register's unit."""

    institution: Code
    medium: Medium
    meter: Code
    register_: Annotated[Code | None, Field(alias="register", validate_default=True)] = None
    exchanged_at: ExactInstant
    old_final: Shown
    new_initial: Shown
    author: Text
    reason: Text

    @model_validator(mode="before")
    @classmethod
    def main_register_unless_named(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The register every reading carries, where none is named."""
        named = values.get("register") or MAIN_REGISTER.get(values.get("medium", ""))
        return {**values, "register": named}


class ChargerLine(Line):
    """What a charger is, beside its register."""

    institution: Code
    charger: Code
    site: Text
    supply: Literal["dc", "ac", "combined"]
    rated_kw: Positive
    connectors: Annotated[int, Field(ge=1, le=64)]
    commissioned_on: Day | None = None
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
    valid_from: Day
    valid_to: Day | None = None
    source: Text
    confidence: Text
    sample: Flag
    excludes: Exclusions = ""

    @model_validator(mode="after")
    def indicator_and_tiers_fit(self) -> "QuotaLine":
        """The indicator exists in this unit, and the tiers rise."""
        indicator = INDICATORS.get(self.indicator)
        if indicator is None:
            raise ValueError(f"unknown indicator {self.indicator!r}: use {', '.join(INDICATORS)}")
        if self.unit != indicator.unit:
            raise ValueError(f"unit of {self.indicator} is {indicator.unit}, not {self.unit!r}")
        if self.excludes and indicator.medium != Medium.ELECTRICITY:
            raise ValueError(f"excludes: {self.indicator} has no sub-items to leave out; leave it empty")
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
    "virtual_meters": VirtualMeterLine,
    "pv_rules": PvRuleLine,
    "exchanges": ExchangeLine,
    "chargers": ChargerLine,
    "quotas": QuotaLine,
    "factors": FactorLine,
}


def begin(line: Any, zone: str) -> datetime:
    """The instant a line begins to hold."""
    return _moment(line.valid_from, zone)


def end(line: Any, zone: str) -> datetime:
    """The instant a line ceases to hold."""
    return datetime.max.replace(tzinfo=UTC) if line.valid_to is None else _moment(line.valid_to, zone)


def _moment(at: date | datetime, zone: str) -> datetime:
    """A date is the local midnight it begins with."""
    return at if isinstance(at, datetime) else datetime.combine(at, time(), ZoneInfo(zone)).astimezone(UTC)
