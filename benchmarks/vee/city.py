"""A simulated city's registers: quiet months, then one that the simulator's own mishaps strike."""

from decimal import Decimal
from typing import Final, NamedTuple

from benchmarks.vee.registers import DAY_US, SECOND, ZONE, Key, Register, parent_of
from benchmarks.vee.tariffs import add_tariffs
from ingest.metering.calendar import Day
from ingest.metering.vee.digest import Raw
from simulators import faults, fleet, run, stream
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.mishaps import Kind
from simulators.month import Month
from simulators.scenario import Scenario


class Injected(NamedTuple):
    """A fault: its name, the rule that should find it, the register, its first and last day."""

    fault: str
    rule: str
    key: Key
    first: Day
    last: Day


def simulated(
    institutions: int, seed: int, month: Month, scenario: Scenario, leaks: float
) -> tuple[dict[Key, Register], list[Injected]]:
    """The registers of a fleet with two quiet months before, as far as the year allows, and what the simulator did to them."""
    registers: dict[Key, Register] = {}
    injected: list[Injected] = []
    for number in range(max(month.number - 2, 1), month.number + 1):
        of_month = Month(month.year, number)
        built = fleet.build(institutions, seed, of_month, leaks=leaks)
        running = run.build(built, scenario if of_month == month else Scenario())
        _send(running, registers)
        if of_month == month:
            injected += _mishaps(running)
            injected += _leaks(built, institutions, seed, leaks)
    for key, register in registers.items():
        above = parent_of(key, registers)
        register.exports |= register.role == "check" and above is not None and registers[above].exports
    add_tariffs(registers, {one.key for one in injected})
    return registers, injected


def _send(running: run.Run, registers: dict[Key, Register]) -> None:
    """Every message of a month in order of arrival; of a key sent twice the first value stays, as in the database."""
    sent: dict[tuple[Key, int], int] = {}
    codes = running.fleet.codes
    for message in faults.inject(stream.messages(running), running.scenario.rates, running.fleet.seed, codes):
        if message.outcome not in ("stored", "disputed"):
            continue
        for device, read_at_s, milli in message.readings:
            key, read_at = device.key, read_at_s * SECOND
            register = registers.setdefault(key, _register(device)) if key not in registers else registers[key]
            before = sent.setdefault((key, read_at), milli)
            if before != milli:
                register.conflicts.add(read_at)
            else:
                register.raw.append(Raw(read_at, milli, message.send_at_s * SECOND))
    for register in registers.values():
        first = {reading.read_at: reading for reading in sorted(register.raw, key=lambda one: (one.read_at, -one.received_at))}
        register.raw = list(first.values())


def _register(device: Device) -> Register:
    meter = device.meter
    display = meter.display
    return Register(
        device.key, str(meter.medium), meter.role, meter.parent, display.ratio_milli, 10 ** (3 - display.decimals),
        10**display.digits * 1000, Decimal(meter.rated_tenths) / 10, device.interval_s, meter.export is not None, meter.sub_item,
    )  # fmt: skip


RULE_OF: Final = {Kind.FREEZE: "frozen", Kind.UNIT_SLIP: "unit_slip", Kind.RESET: "unexplained", Kind.EXCHANGE: "unexplained"}


def _mishaps(running: run.Run) -> list[Injected]:
    """Mishaps that ask for somebody (a single dip or spike does not), and clocks that are off."""
    found = []
    for device in running.devices:
        for kind, first, lasts, _ in device.mishaps:
            if rule := RULE_OF.get(kind):
                days = [day_of(running.start_s + (first + after) * device.interval_s) for after in (0, lasts + 4)]
                found.append(Injected(str(kind), rule, device.key, days[0], days[1]))
        if device.is_off:
            days = [day_of(running.start_s), day_of(running.start_s + (running.hours - 1) * 3600)]
            found.append(Injected("clock off by up to 5 min, hidden by the delay", "", device.key, days[0], days[1]))
    return found


def _leaks(built: Fleet, institutions: int, seed: int, share: float) -> list[Injected]:
    """Leaks that begin in the month."""
    found = []
    for plan in fleet.planned(institutions, seed, built.month.year, leaks=share):
        leak = plan.traits.leak
        year_start = ZONE.day(instant_of(f"{built.month.year}-01-01"))
        if leak is not None:
            key = (plan.identity.code, "water", "WM-01", "volume_m3")
            found.append(Injected("leak", "night_minimum", key, year_start + leak.day, year_start + leak.day + 6))
    return found


def instant_of(text: str) -> int:
    """A local midnight."""
    return Month.parse(text[:7]).start_s * SECOND + (int(text[8:]) - 1) * DAY_US


def day_of(unix_s: int) -> Day:
    """The local day of an instant."""
    return ZONE.day(unix_s * SECOND)
