"""Local calendars through the whole service: year ends, leap days, days of 23 and 25 hours, against values worked out by hand."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ingest.stack import Stack
from ingest.storage.connection import connected
from ingest.storage.registry_csv import RegistryFault
from ingest.storage.zones import unlike
from tests.databases import Database
from tests.faults.gateway import Gateway
from tests.faults.script import sent_of
from tests.faults.stream import Sent
from tests.faults.workers import SETTLING, all_is_settled
from tests.registries import import_files, institution, meter, write_files
from tests.running import running_service
from tests.settling import derived_equals_rebuild

WHOLE: Final = {**SETTLING, "intake__accept_days_back": 3650}
KWH: Final = 1_000_000
"""Amounts are in millionths."""
SECOND_US: Final = 1_000_000


class Days(NamedTuple):
    """Local days in a row by the UTC instants of their midnights, and how many hours each lasts: all by hand."""

    name: str
    zone: str
    first: str
    midnights: tuple[str, ...]
    hours: tuple[int, ...]


CASES: Final = (
    Days("year-end", "Asia/Shanghai", "2024-12-31", ("2024-12-30T16:00", "2024-12-31T16:00", "2025-01-01T16:00"), (24, 24)),
    Days("leap-day", "Asia/Shanghai", "2024-02-28",
         ("2024-02-27T16:00", "2024-02-28T16:00", "2024-02-29T16:00", "2024-03-01T16:00"), (24, 24, 24)),
    Days("no-leap-day", "Asia/Shanghai", "2025-02-28", ("2025-02-27T16:00", "2025-02-28T16:00", "2025-03-01T16:00"), (24, 24)),
    # clocks go from 02:00 to 03:00 on 30 March, and from 03:00 back to 02:00 on 26 October
    Days("spring", "Europe/Berlin", "2025-03-29",
         ("2025-03-28T23:00", "2025-03-29T23:00", "2025-03-30T22:00", "2025-03-31T22:00"), (24, 23, 24)),
    Days("autumn", "Europe/Berlin", "2025-10-25",
         ("2025-10-24T22:00", "2025-10-25T22:00", "2025-10-26T23:00", "2025-10-27T23:00"), (24, 25, 24)),
    # half an hour beside UTC's hours; clocks went from 00:00 to 01:00 on 22 March, and from 00:00 back to 23:00 on 21 September
    Days("spring", "Asia/Tehran", "2022-03-21",
         ("2022-03-20T20:30", "2022-03-21T20:30", "2022-03-22T19:30", "2022-03-23T19:30"), (24, 23, 24)),
    Days("autumn", "Asia/Tehran", "2022-09-20",
         ("2022-09-19T19:30", "2022-09-20T19:30", "2022-09-21T20:30", "2022-09-22T20:30"), (24, 25, 24)),
    # the southern summer, which the country has since made its only time; 00:00 does not exist on 6 October
    Days("autumn", "America/Asuncion", "2024-03-22",
         ("2024-03-22T03:00", "2024-03-23T03:00", "2024-03-24T04:00", "2024-03-25T04:00"), (24, 25, 24)),
    Days("spring", "America/Asuncion", "2024-10-05",
         ("2024-10-05T04:00", "2024-10-06T04:00", "2024-10-07T03:00", "2024-10-08T03:00"), (24, 23, 24)),
    Days("month-end", "Asia/Kolkata", "2025-02-28", ("2025-02-27T18:30", "2025-02-28T18:30", "2025-03-01T18:30"), (24, 24)),
)  # fmt: skip


def code_of(zone: str) -> str:
    """The institution in a zone."""
    return zone.replace("/", ".")


async def register(database: Database, directory: Path) -> None:
    """An institution a zone, a meter a case, read once a day so that a whole day is an ordinary step."""
    zones = sorted({case.zone for case in CASES})
    institutions = [institution(code_of(zone), region=code_of(zone)) for zone in zones]
    meters = [meter(case.name, code_of(case.zone), interval_minutes=1440) for case in CASES]
    meters.append(meter("seconds", code_of("Asia/Shanghai"), interval_minutes=1440))
    write_files(directory, institutions, meters)
    lines = [f"{code_of(zone)},{zone},{zone}" for zone in zones]
    (directory / "regions.csv").write_text("\n".join(["region,name,timezone", *lines, ""]), encoding="utf-8")
    await import_files(database, directory)


def written(at: datetime) -> list[str]:
    """One instant in several ways: UTC, and as clocks elsewhere show it."""
    local = [at.astimezone(timezone(timedelta(minutes=minutes))).isoformat() for minutes in (-180, 330, 0, 840)]
    plain = at.strftime("%Y-%m-%dT%H:%M:%S")
    return [*local, f"{plain}Z", f"{plain.lower()}.000000000z"]


def readings(zone: str, name: str, of: Iterable[tuple[datetime, float]]) -> Iterator[Sent]:
    """Each reading in every way of writing its time."""
    for at, kwh in of:
        for text in written(at):
            topic = f"metering/{code_of(zone)}/electricity/{name}/reading"
            yield sent_of(topic, {"read_at": text, "energy_import_kwh": kwh})


def of_case(case: Days) -> Iterator[tuple[datetime, float]]:
    """The register at each midnight: the first day uses 1 kWh an hour, the second 2, the third 3."""
    kwh = 100.0
    for midnight, used in zip(case.midnights, (0, *(hours * n for n, hours in enumerate(case.hours, start=1))), strict=True):
        kwh += used
        yield datetime.fromisoformat(midnight).replace(tzinfo=UTC), kwh


PERIODS: Final = {
    ("year-end", "Asia/Shanghai"): {"2024-12": 24, "2025-01": 48, "2024": 24, "2025": 48},
    ("leap-day", "Asia/Shanghai"): {"2024-02": 24 + 48, "2024-03": 72, "2024": 144},
    ("no-leap-day", "Asia/Shanghai"): {"2025-02": 24, "2025-03": 48, "2025": 72},
    ("spring", "Europe/Berlin"): {"2025-03": 24 + 46 + 72, "2025": 142},
    ("autumn", "Europe/Berlin"): {"2025-10": 24 + 50 + 72, "2025": 146},
    ("spring", "Asia/Tehran"): {"2022-03": 24 + 46 + 72, "2022": 142},
    ("autumn", "Asia/Tehran"): {"2022-09": 24 + 50 + 72, "2022": 146},
    ("autumn", "America/Asuncion"): {"2024-03": 24 + 50 + 72, "2024": 146},
    ("spring", "America/Asuncion"): {"2024-10": 24 + 46 + 72, "2024": 142},
    ("month-end", "Asia/Kolkata"): {"2025-02": 24, "2025-03": 48, "2025": 72},
}
"""kWh of months and years."""

NO_TIMES: Final = {
    "2016-12-31T23:59:60Z": "invalid_time",  # a leap second that was: no clock of ours can hold it
    "2025-06-30T23:59:60+08:00": "invalid_time",
    "2025-06-30T24:00:00Z": "invalid_time",
    "2025-02-29T12:00:00Z": "invalid_time",
    "2025-06-31T12:00:00Z": "invalid_time",
    "2025-06-30T12:00:00+24:00": "invalid_time",
    "2025-06-30T12:00:00+05:60": "invalid_time",
    "0001-01-01T00:00:00+14:00": "invalid_time",
    "2025-06-30T12:00:00": "naive_time",
    "1999-12-31T23:59:59Z": "too_old",
    "2100-01-01T00:00:00Z": "time_in_future",
}


async def test_local_days_months_and_years_hold_exactly_what_was_used_in_them(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """Each reading on a midnight begins its day, whatever offset its time was written with; every hour of every day is measured."""
    await register(database, tmp_path / "registry")
    messages = [one for case in CASES for one in readings(case.zone, case.name, of_case(case))]
    instants = sum(len(case.midnights) for case in CASES)
    async with running_service(database, stack.mosquitto, tmp_path, **WHOLE) as service:
        await Gateway(stack.mosquitto).publish(messages)
        metrics = await service.counted(stored=instants, duplicate=len(messages) - instants)
        await all_is_settled(database)
        await service.terminate()
    assert 0 == metrics['messages_total{outcome="rejected"}']
    for case in CASES:
        assert days_of(case) == await found_days(database, case), f"{case.zone} {case.name}"
        assert hours_of(case) == await found_hours(database, case), f"{case.zone} {case.name}"
        assert PERIODS[case.name, case.zone] == await found_periods(database, case.zone, case.name), f"{case.zone} {case.name}"
        begun = [row for (row,) in await database.rows(f"SELECT day::text {FROM_STATES} ORDER BY 1", case.name, code_of(case.zone))]
        assert [day for day, _, _ in days_of(case)] == begun[:-1], f"{case.zone} {case.name}"
        assert len(case.midnights) == len(begun)
    await derived_equals_rebuild(database)


def days_of(case: Days) -> list[tuple[str, int, int]]:
    """Local day, millionths used, seconds measured."""
    first = date.fromisoformat(case.first)
    return [
        (str(first + timedelta(days=n)), hours * (n + 1) * KWH, hours * 3600) for n, hours in enumerate(case.hours)
    ]  # fmt: skip


def hours_of(case: Days) -> list[tuple[int, int, int]]:
    """For each day: how many hours it has, millionths used in each, and how many seconds each is measured."""
    return [(hours, n * KWH, 3600) for n, hours in enumerate(case.hours, start=1)]


FROM: Final = """FROM metering.consumption_{} AS found
    JOIN metering.channel USING (channel) JOIN metering.meter USING (meter) JOIN metering.meter_version USING (meter)
    JOIN metering.institution USING (institution) WHERE meter.code = %s AND institution.code = %s"""
FROM_STATES: Final = FROM.replace("consumption_{}", "day_state")


async def found_days(database: Database, case: Days) -> list[tuple[str, int, int]]:
    """As `days_of`; a day with nothing booked does not show."""
    query = f"""SELECT day::text, amount, measured_us / 1000000 {FROM.format("day")}
                AND (amount, measured_us, estimated_us, unallocated) <> (0, 0, 0, 0) ORDER BY day"""
    return await database.rows(query, case.name, code_of(case.zone))


async def found_hours(database: Database, case: Days) -> list[tuple[int, int, int]]:
    """As `hours_of`, by the midnights worked out by hand."""
    query = f"""SELECT count(*), max(amount), min(measured_us) / 1000000 {FROM.format("hour")}
                AND hour >= %s::timestamptz AND hour < %s::timestamptz GROUP BY amount"""
    edges = [f"{midnight}Z" for midnight in case.midnights]
    return [
        row for begins, ends in pairwise(edges) for row in await database.rows(query, case.name, code_of(case.zone), begins, ends)
    ]


async def found_periods(database: Database, zone: str, name: str) -> dict[str, float]:
    """kWh by month and by year, those with nothing left out."""
    found = {}
    for kind, digits in (("month", 7), ("year", 4)):
        query = f"""SELECT left({kind}::text, {digits}), amount FROM meterwarden.consumption_{kind}
                    WHERE meter = %s AND institution = %s AND amount <> 0"""
        found.update({period: float(kwh) for period, kwh in await database.rows(query, name, code_of(zone))})
    return found


async def test_seconds_around_midnight_fall_on_either_side_and_the_edge_is_shared_between_them(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """One second before a month's end the register shows 10.00 kWh, one after it 10.02: 10.01 at the edge."""
    await register(database, tmp_path / "registry")
    zone = "Asia/Shanghai"
    shown = {"15:00:00": 9.0, "15:59:59": 10.0, "16:00:01": 10.02, "17:00:00": 11.0}
    of = [(datetime.fromisoformat(f"2025-06-30T{at}+00:00"), kwh) for at, kwh in shown.items()]
    topic = f"metering/{code_of(zone)}/electricity/seconds/reading"
    wrong = [sent_of(topic, {"read_at": text, "energy_import_kwh": 10}) for text in NO_TIMES]
    async with running_service(database, stack.mosquitto, tmp_path, **WHOLE) as service:
        await Gateway(stack.mosquitto).publish([*wrong, *readings(zone, "seconds", of)])
        await service.counted(stored=len(shown), rejected=len(wrong))
        await all_is_settled(database)
        await service.terminate()
    days = f"SELECT day::text, amount, measured_us / {SECOND_US} {FROM.format('day')} ORDER BY day"
    assert [("2025-06-30", 1_010_000, 3600), ("2025-07-01", 990_000, 3600)] == await database.rows(days, "seconds", code_of(zone))
    assert {"2025-06": 1.01, "2025-07": 0.99, "2025": 2.0} == await found_periods(database, zone, "seconds")
    kept = await database.rows("SELECT convert_from(payload, 'UTF8')::json ->> 'read_at', reason FROM metering.quarantine")
    assert dict(kept) == NO_TIMES


async def test_a_zone_whose_days_the_database_sees_otherwise_is_refused_by_name(database: Database, tmp_path: Path) -> None:
    """On the Azores an autumn midnight comes twice: we begin the day with the first, PostgreSQL with the second."""
    with pytest.raises(RegistryFault, match=r"Atlantic/Azores.*2000-10-29"):
        await import_files(database, write_files(tmp_path / "azores", timezone="Atlantic/Azores"))
    assert "not known to the database" in await unlike_in(database, "Mars/Olympus")
    for zone in sorted({case.zone for case in CASES}):
        assert "" == await unlike_in(database, zone)


async def unlike_in(database: Database, zone: str) -> str:
    """What the database says of a zone."""
    async with connected(database.settings) as connection:
        return await unlike(connection, zone)
