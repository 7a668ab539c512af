"""The simulated month: its full local hours, and the texts of its instants."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Asia/Shanghai")
HOUR_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of `ZONE`."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The month of a text such as `2026-10`; raises ValueError for anything else."""
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
            raise ValueError(f"{text!r} is not a month such as 2026-10")
        return cls(int(text[:4]), int(text[5:]))

    @classmethod
    def last_closed(cls, now: datetime) -> Self:
        """The newest month that is over at `now`, which must be aware."""
        first = now.astimezone(ZONE).replace(day=1)
        before = first - timedelta(days=1)
        return cls(before.year, before.month)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def first_day(self) -> str:
        """The first day, such as `2026-10-01`."""
        return f"{self}-01"

    @property
    def start_s(self) -> int:
        """Unix seconds of the first instant."""
        return int(datetime(self.year, self.number, 1, tzinfo=ZONE).timestamp())

    @property
    def next(self) -> "Month":
        """The month after it."""
        years, before = divmod(self.number, 12)
        return Month(self.year + years, before + 1)

    @property
    def end_s(self) -> int:
        """Unix seconds of the first instant of the next month."""
        return self.next.start_s

    @property
    def hours(self) -> int:
        """How many hours the month has."""
        return (self.end_s - self.start_s) // HOUR_SECONDS

    def hour_starts(self) -> Iterator[datetime]:
        """The local start of every hour."""
        return (local(second) for second in range(self.start_s, self.end_s, HOUR_SECONDS))

    def instants_s(self) -> range:
        """Unix seconds of every full hour, up to and including the first instant of the next month."""
        return range(self.start_s, self.end_s + 1, HOUR_SECONDS)


def local(unix_s: int) -> datetime:
    """The instant as local time; its `isoformat()` is RFC 3339 with the offset."""
    return datetime.fromtimestamp(unix_s, ZONE)
