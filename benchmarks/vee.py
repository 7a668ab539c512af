"""`python -m benchmarks.vee`: how often the rules of validation are right, on a simulated city whose faults are known.

Two months of history without faults, then the month that is judged: once quiet (every finding is a false alarm), once with the
simulator's mishaps and with faults of this file's own, each on a meter of its own. Settled by the service's own fold, in memory;
the same seed gives the same table.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple

import click

from ingest.metering.calendar import Calendar, Day, calendar
from ingest.metering.channel import BELIEVED_TIMES_RATED, Channel, Version
from ingest.metering.consumption import settle
from ingest.metering.steps import Counted
from ingest.metering.vee.digest import BEFORE_US, DayAmount, Digest, Hour, Jump, Raw, digest
from ingest.metering.vee.episodes import Finding, findings
from ingest.metering.vee.rules import RULES, Signal, judge
from ingest.metering.vee.view import LOOK_BACK_DAYS, Facts, View
from simulators import faults, fleet, run, stream
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.mishaps import Kind
from simulators.month import Month
from simulators.scenario import Scenario

ZONE: Final = calendar("Asia/Shanghai")
SECOND: Final = 1_000_000
DAY_US: Final = 24 * 3600 * SECOND
Key = tuple[str, str, str, str]


@dataclass
class Register:
    """A register: what the registry says of it, and its readings."""

    key: Key
    medium: str
    role: str
    parent: str
    ratio_milli: int
    quantum: int
    modulus: int
    rated: Decimal
    interval_s: int
    exports: bool
    sub_item: str
    raw: list[Raw] = field(default_factory=list)
    conflicts: set[int] = field(default_factory=set)
    ratio_from: tuple[int, int] | None = None
    """Instant and factor of a change of ratio in the registry."""

    def channel(self, zone: Calendar) -> Channel:
        """As settlement knows it."""
        return Channel(0, zone, tuple(self._version(at, ratio) for at, ratio in self._ratios()))

    def facts(self, zone: Calendar) -> tuple[Facts, ...]:
        """As the rules know it."""
        return tuple(
            Facts(
                zone.day(max(at, zone.midnights[0])), self.medium, self.key[3], self.role, self.parent or None, ratio, ratio,
                self.quantum, self.modulus, int(self.rated * 1_000_000), self.interval_s * SECOND, self.exports, self.sub_item,
            )
            for at, ratio in self._ratios()
        )  # fmt: skip

    def _ratios(self) -> list[tuple[int, int]]:
        changed = [(self.ratio_from[0], self.ratio_milli * self.ratio_from[1])] if self.ratio_from else []
        return [(0, self.ratio_milli), *changed]

    def _version(self, at: int, ratio: int) -> Version:
        cap = self.rated * BELIEVED_TIMES_RATED * 1000 / ratio * 1000
        return Version(
            at, ratio, int(cap.to_integral_value(ROUND_CEILING)), self.quantum, self.modulus, self.interval_s * SECOND
        )  # fmt: skip


def judged(registers: Mapping[Key, Register], first: Day, last: Day, zone: Calendar = ZONE) -> dict[Key, list[Finding]]:
    """What the rules find on the days of a span, per register."""
    digests = {key: digests_of(register, zone, last) for key, register in registers.items()}
    children: dict[Key, list[Key]] = defaultdict(list)
    for key, register in registers.items():
        if register.parent and register.role != "check":
            children[key[0], key[1], register.parent, key[3]].append(key)
    found = {}
    for key, register in registers.items():
        facts, behind = register.facts(zone), [digests[child] for child in children.get(key, ())]
        signals: list[Signal] = []
        for day in range(first, last + 1):
            window = {at: digests[key][at] for at in range(day - LOOK_BACK_DAYS, day + 1) if at in digests[key]}
            if window:
                signals += judge(View(day, facts, window, (), behind))
        found[key] = findings(signals)
    return found


def digests_of(register: Register, zone: Calendar, last: Day) -> dict[Day, Digest]:
    """A register's days, settled by the service's fold."""
    raw = sorted(reading for reading in register.raw if reading.read_at not in register.conflicts)
    if not raw:
        return {}
    counted = [Counted(reading.read_at, reading.value) for reading in raw]
    settled = settle(register.channel(zone), None, counted, {}, last)
    days = {day: DayAmount(own.own.amount, own.unallocated, own.own.measured_us, own.own.estimated_us) for day, own in settled.days}
    hours: dict[Day, list[Hour]] = defaultdict(list)
    for start, tally in settled.hours:
        hours[zone.day(start)].append(Hour(start, tally.amount, tally.measured_us))
    jumps: dict[Day, list[Jump]] = defaultdict(list)
    for event in settled.events:
        at = event.evidence
        values = at.get("from_value", at.get("anchor_value")), at.get("to_value", at.get("value"))
        jumps[zone.day(event.found_at)].append(Jump(event.kind, *values, event.to_at - event.from_at, event.amount))
    by_day: dict[Day, list[Raw]] = defaultdict(list)
    for reading in raw:
        by_day[zone.day(reading.read_at)].append(reading)
    conflicts = Counter(zone.day(at) for at in register.conflicts)
    found = {}
    for day in range(zone.day(raw[0].read_at), last + 1):
        near = [one for one in by_day[day - 1] if one.read_at >= zone.day_start(day) - BEFORE_US] + by_day[day]
        one = digest(zone, day, days.get(day, DayAmount()), hours[day], near, conflicts[day], jumps[day])
        if one:
            found[day] = one
    return found


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
                days = [_day(running.start_s + (first + after) * device.interval_s) for after in (0, lasts + 4)]
                found.append(Injected(str(kind), rule, device.key, days[0], days[1]))
        if device.is_off:
            days = [_day(running.start_s), _day(running.start_s + (running.hours - 1) * 3600)]
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


def _day(unix_s: int) -> Day:
    return ZONE.day(unix_s * SECOND)


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


def _wrong(of: Register, begin: int, end: int) -> None:
    """Every fourth value is nonsense."""
    half = of.modulus // 2
    of.raw = [
        one._replace(value=(one.value + half) % of.modulus) if begin <= one.read_at < end and at % 4 == 0 else one
        for at, one in enumerate(of.raw)
    ]


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
    return of.role == "main" and of.key[3] != "energy_export_kwh"


def _electric(of: Register) -> bool:
    return _main(of) and of.medium == "electricity"


def _water(of: Register) -> bool:
    return _main(of) and of.medium == "water"


def _child(of: Register) -> bool:
    return of.medium == "electricity" and bool(of.parent) and of.key[3] == "energy_import_kwh"


FAULTS: Final = {
    "silent for 3 days": Fault("silent", 3, _main, _silent),
    "every second reading missing": Fault("missing", 2, _main, _missing),
    "stands still for 2 days": Fault("zero_run", 2, _electric, _times(0)),
    "frozen for 16 h in the day": Fault("frozen", 16 / 24, _electric, _frozen, from_hour=4),
    "frozen for 16 h, then counted twice": Fault("catch_up", 16 / 24, _electric, _double_counted, from_hour=4),
    "three times the use for 3 days": Fault("high_use", 3, _electric, _times(3)),
    "a tenth of the use for 3 days": Fault("low_use", 3, _electric, _times(0.1)),
    "a twentieth of the use for 3 days": Fault("low_use", 3, _electric, _times(0.05)),
    "one hour with three times its use": Fault("interval_spike", 1 / 24, _electric, _times(3.3), from_hour=10),
    "a thousandth for 3 days": Fault("unit_slip", 3, _electric, _times(0.001)),
    "ratio doubled in the registry": Fault("ratio_change", 7, _electric, _ratio),
    "every third reading only": Fault("interval_change", 6, _main, _sparser),
    "clock 3 h behind": Fault("clock_stale", 3, _main, _shifted(3 * 3600)),
    "clock 9 min ahead, sent at once": Fault("clock_ahead", 3, _fast, _shifted(-540)),
    "leak of a third of the average flow": Fault("night_minimum", 8, _water, _leak),
    "every fourth value nonsense": Fault("wrong_values", 1, _electric, _wrong),
    "sub-meter counts double": Fault("sum_of_children", 8, _child, _times(2)),
}
EACH: Final = 8


def spoil(registers: Mapping[Key, Register], month: Month, seed: int, taken: set[Key]) -> list[Injected]:
    """Every fault of this file on meters of its own, somewhere in the month."""
    rng = random.Random(f"vee/{seed}")
    injected = []
    for name, fault in FAULTS.items():
        able = sorted(key for key, register in registers.items() if key not in taken and fault.on(register))
        for key in rng.sample(able, min(EACH, len(able))):
            begin = month.start_s * SECOND + rng.randrange(5, 20) * DAY_US + fault.from_hour * 3600 * SECOND
            end = begin + int(fault.days * DAY_US)
            fault.change(registers[key], begin, end)
            taken.add(key)
            injected.append(Injected(name, fault.rule, key, ZONE.day(begin), ZONE.day(end) + 1))
    return injected


class Line(NamedTuple):
    """A row of the table of faults."""

    fault: str
    rule: str
    injected: int
    found: int


def scored(found: Mapping[Key, Sequence[Finding]], injected: Iterable[Injected], registers: Mapping[Key, Register]) -> list[Line]:
    """How many of each fault its rule found."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in injected:
        counts[one.fault, one.rule][0] += 1
        counts[one.fault, one.rule][1] += is_found(one, found, registers)
    return [Line(fault, rule, *count) for (fault, rule), count in counts.items()]


