"""Readings as meters and gateways publish them, version 1.

A register is a JSON number (never text), in the unit of its name, as the meter's own display shows it: before any CT or PT
ratio. `read_at` is RFC 3339 with an offset: naive times are refused, because nobody can know which clock they mean. Unknown
fields are refused too, so that a misspelt register is seen and not lost.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

RFC3339: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-5][0-9])$"
NAIVE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?$"
CODE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

ReadAt = Annotated[str, StringConstraints(pattern=RFC3339), Field(json_schema_extra={"format": "date-time"})]
Code = Annotated[str, StringConstraints(pattern=CODE)]
RegisterValue = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Instantaneous = Annotated[float, Field(allow_inf_nan=False)]
Seq = Annotated[int, Field(ge=0, lt=2**63, description="the meter's own running number, for its own log; no rule uses it")]


class Wire(BaseModel):
    """Base of every payload: strict types, no unknown fields, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Reading(Wire):
    """What every reading has: when the meter read itself, and optionally who it is (it must then agree with the topic)."""

    read_at: ReadAt
    seq: Seq | None = None
    institution: Code | None = None
    meter: Code | None = None


class ElectricityReading(Reading):
    """An electricity meter: cumulative energy registers in kWh, optionally the power in kW."""

    medium: Literal["electricity"] = "electricity"
    energy_import_kwh: RegisterValue
    energy_export_kwh: RegisterValue | None = None
    energy_import_tariff_1_kwh: RegisterValue | None = None
    energy_import_tariff_2_kwh: RegisterValue | None = None
    energy_import_tariff_3_kwh: RegisterValue | None = None
    energy_import_tariff_4_kwh: RegisterValue | None = None
    power_kw: Instantaneous | None = None


class WaterReading(Reading):
    """A water meter: cumulative volume in m3, optionally the flow in m3/h."""

    medium: Literal["water"] = "water"
    volume_m3: RegisterValue
    flow_m3_per_h: Instantaneous | None = None


class ChargerReading(Reading):
    """A charger's lifetime energy register in kWh (it never resets with a session), optionally the power in kW."""

    medium: Literal["charger"] = "charger"
    energy_import_kwh: RegisterValue
    power_kw: Instantaneous | None = None


MAX_READINGS: Final = 5000
"""Most readings one batch may hold."""


class ElectricityBatch(Wire):
    """Several readings of the electricity meter named by the topic."""

    readings: Annotated[list[ElectricityReading], Field(min_length=1, max_length=MAX_READINGS)]


class WaterBatch(Wire):
    """Several readings of the water meter named by the topic."""

    readings: Annotated[list[WaterReading], Field(min_length=1, max_length=MAX_READINGS)]


class ChargerBatch(Wire):
    """Several readings of the charger named by the topic."""

    readings: Annotated[list[ChargerReading], Field(min_length=1, max_length=MAX_READINGS)]


class GatewayElectricityReading(ElectricityReading):
    """An electricity reading in a gateway batch: names its medium and meter."""

    medium: Literal["electricity"]
    meter: Code


class GatewayWaterReading(WaterReading):
    """A water reading in a gateway batch: names its medium and meter."""

    medium: Literal["water"]
    meter: Code


class GatewayChargerReading(ChargerReading):
    """A charger reading in a gateway batch: names its medium and charger (as `meter`)."""

    medium: Literal["charger"]
    meter: Code


GatewayReading = Annotated[GatewayElectricityReading | GatewayWaterReading | GatewayChargerReading, Field(discriminator="medium")]


class GatewayBatch(Wire):
    """Readings of many meters, published by the gateway they are registered under."""

    readings: Annotated[list[GatewayReading], Field(min_length=1, max_length=MAX_READINGS)]


def utc(read_at: str) -> datetime:
    """The instant of an RFC 3339 text, in UTC; digits finer than a microsecond are cut off.

    Raises ValueError for a date or time of day that does not exist.
    """
    return datetime.fromisoformat(read_at.upper()).astimezone(UTC)
