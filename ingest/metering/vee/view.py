"""What a rule is given: one channel up to one closed local day, as it was stored; and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from statistics import median
from typing import Final, NamedTuple

from ingest.metering.calendar import HOUR_US, Day
from ingest.metering.vee.digest import Digest

LOOK_BACK_DAYS: Final = 56
"""No rule looks further back than this many days before the day it judges. Invented: eight weeks are enough for medians."""
HISTORY_DAYS: Final = 42
"""What is usual is told from this many days before: six of every weekday. Invented; a Canadian training text averages three."""
LEAST_HISTORY_DAYS: Final = 14
"""With fewer full days a meter is new, and nothing is called unusual. Invented: two of every weekday."""
EXPORT: Final = "energy_export_kwh"
"""What a roof feeds back is weather less use: a holiday multiplies it. Its days are not judged, nor are idle chargers'."""
TARIFF: Final = "energy_import_tariff_"
"""How the registers of tariffs begin: each counts a part of what the total register of the same meter counts."""
DAY_US: Final = 24 * HOUR_US
WEEK: Final = 7
REST_TIMES: Final = 1.5
"""Weekdays up to so many times the quietest are days at rest. Invented."""
ROBUST: Final = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""

Evidence = Mapping[str, int | float | str | None]
Days = Mapping[Day, Digest]


class Severity(StrEnum):
    """How much a finding matters where nobody looks: for the record, for somebody to look, figures are wrong or lost."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Found(NamedTuple):
    """A rule's answer for a day: the amount in doubt in millionths of the register's unit, and the numbers behind it."""

    severity: Severity
    impact: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Facts:
    """What the registry says of a channel from a local day on."""

    since: Day
    medium: str
    register: str
    role: str
    parent: str | None
    ratio_milli: int
    scale: int
    """Millionths of the unit per register integer."""
    quantum: int
    """Smallest step of the register, in its integers."""
    modulus: int | None
    capacity: int
    """The most that can pass in an hour, in millionths of the unit."""
    interval_us: int
    exports: bool = False
    """Whether the meter also counts what flows back, or checks one that does."""
    sub_item: str | None = None
    """What the meter is for, as the national guideline codes it: A lighting, B air conditioning, C power, D special."""

    @property
    def is_tariff(self) -> bool:
        """Whether the register counts a tariff's part of a total."""
        return self.register.startswith(TARIFF)

    @property
    def step(self) -> int:
        """The smallest step in millionths of the unit."""
        return self.quantum * self.scale


@dataclass(frozen=True)
class Usual:
    """What full days before came to: medians by weekday, and how far days lie from them."""

    by_weekday: Mapping[int, float]
    spread: float
    """Robust standard deviation of a day about the median of its weekday."""
    rest_spread: float
    """The same of the days at rest alone: weekdays that use little more than the quietest, for busy days vary by more."""
    days: int

    @cached_property
    def high(self) -> float:
        """The weekday that uses most."""
        return max(self.by_weekday.values())

    @cached_property
    def low(self) -> float:
        """The weekday that uses least."""
        return min(self.by_weekday.values())

    @cached_property
    def mean(self) -> float:
        """Average daily usage."""
        return sum(self.by_weekday.values()) / len(self.by_weekday)

    def like(self, day: Day) -> float:
        """What a day of this weekday usually comes to; without one of them, the average."""
        return self.by_weekday.get(day % WEEK, self.mean)


@dataclass(frozen=True)
class View:
    """One channel on the day to be judged, with at most `LOOK_BACK_DAYS` days before it; days without any row are absent."""

    day: Day
    facts: Sequence[Facts]
    digests: Days
    tariffs: Sequence[Days] = ()
    """The tariff registers of the same meter, where this is its total register."""
    children: Sequence[Days] = field(default=())
    """The same register of the meters behind this one, check meters left out."""
    unheard_since: Day | None = None
    """Since when a meter is registered of which nothing was ever received."""
    beside: "Mapping[str, View]" = field(default_factory=dict)
    """By code the other meters of the institution whose same register went on elsewhere on the day too."""

    @cached_property
    def now(self) -> Facts:
        """What the registry says of the day."""
        return self.at(self.day)

    def at(self, day: Day) -> Facts:
        """What the registry says of another day; before its first version, that one."""
        return next((facts for facts in reversed(self.facts) if facts.since <= day), self.facts[0])

    @property
    def today(self) -> Digest | None:
        """The day to be judged."""
        return self.digests.get(self.day)

    def before(self, days: int, until: Day | None = None) -> list[Digest]:
        """The digests of so many days before one, by default before the day itself; the newest last."""
        end = self.day if until is None else until
        return [found for day in range(end - days, end) if (found := self.digests.get(day))]

    @cached_property
    def usual(self) -> Usual | None:
        """What is usual for this channel; None while it is new."""
        return usual(self.before(HISTORY_DAYS))

    def per_hour(self) -> float:
        """A usual hour's amount; 0 while that is not known."""
        return self.usual.like(self.day) / 24 if self.usual else 0.0


def usual(days: Sequence[Digest]) -> Usual | None:
    """What some days came to; None where too few of them are full."""
    full = [digest for digest in days if digest.is_full]
    if len(full) < LEAST_HISTORY_DAYS:
        return None
    by_weekday = medians_by_weekday([(digest.day, digest.amount) for digest in full])
    quiet = REST_TIMES * min(by_weekday.values())
    apart = [(abs(digest.amount - middle), middle <= quiet) for digest in full for middle in (by_weekday[digest.day % WEEK],)]
    spread, rest = median(each for each, _ in apart), median(each for each, at_rest in apart if at_rest)
    return Usual(by_weekday, ROBUST * spread, ROBUST * rest, len(full))


def medians_by_weekday(numbers: Sequence[tuple[Day, float]]) -> dict[int, float]:
    """The median of every weekday that has any."""
    found: dict[int, list[float]] = {}
    for day, number in numbers:
        found.setdefault(day % WEEK, []).append(number)
    return {weekday: median(each) for weekday, each in found.items()}


def units(millionths: float) -> float:
    """An amount in the unit itself, as evidence shows it."""
    return round(millionths / 1e6, 3)


def minutes(microseconds: float) -> float:
    """A time in minutes, as evidence shows it."""
    return round(microseconds / 6e7, 1)


def hours(microseconds: float) -> float:
    """A time in hours, as evidence shows it."""
    return round(microseconds / HOUR_US, 2)
