"""One institution: class, size, and its meters with their true amounts."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from schemas.registers import Medium
from simulators import charger, profiles, quotas
from simulators.charger import Charger
from simulators.meter import Display, Meter, rated_tenths
from simulators.month import Month

GATEWAY: Final = "GW-01"
MAIN_ELECTRICITY: Final = "EM-01"
MAIN_WATER: Final = "WM-01"
SUB_ITEMS: Final = (("A", 380), ("B", 270), ("C", 120))
"""Lighting and sockets, air conditioning, power: thousandths of the building's load, under all of it with 8 % more."""

CT_FROM_KWH: Final = 15_000
"""A meter behind so much in a month sits behind current transformers."""
RATIOS_MILLI: Final = (20_000, 40_000, 60_000, 80_000)
ODD_RATIO_MILLI: Final = 1_500


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an institution is, before it has meters. `number` counts from 1."""

    number: int
    code: str
    name: str
    region: str
    institution_class: str
    sub_class: str
    heating_type: str
    floor_area_m2: int
    people: int
    beds: int

    def denominator(self, name: str) -> int:
        """The value of a denominator of the registry."""
        return {"floor_area_m2": self.floor_area_m2, "people": self.people, "beds": self.beds}[name]

    @property
    def gateway(self) -> str | None:
        """Its gateway; in one of ten institutions the meters publish by themselves."""
        return None if self.number % 10 == 4 else GATEWAY

    @property
    def hours_per_message(self) -> int:
        """How many hours its gateway collects before it publishes."""
        return 4 if self.number % 10 == 7 else 1


@dataclass(frozen=True, slots=True)
class Institution:
    """An institution with its meters and chargers."""

    identity: Identity
    meters: tuple[Meter, ...]
    chargers: tuple[Charger, ...]

    def main_micro(self, medium: Medium) -> int:
        """The month's true total of its main meters."""
        return sum(meter.month_micro for meter in self.meters if meter.medium is medium and meter.role == "main")


def build(identity: Identity, use: quotas.Use, month: Month, rng: Random) -> Institution:
    """The institution with its meters: it uses `use` of its monthly constraints, exactly."""
    power_micro = target_micro(identity, quotas.ELECTRICITY, use.electricity_per_mille)
    chargers = tuple(_chargers(identity, power_micro, month, rng))
    charging = [charger.amounts_micro(month, each.rated_kw, rng) for each in chargers]
    meters = (
        *_electricity(identity, power_micro, charging, month, rng),
        _water(identity, target_micro(identity, quotas.WATER, use.water_per_mille), month, rng),
        *(_charger_meter(identity, *pair, rng) for pair in zip(chargers, charging, strict=True)),
    )
    return Institution(identity, meters, chargers)


def target_micro(identity: Identity, indicator: quotas.Indicator, use_per_mille: int) -> int:
    """The month's total in micro-units: thousandths of the unit x thousandths of the constraint x the denominator."""
    constraint_milli = indicator.allowed_milli(identity.institution_class, "month")
    return constraint_milli * use_per_mille * identity.denominator(indicator.denominator)


def _chargers(identity: Identity, month_micro: int, month: Month, rng: Random) -> Iterator[Charger]:
    for number in range(1, charger.count(month_micro // 1_000_000, rng) + 1):
        fast = rng.random() < 0.49
        yield Charger(identity.code, f"CH-{number:02d}", fast, charger.commissioned_on(month, rng))


def _electricity(identity: Identity, month_micro: int, charging: list["array[int]"], month: Month, rng: Random) -> Iterator[Meter]:
    """The main meter and its sub-meters: the building's load is what the chargers leave of the total."""
    shape = profiles.SHAPES[identity.institution_class, Medium.ELECTRICITY]
    building_micro = month_micro - sum(map(sum, charging))
    building = profiles.spread(building_micro, profiles.weights(shape, month, rng))
    main = array("q", map(sum, zip(building, *charging, strict=True)))
    yield _meter(identity, Medium.ELECTRICITY, MAIN_ELECTRICITY, main, rng)
    for number, (sub_item, per_mille) in enumerate(SUB_ITEMS, start=2):
        amounts = profiles.share(building, per_mille, rng)
        yield _meter(identity, Medium.ELECTRICITY, f"EM-{number:02d}", amounts, rng, sub_item)


def _water(identity: Identity, month_micro: int, month: Month, rng: Random) -> Meter:
    shape = profiles.SHAPES[identity.institution_class, Medium.WATER]
    amounts = profiles.spread(month_micro, profiles.weights(shape, month, rng))
    return _meter(identity, Medium.WATER, MAIN_WATER, amounts, rng)


def _charger_meter(identity: Identity, of: Charger, amounts: "array[int]", rng: Random) -> Meter:
    """The charger's own meter: role sub; it has no parent because a metering tree is of one medium."""
    display = Display(digits=6, decimals=rng.choice((2, 3)), ratio_milli=1_000)
    start = _start_micro(display, sum(amounts), False, rng)
    rated = of.rated_kw * 10
    return Meter(identity.code, Medium.CHARGER, of.code, identity.gateway, "sub", "", "D6", display, start, amounts, rated)


def _meter(identity: Identity, medium: Medium, code: str, amounts: "array[int]", rng: Random, sub_item: str = "") -> Meter:
    """A main meter, or with a sub-item a sub-meter of the medium's main meter."""
    total = sum(amounts)
    display = _display(identity, medium, code, total, rng)
    start = _start_micro(display, total, _rolls_over(identity, code), rng)
    role, parent = ("sub", MAIN_ELECTRICITY) if sub_item else ("main", "")
    rated = rated_tenths(amounts)
    return Meter(identity.code, medium, code, identity.gateway, role, parent, sub_item, display, start, amounts, rated)


def _display(identity: Identity, medium: Medium, code: str, month_micro: int, rng: Random) -> Display:
    """A face that fits the amount: water 5 or 6 digits without ratio, electricity 6 digits behind transformers."""
    if medium is Medium.WATER:
        return Display(5 if month_micro < 10_000_000_000 else 6, rng.choice((0, 1, 2, 3, 3)), 1_000)
    ratio_milli = rng.choice(RATIOS_MILLI) if month_micro >= CT_FROM_KWH * 1_000_000 else 1_000
    if identity.number % 50 == 3 and code == "EM-02":
        ratio_milli = ODD_RATIO_MILLI
    return Display(6, rng.choice((0, 1, 2, 2, 2, 3)), ratio_milli)


def _rolls_over(identity: Identity, code: str) -> bool:
    """Every eighth institution's main electricity meter, and another eighth's water meter, pass zero in the month."""
    return (identity.number % 8, code) in {(2, MAIN_ELECTRICITY), (5, MAIN_WATER)}


def _start_micro(display: Display, month_micro: int, rolls_over: bool, rng: Random) -> int:
    """Where the truth stands at the month's start: far from the display's end, or a part of the month before it."""
    whole = display.quantum_micro * display.modulus
    if rolls_over:
        return whole - month_micro * rng.randint(200, 800) // 1000
    return rng.randrange(whole - 2 * month_micro)
