"""From the meter to the message: a simulated institution overruns its quota, the energy office is told, and told when it is mended.

Simulator, broker, service, database, Prometheus with the shipped rules and Alertmanager with the shipped configuration are what an
operator runs; only the waiting (`for`, group_wait) is left out, and the receivers are the test's.
"""

import asyncio
import csv
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from ingest.alerts import rules, without_waiting
from ingest.stack import Prometheus, Stack
from simulators import fleet, registry
from simulators.month import Month
from tests.acceptance.test_scenarios import SETTINGS, published
from tests.conftest import Database
from tests.notices import Notices, notices, shipped_alertmanager
from tests.registries import import_files, write_lines
from tests.running import eventually, own_broker, own_directory, running_service

INSTITUTIONS, DAYS, SEED = 2, 2, 7
NOTICE_SECONDS = 180.0
SCRAPED_EVERY = "4s"
"""No longer Prometheus waits for a page. What it did not get it takes for gone, and alerts on it for ended."""
LOST_ZEROS = 1000
"""By so much the floor area is entered too small at first: two days use more than a month's quota then."""


@asynccontextmanager
async def alerting(stack: Stack) -> AsyncIterator[tuple[Prometheus, Notices]]:
    """Prometheus and Alertmanager, as shipped, running; and what is delivered."""
    async with notices() as found:
        with own_directory() as directory, shipped_alertmanager(stack.programs, directory / "alertmanager", found) as alertmanager:
            prometheus = Prometheus.create(
                stack.programs, directory / "prometheus", without_waiting(rules()), alertmanager.port, "1s", SCRAPED_EVERY
            )
            try:
                await asyncio.gather(asyncio.to_thread(alertmanager.start), asyncio.to_thread(prometheus.start))
                yield prometheus, found
            finally:
                await asyncio.to_thread(prometheus.stop)


def enter_floor_area(directory: Path, institution: str, times: Decimal) -> None:
    """Multiply an institution's floor area in denominators.csv."""
    path = directory / "denominators.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if (row["institution"], row["denominator"]) == (institution, "floor_area_m2"):
            row["value"] = str(Decimal(row["value"]) * times)
    write_lines(path, rows)


async def test_an_overrun_quota_is_told_and_so_is_its_correction(stack: Stack, database: Database, tmp_path: Path) -> None:
    """By mail, in Chinese and English, with the right institution and region, and to the web hook; then as resolved."""
    month, directory = Month.last_closed(datetime.now(UTC)), tmp_path / "registry"
    city = fleet.build(INSTITUTIONS, SEED, month)
    over, within = (each.identity for each in city.institutions)
    registry.write(city, directory)
    enter_floor_area(directory, over.code, 1 / Decimal(LOST_ZEROS))
    await import_files(database, directory)
    of = ("--institutions", INSTITUTIONS, "--seed", SEED, "--month", month, "--scenario", "quiet", "--days", DAYS)
    with own_broker(stack.programs) as broker:
        broker.start()
        async with alerting(stack) as (prometheus, found), running_service(database, broker, tmp_path, **SETTINGS) as service:
            prometheus.scrape("meterwarden", service.port)
            await published(service, database, broker, tmp_path, *of)
            told = await eventually(lambda: found.mail("FIRING", over.code), "told", NOTICE_SECONDS)
            assert not found.mail("RESOLVED", over.code)  # Prometheus may have missed the service before it was there
            enter_floor_area(directory, over.code, Decimal(LOST_ZEROS))
            await import_files(database, directory)
            ended = await eventually(lambda: found.mail("RESOLVED", over.code), "resolved", NOTICE_SECONDS)

    for heading, text in (("告警 FIRING", told), ("已恢复 RESOLVED", ended)):  # of the month, of its year or of both
        subject, _, body = text.partition("\n")
        assert re.fullmatch(
            rf"\[{heading} \d\] {over.region} {over.code} 用能单位 {over.code} 超定额\(electricity_per_area\)。 \| .*", subject
        )
        assert f"{over.code} is over its quota (electricity_per_area)." in body
        assert re.search(
            rf"^{over.code} has used [\d.e+]+% of the constraint value for electricity_per_area in the ", body, re.MULTILINE
        )
        assert re.search(rf"^{over.code} 在.*内 electricity_per_area 已使用约束值的 [\d.e+]+%。", body, re.MULTILINE)
    assert "恢复时间:" in ended
    verdicts = [group for group in found.posted if group["receiver"] == "energy-office"]
    assert [group["groupLabels"] for group in verdicts] == [{"region": over.region, "institution": over.code}] * len(verdicts)
    assert {"firing", "resolved"} == {group["status"] for group in verdicts}
    assert not found.mail(within.code)
