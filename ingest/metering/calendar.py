"""Local hours, days, months and years of a zone, as instants.

Days come from the IANA zone, so that a day may last 23 or 25 hours. Hours start at the zone's local full hour; a zone whose
offset modulo one hour changes (Australia/Lord_Howe) has no such grid and is refused.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Instant = int
"""Microseconds since 1970-01-01T00:00Z."""
Day = int
"""A local calendar day as `date.toordinal()`."""

HOUR_US: Final = 3_600_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

FIRST_DAY: Final = date(2000, 1, 1).toordinal()
LAST_DAY: Final = date(2100, 1, 1).toordinal()


def instant(at: datetime) -> Instant:
    """The instant of an aware datetime."""
    return (at - EPOCH) // MICROSECOND


def moment(at: Instant) -> datetime:
    """The datetime, in UTC, of an instant."""
    return EPOCH + timedelta(microseconds=at)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The local calendar of one zone between 2000 and 2100."""

    timezone: str
    hour_shift_us: int
    midnights: tuple[Instant, ...] = field(repr=False)

    def hour(self, at: Instant) -> Instant:
        """The start of the local hour that holds an instant."""
        return at - (at + self.hour_shift_us) % HOUR_US

    def day(self, at: Instant) -> Day:
        """The local day that holds an instant. Raises ValueError outside 2000 to 2100."""
        return self.day_and_end(at)[0]

    def day_and_end(self, at: Instant) -> tuple[Day, Instant]:
        """The local day that holds an instant, and the first instant after it. Raises ValueError outside 2000 to 2100."""
        after = bisect_right(self.midnights, at)
        if not 0 < after < len(self.midnights):
            raise ValueError(f"{moment(at)} lies outside the years 2000 to 2099")
        return FIRST_DAY + after - 1, self.midnights[after]

    def day_start(self, day: Day) -> Instant:
        """The first instant of a local day. Raises ValueError outside 2000 to 2100."""
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ValueError(f"day number {day} lies outside the years 2000 to 2099")
        return self.midnights[day - FIRST_DAY]

    def year_start(self, year: int) -> Instant:
        """The first instant of a local year."""
        return self.day_start(date(year, 1, 1).toordinal())


def month(day: Day) -> Day:
    """The first day of the month that holds a day."""
    return date.fromordinal(day).replace(day=1).toordinal()


def year(day: Day) -> int:
    """The year that holds a day."""
    return date.fromordinal(day).year


@lru_cache(maxsize=4096)
def period(kind: str, day: Day) -> tuple[Day, Day]:
    """First day and end (exclusive) of the month or year that holds a day."""
    at = date.fromordinal(day)
    match kind:
        case "month":
            return at.replace(day=1).toordinal(), (at.replace(day=28) + timedelta(days=4)).replace(day=1).toordinal()
        case "year":
            return date(at.year, 1, 1).toordinal(), date(at.year + 1, 1, 1).toordinal()
    raise ValueError(f"no period kind {kind!r}: use month or year")


@lru_cache
def calendar(timezone: str) -> Calendar:
    """The calendar of an IANA zone.

    Raises ValueError for an unknown zone and for one whose local full hours move against UTC.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a directory of zones, such as Asia
        raise ValueError(f"time zone {timezone!r} is not known: use an IANA name such as Asia/Shanghai") from error
    starts = [datetime.fromordinal(day).replace(tzinfo=zone) for day in range(FIRST_DAY, LAST_DAY + 1)]
    shifts = {_offset_us(start) % HOUR_US for start in starts}
    if len(shifts) > 1:
        raise ValueError(f"time zone {timezone!r} is not supported: its local full hours move against UTC within a year")
    return Calendar(timezone, shifts.pop(), tuple(instant(start) for start in starts))


def _offset_us(at: datetime) -> int:
    offset = at.utcoffset()
    assert offset is not None
    return offset // MICROSECOND
