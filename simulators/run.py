"""Fleet and scenario -> who is sampled how, whose clock is off, which register suffers what, who is offline when."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import NamedTuple

from simulators import device, mishaps
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.meter import Meter
from simulators.mishaps import Mishap
from simulators.month import HOUR_SECONDS
from simulators.scenario import Scenario
from simulators.site import Identity, Institution

MOST_OFFSET_S = 300
MOST_DRIFT_PPM = 40
"""A cheap quartz; with the offset it stays inside any accept window."""


@dataclass(frozen=True, slots=True)
class Site:
    """An institution's devices, when its messages go out, and when its gateway is offline."""

    identity: Identity
    devices: tuple[Device, ...]
    delay_s: int
    offline: tuple[range, ...]

    @property
    def interval_s(self) -> int:
        """Seconds between its readings."""
        return self.devices[0].interval_s


@dataclass(frozen=True, slots=True)
class Run:
    """Everything the stream needs: who reads what, and what goes wrong."""

    fleet: Fleet
    scenario: Scenario
    hours: int
    sites: tuple[Site, ...]

    @property
    def start_s(self) -> int:
        """Unix seconds of the first instant."""
        return self.fleet.month.start_s

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, in the order of their numbers."""
        return tuple(each for site in self.sites for each in site.devices)


def build(fleet: Fleet, scenario: Scenario, days: int | None = None) -> Run:
    """The month, or its first days."""
    hours = min(fleet.month.hours, 24 * days) if days else fleet.month.hours
    chances = Chances(scenario, fleet.seed, hours)
    numbers = count()
    sites = tuple(_site(each, chances, len(fleet.institutions), numbers) for each in fleet.institutions)
    return Run(fleet, scenario, hours, sites)


class Chances(NamedTuple):
    """What decides about clocks, mishaps and outages."""

    scenario: Scenario
    seed: int
    hours: int


def _site(institution: Institution, chances: Chances, of: int, numbers: Iterator[int]) -> Site:
    identity = institution.identity
    interval_s = device.interval_s(identity.number)
    devices = (each for meter in institution.meters for each in _devices(meter, interval_s, chances, numbers))
    delay_s = (identity.number - 1) * (HOUR_SECONDS - 60) // of
    offline = chances.scenario.outages.windows(identity.number, chances.hours, chances.seed) if identity.gateway else ()
    return Site(identity, tuple(devices), delay_s, offline)


def _devices(meter: Meter, interval_s: int, chances: Chances, numbers: Iterator[int]) -> Iterator[Device]:
    """One a register, with one clock."""
    clock = _clock(Random(f"clock/{chances.seed}/{meter.institution}/{meter.code}"), chances.scenario.rates.clock_skew)
    for export in (None, meter.export) if meter.export else (None,):
        number = next(numbers)
        yield Device(number, meter, interval_s, export, *clock, _mishaps(number, interval_s, chances))


def _clock(rng: Random, rate: float) -> tuple[int, int]:
    if rng.random() >= rate:
        return 0, 0
    return rng.randint(-MOST_OFFSET_S, MOST_OFFSET_S), rng.randint(-MOST_DRIFT_PPM, MOST_DRIFT_PPM)


def _mishaps(number: int, interval_s: int, chances: Chances) -> tuple[Mishap, ...]:
    rates = {kind: getattr(chances.scenario.rates, kind) for kind in mishaps.Kind}
    readings = chances.hours * HOUR_SECONDS // interval_s + 1
    return mishaps.plan(rates, readings, f"mishap/{chances.seed}/{number}") if any(rates.values()) else ()
