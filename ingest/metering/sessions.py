"""What a charger said of a charging session -> one session: times, energy, state, and whether it may be billed. Pure.

Statements are a set: the same ones in any order, repeated or late, give the same session. Nothing here knows when they arrived.

    open      no stop is known
    closed    one start, one stop
    disputed  the statements contradict each other, or the session overlaps with another one on its connector

A session's energy comes from the registers at both ends; where they cannot be true, from the session energy the charger states, if
that can be; else it is not known. What a session suffers from is kept as findings, each with its evidence.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ingest.metering.calendar import HOUR_US, Calendar, Instant

# The bounds below are this project's own: no standard was found that states any.
CLOCK_SLACK_US: Final = HOUR_US // 60
"""A charger's clock shows whole minutes at worst: so much longer may a session have lasted, or have overlapped with the next."""
POWER_PER_CENT: Final = 110
"""Most of the rated power that is believed."""
LONGEST_US: Final = 72 * HOUR_US
"""A session that lasts longer is not believed, and occupies its connector no longer than this."""
AGREE_PER_MILLE: Final = 20
AGREE_MICRO: Final = 100_000
"""Registers and stated energy agree within 2 %, or 0.1 kWh."""
QUANTA: Final = 2
"""Each of two readings may be off by one display step."""

NOTES: Final = frozenset({"stop_corrected", "energies_disagree", "started_at_zero", "register_fell", "impossible_energy",
                          "impossible_stated_energy", "never_stopped"})  # fmt: skip
"""Findings that alone keep nobody from billing: what they put in doubt is not used."""
BLOCKING: Final = frozenset({"too_long", "below_update", "below_previous", "no_energy"})
DISPUTING: Final = frozenset({"starts_differ", "start_registers_differ", "stops_differ", "stop_before_start", "overlap"})
_GRAVITY: Final = {kind: rank for rank, group in enumerate((DISPUTING, BLOCKING, NOTES)) for kind in group}


class Statement(NamedTuple):
    """One distinct statement of a session; registers and energy in thousandths of a kWh, registers before the ratio."""

    started_at: Instant
    start_register: int
    stopped_at: Instant | None = None
    stop_register: int | None = None
    session_energy: int | None = None


class Version(NamedTuple):
    """What holds for a charger's meter from `valid_from` on."""

    valid_from: Instant
    ratio_milli: int
    quantum_milli: int
    modulus: int | None
    """Where the register rolls over, in thousandths; None: never."""
    interval_us: int


@dataclass(frozen=True, slots=True)
class Charger:
    """What a session is held against; `versions` in rising order."""

    calendar: Calendar
    rated_w: int
    versions: tuple[Version, ...]

    def at(self, at: Instant) -> Version:
        """The version in force at an instant; before the first one, the first."""
        return self.versions[max(bisect_right(self.versions, at, key=lambda version: version.valid_from) - 1, 0)]

    def most_micro(self, lasts_us: int) -> int:
        """The most energy that is believed in so long, in millionths of a kWh."""
        return self.rated_w * POWER_PER_CENT * max(lasts_us, 0) // 100 // 3_600_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What a session suffers from, and the evidence of it: instants in microseconds, energies in millionths of a kWh."""

    kind: str
    evidence: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Session:
    """What a session comes to. `ends_at`: until when it may have held the connector; `energy` in millionths of a kWh."""

    connector: int
    session: str
    started_at: Instant
    start_register: int
    stopped_at: Instant | None
    stop_register: int | None
    ends_at: Instant
    energy: int | None
    quality: str
    """`measured` by the registers, `stated` by the charger, or `none`."""
    statements: int
    findings: tuple[Finding, ...] = ()

    @property
    def state(self) -> str:
        """open, closed or disputed."""
        if any(finding.kind in DISPUTING for finding in self.findings):
            return "disputed"
        return "open" if self.stopped_at is None else "closed"

    @property
    def reason(self) -> str | None:
        """The gravest finding."""
        return min((finding.kind for finding in self.findings), key=lambda kind: (_GRAVITY[kind], kind), default=None)

    @property
    def billable(self) -> bool:
        """Closed, its energy known, and nothing found that puts that in doubt."""
        return self.state == "closed" and self.energy is not None and all(finding.kind in NOTES for finding in self.findings)

    @property
    def order(self) -> tuple[Instant, str]:
        """Sessions of a connector follow each other by start, then by name."""
        return self.started_at, self.session


def fold(connector: int, session: str, statements: Iterable[Statement], charger: Charger) -> Session:
    """The session that a set of statements, at least one, comes to, seen by itself."""
    said = set(statements)
    started_at, start_register, findings = _start(said)
    stop, stop_findings = _stop(said)
    findings += stop_findings
    if stop is None:
        return _open(connector, session, started_at, start_register, said, findings)
    assert stop.stopped_at is not None
    lasts_us = stop.stopped_at - started_at
    if lasts_us < 0:
        findings.append(Finding("stop_before_start", {"started_at": started_at, "stopped_at": stop.stopped_at}))
    if lasts_us > LONGEST_US:
        findings.append(Finding("too_long", {"lasts_us": lasts_us, "longest_us": LONGEST_US}))
    energy, quality, energy_findings = _energy(start_register, stop, lasts_us, charger, charger.at(started_at))
    findings += energy_findings
    findings += _below_update(said, energy)
    return Session(
        connector, session, started_at, start_register, stop.stopped_at, stop.stop_register,
        min(max(stop.stopped_at, started_at), started_at + LONGEST_US), energy, quality, len(said), tuple(findings),
    )  # fmt: skip


