"""Faults that the simulator does not have: each changes one register's readings for some hours or days."""

import random
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Final, NamedTuple

from benchmarks.vee.city import Injected
from benchmarks.vee.registers import DAY_US, SECOND, ZONE, Key, Register
from benchmarks.vee.tariffs import total_of
from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import Digest, Raw
from ingest.metering.vee.shape import LEAST_STEPS, SPIKE_OVER_THIRD
from schemas.registers import MAIN_REGISTER
from simulators.month import Month

Change = Callable[[Register, int, int], None]
"""Changes the readings of a register from one instant to another."""


def _silent(of: Register, begin: int, end: int) -> None:
    of.raw = [one for one in of.raw if not begin <= one.read_at < end]


def _missing(of: Register, begin: int, end: int) -> None:
    of.raw = [one for at, one in enumerate(of.raw) if not (begin <= one.read_at < end and at % 2)]


def _times(factor: float) -> Change:
    """Consumption between two instants a multiple of what it was."""

    def change(of: Register, begin: int, end: int) -> None:
        at_begin = next((one.value for one in of.raw if one.read_at >= begin), 0)
        at_end = max((one.value for one in of.raw if begin <= one.read_at <= end), default=at_begin)

        def shown(one: Raw) -> int:
            passed = min(max(one.value, at_begin), at_end) - at_begin if one.read_at >= begin else 0
            return (one.value + int(passed * (factor - 1)) // of.quantum * of.quantum) % of.modulus

        of.raw = [one._replace(value=shown(one)) for one in of.raw]

    return change


def _double_counted(of: Register, begin: int, end: int) -> None:
    """Frozen, and afterwards the register is as far ahead again as it should have come."""
    still = next((one.value for one in of.raw if one.read_at >= begin), 0)
    passed = next((one.value for one in of.raw if one.read_at >= end), still) - still
    of.raw = [
        one if one.read_at < begin else one._replace(value=still if one.read_at < end else (one.value + passed) % of.modulus)
        for one in of.raw
    ]


def _frozen(of: Register, begin: int, end: int) -> None:
    still = next((one.value for one in of.raw if one.read_at >= begin), 0)
    of.raw = [one._replace(value=still) if begin <= one.read_at < end else one for one in of.raw]


def _shifted(seconds: int) -> Change:
    """A clock behind by so much, or ahead."""

    def change(of: Register, begin: int, end: int) -> None:
        of.raw = [one._replace(read_at=one.read_at - seconds * SECOND) if begin <= one.read_at < end else one for one in of.raw]
        of.raw = list({one.read_at: one for one in sorted(of.raw)}.values())

    return change


def _ratio(of: Register, begin: int, _end: int) -> None:
    """From now on, with no end."""
    of.ratio_from = (begin, 2)


def _leak(of: Register, begin: int, end: int) -> None:
    """A third of the average flow."""
    days = (of.raw[-1].read_at - of.raw[0].read_at) / DAY_US
    a_day = (of.raw[-1].value - of.raw[0].value) % of.modulus / days / 3

    def shown(one: Raw) -> int:
        leaked = int(max(min(one.read_at, end) - begin, 0) / DAY_US * a_day)
        return (one.value + leaked // of.quantum * of.quantum) % of.modulus

    of.raw = [one._replace(value=shown(one)) for one in of.raw]


def _tap(of: Register, begin: int, end: int) -> None:
    """Three display steps an hour, day and night."""

    def shown(one: Raw) -> int:
        hours = max(min(one.read_at, end) - begin, 0) / HOUR_US
        return (one.value + int(3 * hours) * of.quantum) % of.modulus

    of.raw = [one._replace(value=shown(one)) for one in of.raw]


def _wrong(of: Register, begin: int, end: int) -> None:
    """Every fourth value is nonsense."""
    half = of.modulus // 2
    of.raw = [
        one._replace(value=(one.value + half) % of.modulus) if begin <= one.read_at < end and at % 4 == 0 else one
        for at, one in enumerate(of.raw)
    ]


def _dead(of: Register, _begin: int, _end: int) -> None:
    """The value it began with, for ever."""
    of.raw = [one._replace(value=of.raw[0].value) for one in of.raw]


def _mute(of: Register, _begin: int, _end: int) -> None:
    """Never commissioned."""
    of.raw = []


def _fast(of: Register) -> bool:
    return min(one.received_at - one.read_at for one in of.raw) < 60 * SECOND


def _sparser(of: Register, begin: int, end: int) -> None:
    of.raw = [one for one in of.raw if not (begin <= one.read_at < end and (one.read_at // SECOND // of.interval_s) % 3)]


class Fault(NamedTuple):
    """A fault of this file: the rule that should find it, how many days it lasts, on which registers, what it does."""

    rule: str
    days: float
    on: Callable[[Register], bool]
    change: Change
    from_hour: int = 0


def _main(of: Register) -> bool:
    return of.role == "main" and of.key[3] in MAIN_REGISTER.values()


def _electric(of: Register) -> bool:
    return _main(of) and of.medium == "electricity"


def _water(of: Register) -> bool:
    return _main(of) and of.medium == "water"


def _child(of: Register) -> bool:
    return of.medium == "electricity" and of.role != "check" and bool(of.parent) and of.key[3] == "energy_import_kwh"


def _peak(of: Register) -> bool:
    return of.key[3] == "energy_import_tariff_2_kwh"


def _rests(of: Register) -> bool:
    """Water that is at rest for three hours a day and more, on a display of 0.1 m3 and finer."""
    hourly = {one.read_at // HOUR_US: one.value for one in sorted(of.raw)}
    still = dict.fromkeys((hour // 24 for hour in hourly), 0)
    for hour, value in hourly.items():
        still[hour // 24] += hourly.get(hour - 1) == value
    return _water(of) and of.quantum * of.ratio_milli <= 100_000 and median(still.values()) >= 3


SPIKE: Final = "one hour with three times its use"
FAULTS: Final = {
    "a tariff register stops for 8 days": Fault("sum_of_tariffs", 8, _peak, _times(0)),
    "silent for 3 days": Fault("silent", 3, _main, _silent),
    "every second reading missing": Fault("missing", 2, _main, _missing),
    "stands still for 2 days": Fault("zero_run", 2, _electric, _times(0)),
    "frozen for 16 h in the day": Fault("frozen", 16 / 24, _electric, _frozen, from_hour=4),
    "frozen for 16 h, then counted twice": Fault("catch_up", 16 / 24, _electric, _double_counted, from_hour=4),
    "three times the use for 3 days": Fault("high_use", 3, _electric, _times(3)),
    "a tenth of the use for 3 days": Fault("low_use", 3, _electric, _times(0.1)),
    "a twentieth of the use for 3 days": Fault("low_use", 3, _electric, _times(0.05)),
    SPIKE: Fault("interval_spike", 1 / 24, _electric, _times(3.3), from_hour=10),
    "a thousandth for 3 days": Fault("unit_slip", 3, _electric, _times(0.001)),
    "ratio doubled in the registry": Fault("ratio_change", 7, _electric, _ratio),
    "every third reading only": Fault("interval_change", 6, _main, _sparser),
    "clock 3 h behind": Fault("clock_stale", 3, _main, _shifted(3 * 3600)),
    "clock 9 min ahead, sent at once": Fault("clock_ahead", 3, _fast, _shifted(-540)),
    "leak of a third of the average flow": Fault("night_minimum", 8, _water, _leak),
    "every fourth value nonsense": Fault("wrong_values", 1, _electric, _wrong),
    "sub-meter counts double": Fault("sum_of_children", 8, _child, _times(2)),
    "a tap left open where hours usually rest": Fault("continuous_flow", 8, _rests, _tap),
    "shows one value from the beginning": Fault("never_moves", 1, _electric, _dead),
    "registered, and never heard": Fault("never_heard", 8, _main, _mute),
}
EACH: Final = 6
PARTS: Final = 2
"""A city has too few main meters for all faults at once: so many times the same city, each with a part of the faults."""


def as_meant(one: Injected, register: Register, digest: Digest | None) -> Injected:
    """Three times a quiet hour's use may be no spike as the rule means it: then nothing is to be found, under another name."""
    if one.fault != SPIKE or digest is None or digest.hour_max is None or digest.hour_third is None:
        return one
    excess, step = digest.hour_max - digest.hour_third, register.quantum * register.ratio_milli
    if excess > SPIKE_OVER_THIRD * digest.hour_third and excess >= LEAST_STEPS * step:
        return one
    return one._replace(fault=f"{SPIKE}, not 180 % or 20 steps above the third-highest", rule="")


def spoil(registers: dict[Key, Register], month: Month, seed: int, taken: set[Key], part: int) -> list[Injected]:
    """Every second fault of this file, from the first or the second on, on meters of its own, somewhere in the month.

    Registers that are struck are put in the place of those there.
    """
    rng = random.Random(f"vee/{seed}/{part}")
    injected = []
    for name, fault in list(FAULTS.items())[part::PARTS]:
        able = sorted(key for key, register in registers.items() if not {key, total_of(key)} & taken and fault.on(register))
        for key in rng.sample(able, min(EACH, len(able))):
            begin = month.start_s * SECOND + rng.randrange(5, 20) * DAY_US + fault.from_hour * 3600 * SECOND
            end = begin + int(fault.days * DAY_US)
            registers[key] = replace(registers[key])
            fault.change(registers[key], begin, end)
            taken |= {key, total_of(key)}
            injected.append(Injected(name, fault.rule, key, ZONE.day(begin), ZONE.day(end) + 1))
    return injected
