"""Workdays, public holidays with their make-up workdays, and school vacations.

The public holidays of 2025 and 2026 follow the notices of the State Council General Office, from memory and to be checked.
Other years have only the holidays of a fixed date, and no make-up workdays.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

SATURDAY: Final = 5
Days = tuple[date, date]
"""First and last day."""


def _days(year: int, text: str) -> tuple[Days, ...]:
    """Spans such as `1-28/2-4`, or single days such as `4-27`."""
    return tuple((_day(year, span.split("/")[0]), _day(year, span.split("/")[-1])) for span in text.split())


def _day(year: int, text: str) -> date:
    month, day = text.split("-")
    return date(year, int(month), int(day))


HOLIDAYS: Final = {
    2025: _days(2025, "1-1 1-28/2-4 4-4/4-6 5-1/5-5 5-31/6-2 10-1/10-8"),  # State Council General Office notice
    2026: _days(2026, "1-1/1-3 2-15/2-23 4-4/4-6 5-1/5-5 6-19/6-21 9-25/9-27 10-1/10-7"),  # State Council General Office notice
}
MAKE_UP_WORKDAYS: Final = {
    2025: _days(2025, "1-26 2-8 4-27 9-28 10-11"),  # State Council General Office notice
    2026: _days(2026, "1-4 2-14 2-28 5-9 9-20 10-10"),  # State Council General Office notice
}
FIXED_DATES: Final = "1-1 5-1/5-5 10-1/10-7"

WINTER_VACATION: Final = {2025: "1-18/2-16", 2026: "1-31/3-1"}
"""About two weeks before and after the Spring Festival. Invented, plausible; as is the other years' and the summer's."""
OTHER_WINTERS: Final = "1-20/2-18"
SUMMER_VACATION: Final = "7-5/8-31"


def days(year: int) -> Iterator[date]:
    """Every day of a year."""
    first = date(year, 1, 1)
    return (first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days))


def is_rest(day: date) -> bool:
    """Whether offices rest: public holidays, and weekends that are no make-up workdays."""
    if _within(day, HOLIDAYS.get(day.year) or _days(day.year, FIXED_DATES)):
        return True
    return day.weekday() >= SATURDAY and not _within(day, MAKE_UP_WORKDAYS.get(day.year, ()))


def is_vacation(day: date) -> bool:
    """Whether schools are empty."""
    return _within(day, _days(day.year, f"{WINTER_VACATION.get(day.year, OTHER_WINTERS)} {SUMMER_VACATION}"))


def _within(day: date, spans: tuple[Days, ...]) -> bool:
    return any(first <= day <= last for first, last in spans)
