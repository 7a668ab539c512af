"""Registers in memory, settled by the service's own fold and judged by its rules."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import Final

from ingest.metering.calendar import Calendar, Day, calendar
from ingest.metering.channel import BELIEVED_TIMES_RATED, Channel, Version
from ingest.metering.consumption import settle
from ingest.metering.steps import Counted
from ingest.metering.vee.digest import BEFORE_US, DayAmount, Digest, Hour, Jump, Raw, digest
from ingest.metering.vee.episodes import Finding, findings, never_heard
from ingest.metering.vee.rules import Signal, judge
from ingest.metering.vee.view import LOOK_BACK_DAYS, Days, Facts, View

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


def judged(
    registers: Mapping[Key, Register],
    first: Day,
    last: Day,
    zone: Calendar = ZONE,
    known: Mapping[Key, Days] = MappingProxyType({}),
) -> dict[Key, list[Finding]]:
    """What the rules find on the days of a span, per register; `known` are digests that need not be made."""
    digests = {key: known[key] if key in known else digests_of(register, zone, last) for key, register in registers.items()}
    children, tariffs = defaultdict[Key, list[Key]](list), defaultdict[Key, list[Key]](list)
    for key, register in registers.items():
        if "_tariff_" in key[3]:
            tariffs[(*key[:3], "energy_import_kwh")].append(key)
        if register.role != "check" and (parent := parent_of(key, registers)):
            children[parent].append(key)
    beside = defaultdict[tuple[str, str, str, Day], dict[str, View]](dict)
    for (institution, medium, code, name), days in digests.items():
        of = registers[institution, medium, code, name]
        for day in days:
            if first <= day <= last and days[day].went_on_elsewhere:
                beside[institution, medium, name, day][code] = View(day, of.facts(zone), days)
    found = {}
    for key, register in registers.items():
        facts, behind = register.facts(zone), [digests[child] for child in children.get(key, ())]
        of_total = [digests[tariff] for tariff in tariffs.get(key, ())]
        if not register.raw:
            found[key] = never_heard(View(last, facts, {}, unheard_since=first))
            continue
        signals: list[Signal] = []
        for day in range(first, last + 1):
            window = {at: digests[key][at] for at in range(day - LOOK_BACK_DAYS, day + 1) if at in digests[key]}
            if window:
                others = {code: of for code, of in beside.get((*key[:2], key[3], day), {}).items() if code != key[2]}
                signals += judge(View(day, facts, window, of_total, behind, beside=others))
        found[key] = findings(signals)
    return found


def parent_of(key: Key, registers: Mapping[Key, Register]) -> Key | None:
    """The same register of the meter before this one; a charger's may be an electricity meter."""
    institution, medium, _, name = key
    media = (medium, "electricity") if medium == "charger" else (medium,)
    above = [(institution, one, registers[key].parent, name) for one in media]
    return next((one for one in above if one in registers), None)


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
