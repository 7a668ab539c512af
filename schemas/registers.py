"""Every register a payload may name, with its unit and kind."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Medium(StrEnum):
    """What a meter measures; the third level of its topic name."""

    ELECTRICITY = "electricity"
    WATER = "water"
    CHARGER = "charger"


class Kind(StrEnum):
    """How a register's values relate: `cumulative` ones are differenced, `instantaneous` ones never are."""

    CUMULATIVE = "cumulative"
    INSTANTANEOUS = "instantaneous"


@dataclass(frozen=True, slots=True)
class Register:
    """One register: the field name in the payload, its unit, its kind."""

    name: str
    unit: str
    kind: Kind


def _named(kind: Kind, **units: str) -> dict[str, Register]:
    return {name: Register(name, unit, kind) for name, unit in units.items()}


REGISTERS: Final[dict[str, Register]] = {
    **_named(
        Kind.CUMULATIVE,
        energy_import_kwh="kWh",
        energy_export_kwh="kWh",
        energy_import_tariff_1_kwh="kWh",
        energy_import_tariff_2_kwh="kWh",
        energy_import_tariff_3_kwh="kWh",
        energy_import_tariff_4_kwh="kWh",
        volume_m3="m3",
    ),
    **_named(Kind.INSTANTANEOUS, power_kw="kW", flow_m3_per_h="m3/h"),
}

MAIN_REGISTER: Final[dict[Medium, str]] = {
    Medium.ELECTRICITY: "energy_import_kwh",
    Medium.WATER: "volume_m3",
    Medium.CHARGER: "energy_import_kwh",
}
"""The register every reading of a medium must carry; its consumption is the meter's consumption."""