def is_found(one: Injected, found: Mapping[Key, Sequence[Finding]], registers: Mapping[Key, Register]) -> bool:
    """Whether the rule for a fault speaks on its days; what is wrong with a sub-meter may show at the meter before it."""
    return any(
        finding.rule == one.rule and finding.from_day <= one.last and finding.to_day >= one.first
        for key in (one.key, _parent(one.key, registers))
        for finding in found.get(key, ())
    )


def _parent(key: Key, registers: Mapping[Key, Register]) -> Key:
    return key[0], key[1], registers[key].parent if key in registers else "", key[3]


@click.command()
@click.option("--institutions", default=100, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option("--months", default="2026-02,2026-05,2026-07,2026-10", show_default=True, help="judged; holidays lie in each")
@click.option("--details", is_flag=True, help="every false alarm with its evidence")
def main(institutions: int, seed: int, months: str, details: bool) -> None:
    """Print, per rule, what was injected, found and missed, and how often a rule speaks where nothing is wrong."""
    alarms: Counter[str] = Counter()
    flagged: set[tuple[str, Key]] = set()
    flagged_institutions: set[tuple[str, str]] = set()
    meter_months = institution_months = 0
    for text in months.split(","):
        month = Month.parse(text)
        registers, _ = simulated(institutions, seed, month, Scenario(), 0)
        found = judged(registers, _day(month.start_s), _day(month.end_s) - 1)
        meter_months += len(found)
        institution_months += institutions
        for key, of in found.items():
            for one in of:
                alarms[one.rule] += 1
                flagged.add((text, key))
                flagged_institutions.add((text, key[0]))
                if details:
                    click.echo(f"{text} {'/'.join(key)} {one.rule} {one.days} {dict(one.evidence)}")
    click.echo(
        f"\nquiet: {meter_months} register-months of {institution_months} institution-months\n\n| rule | false alarms |\n|---|---|"
    )
    for rule in RULES:
        click.echo(f"| {rule} | {alarms[rule]} |")
    click.echo(f"\nregister-months flagged: {len(flagged)} ({len(flagged) / meter_months:.2%})")
    click.echo(f"institution-months flagged: {len(flagged_institutions)} ({len(flagged_institutions) / institution_months:.2%})")
    _faulty(institutions, seed, Month.parse(months.split(",")[-1]), details=details)


RATES: Final = {"freeze": 5e-5, "unit_slip": 2e-5, "reset": 1e-5, "exchange": 1e-5, "clock_skew": 0.02, "conflict": 0.0002}


def _faulty(institutions: int, seed: int, month: Month, *, details: bool) -> None:
    scenario = Scenario().with_rates(**RATES)
    registers, injected = simulated(institutions, seed, month, scenario, 0.3)
    first, last = _day(month.start_s), _day(month.end_s) - 1
    struck = {one.key for one in injected}
    injected = [one for one in injected if first <= one.first and one.last <= last]
    injected += spoil(registers, month, seed, set(struck))
    injected += [
        Injected("several values for one time", "conflict", key, ZONE.day(at), ZONE.day(at))
        for key, register in sorted(registers.items())
        for at in sorted(register.conflicts)
    ]
    found = judged(registers, first, last)
    click.echo("\nfaulty:\n\n| fault | rule | injected | found | missed |\n|---|---|---|---|---|")
    for line in scored(found, injected, registers):
        missed = line.injected - line.found if line.rule else "-"
        click.echo(f"| {line.fault} | {line.rule or '(none)'} | {line.injected} | {line.found if line.rule else '-'} | {missed} |")
    if details:
        for one in injected:
            if one.rule and not is_found(one, found, registers):
                of = registers[one.key]
                click.echo(f"missed: {one.fault} {'/'.join(one.key)} step {of.quantum * of.ratio_milli / 1e6} exports {of.exports}")
    wrong = struck | {one.key for one in injected}
    wrong |= {_parent(key, registers) for key in wrong}
    others = Counter(one.rule for key, of in found.items() if key not in wrong for one in of)
    click.echo(f"\non {len(set(found) - wrong)} registers without a fault of their own: {dict(others) or 'nothing'}")


if __name__ == "__main__":
    main()
