"""Days of a meter as the rules of validation see them: an ordinary pattern to spoil."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from ingest.metering.calendar import HOUR_US, Day
from ingest.metering.vee.digest import Digest
from ingest.metering.vee.rules import RULES
from ingest.metering.vee.view import DAY_US, LOOK_BACK_DAYS, Facts, Found, View

TODAY = date(2026, 9, 30).toordinal()  # a Wednesday
KWH = 1_000_000


def facts(**other: Any) -> Facts:
    """An hourly main meter of one display decimal."""
    given: dict[str, Any] = {
        "since": 1, "medium": "electricity", "register": "energy_import_kwh", "role": "main", "parent": None, "ratio_milli": 1000,
        "scale": 1000, "quantum": 100, "modulus": 10**9, "capacity": 100 * KWH, "interval_us": HOUR_US,
    }  # fmt: skip
    return Facts(**given | other)


def ordinary(day: Day, **other: Any) -> Digest:
    """240 kWh on a workday, 72 on a weekend day, a little more or less each day; hours from an eighth to twice the mean."""
    kwh = (72 if date.fromordinal(day).weekday() >= 5 else 240) + day * 7 % 11 - 5
    given: dict[str, Any] = {
        "day": day, "length_us": DAY_US, "amount": kwh * KWH, "measured_us": DAY_US, "hours": 24, "zero_hours": 0,
        "hour_max": kwh * KWH // 12, "hour_third": kwh * KWH // 13, "hour_min": kwh * KWH // 192,
        "night_flow": kwh * KWH // 192,
        "readings": 24, "values": 24, "first_value": 1, "last_value": 2, "interval_median_us": HOUR_US,
        "interval_least_us": HOUR_US, "interval_most_us": HOUR_US, "lag_least_us": 5_000_000,
        "lag_most_us": 600_000_000, "still_us": 0,
    }  # fmt: skip
    return Digest(**given | other)


def history(days: int = LOOK_BACK_DAYS, until: Day = TODAY, **other: Any) -> dict[Day, Digest]:
    """So many ordinary days before one, and that day."""
    return {day: ordinary(day, **other) for day in range(until - days, until + 1)}


def view(days: Mapping[Day, Digest] | None = None, day: Day = TODAY, of: Facts | None = None, **today: Any) -> View:
    """The view of a day, that day changed."""
    digests = dict(history() if days is None else days)
    if today:
        digests[day] = replace(digests[day], **today)
    return View(day, (of or facts(),), digests)


def found(rule: str, of: View) -> Found | None:
    """What one rule says."""
    return RULES[rule].judge(of)


def names(of: View) -> list[str]:
    """The rules that say anything."""
    return [name for name, rule in RULES.items() if rule.judge(of)]