def _open(
    connector: int, session: str, started_at: Instant, start_register: int, said: Collection[Statement], findings: list[Finding]
) -> Session:
    """No stop is known; the energy so far is the most that an update stated."""
    so_far = max((one.session_energy for one in said if one.session_energy is not None), default=None)
    energy, quality = (None, "none") if so_far is None else (so_far * 1000, "stated")
    ends_at = started_at + LONGEST_US
    return Session(connector, session, started_at, start_register, None, None, ends_at, energy, quality, len(said), tuple(findings))


def _start(said: Collection[Statement]) -> tuple[Instant, int, list[Finding]]:
    """The first start; of several registers the one that is not zero, since zero is what firmware says that knows none."""
    findings = []
    starts = sorted({one.started_at for one in said})
    if len(starts) > 1:
        findings.append(Finding("starts_differ", {"started_at": starts}))
    registers = sorted({one.start_register for one in said})
    known = [register for register in registers if register] or registers
    if len(known) > 1:
        findings.append(Finding("start_registers_differ", {"start_register": known}))
    elif len(registers) > 1:
        findings.append(Finding("started_at_zero", {"start_register": registers}))
    return starts[0], known[0], findings


def _stop(said: Collection[Statement]) -> tuple[Statement | None, list[Finding]]:
    """The last stop; an earlier one is corrected by it, as long as what was counted does not fall."""
    stops = [one for one in said if one.stopped_at is not None]
    if not stops:
        return None, []
    last_at = max(one.stopped_at or 0 for one in stops)
    last = [one for one in stops if one.stopped_at == last_at]
    registers = {one.stop_register for one in last if one.stop_register is not None}
    energies = {one.session_energy for one in last if one.session_energy is not None}
    stop = Statement(0, 0, last_at, min(registers, default=None), min(energies, default=None))
    evidence = {"stops": sorted(([one.stopped_at, one.stop_register, one.session_energy] for one in stops), key=str)}
    earlier = [one for one in stops if one.stopped_at != last_at]
    if len(registers) > 1 or len(energies) > 1 or any(_fell(one, stop) for one in earlier):
        return stop, [Finding("stops_differ", evidence)]
    return stop, [Finding("stop_corrected", evidence)] if earlier else []


def _fell(earlier: Statement, stop: Statement) -> bool:
    pairs = ((earlier.stop_register, stop.stop_register), (earlier.session_energy, stop.session_energy))
    return any(before is not None and after is not None and before > after for before, after in pairs)


def _energy(
    start_register: int, stop: Statement, lasts_us: int, charger: Charger, version: Version
) -> tuple[int | None, str, list[Finding]]:
    """Energy, its quality, and what was found: the registers' difference, else the stated energy, else nothing."""
    most = charger.most_micro(lasts_us + CLOCK_SLACK_US) + QUANTA * version.quantum_milli * version.ratio_milli
    stated = None if stop.session_energy is None else stop.session_energy * 1000
    findings = []
    if stated is not None and stated > most:
        findings.append(Finding("impossible_stated_energy", {"stated": stated, "most": most}))
        stated = None
    measured, fault = _measured(start_register, stop.stop_register, most, version)
    if fault is not None:
        findings.append(fault)
    if measured is None:
        if stated is None:
            findings.append(Finding("no_energy", {}))
        return stated, "none" if stated is None else "stated", findings
    if stated is not None and abs(stated - measured) > max(measured * AGREE_PER_MILLE // 1000, AGREE_MICRO):
        findings.append(Finding("energies_disagree", {"measured": measured, "stated": stated}))
    return measured, "measured", findings


def _measured(start: int, stop: int | None, most: int, version: Version) -> tuple[int | None, Finding | None]:
    """The registers' difference, where it can be true."""
    if stop is None:
        return None, None
    advance = (stop - start) * version.ratio_milli
    evidence = {"start_register": start, "stop_register": stop, "most": most}
    if advance < 0:
        rolled = advance if version.modulus is None else advance + version.modulus * version.ratio_milli
        return (rolled, None) if 0 <= rolled <= most else (None, Finding("register_fell", evidence))
    if advance > most:
        return None, Finding("impossible_energy" if start else "started_at_zero", evidence)
    return advance, None


def _below_update(said: Collection[Statement], energy: int | None) -> Iterator[Finding]:
    """A stop that says less than an update before it said."""
    updates = [one.session_energy * 1000 for one in said if one.stopped_at is None and one.session_energy is not None]
    if updates and energy is not None and max(updates) > energy + max(energy * AGREE_PER_MILLE // 1000, AGREE_MICRO):
        yield Finding("below_update", {"energy": energy, "update": max(updates)})
