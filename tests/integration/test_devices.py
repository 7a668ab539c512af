"""Which institutions miss readings or a gateway, asked of the real database; and shown by a real service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.stack import Stack
from ingest.storage.devices import silent_places
from tests.databases import Database
from tests.registries import channels, charger, import_files, institution, meter, write_files
from tests.running import eventually, running_service
from tests.settling import NOW, store

HOURS = 60 * 60 * 1_000_000


@pytest.fixture
async def by_path(database: Database, tmp_path: Path) -> dict[str, int]:
    """Three institutions: two hourly meters, one meter read each four hours, one meter and a charger. Channels by path."""
    institutions = [institution(code) for code in ("I1", "I2", "I3")]
    meters = [
        meter("E1"), meter("W1", medium="water"), meter("E1", "I2", gateway="G2", interval_minutes=240),
        meter("E1", "I3", gateway="G3"), meter("M1", "I3", gateway="G3", interval_minutes=5 * 24 * 60),
        meter("C1", "I3", medium="charger", gateway="G3"),
    ]  # fmt: skip
    await import_files(database, write_files(tmp_path / "registry", institutions, meters, chargers=[charger(of="I3")]))
    await registered(database, NOW - timedelta(days=30))
    return await channels(database)


async def registered(database: Database, at: datetime) -> None:
    """All meters, at that time."""
    await database.run("UPDATE metering.meter SET registered_at = %s", at)


async def heard(database: Database, by_path: dict[str, int], **hours_ago: float) -> None:
    """A reading of each meter's first register, so many hours before NOW: I1_electricity_E1=5."""
    now_us = round(NOW.timestamp() * 1_000_000)
    paths = {name.replace("_", "/"): hours for name, hours in hours_ago.items()}
    rows = [
        (channel, now_us - round(paths[path.rpartition("/")[0]] * HOURS), 1)
        for path, channel in by_path.items()
        if path.rpartition("/")[0] in paths and path.endswith(("energy_import_kwh", "volume_m3"))
    ]
    assert len(rows) == len(paths), by_path
    await store(database, [rows])


async def state(database: Database, of: str, gateway: str, status: str, minutes_ago: int) -> None:
    at = NOW - timedelta(minutes=minutes_ago)
    await database.run(
        "INSERT INTO metering.gateway_status SELECT institution, %s, %s, %s, %s FROM metering.institution WHERE code = %s",
        gateway, at, status, at, of,
    )  # fmt: skip


async def test_a_meter_is_silent_after_six_hours_or_three_intervals(database: Database, by_path: dict[str, int]) -> None:
    """Of whatever register; a charger and a meter read each five days are not judged."""
    await heard(database, by_path, I1_electricity_E1=5.9, I1_water_W1=6.1, I2_electricity_E1=11.9, I3_electricity_E1=6.1)
    assert await silent_places(database.settings, NOW, 10) == [("I1", "XN", 2, 1, 0), ("I3", "XN", 1, 1, 0)]
    assert await silent_places(database.settings, NOW + timedelta(minutes=12), 10) == [
        ("I1", "XN", 2, 2, 0), ("I2", "XN", 1, 1, 0), ("I3", "XN", 1, 1, 0),
    ]  # fmt: skip


async def test_a_meter_that_has_never_sent_is_silent_and_those_with_most_come_first(
    database: Database, by_path: dict[str, int]
) -> None:
    """Registered is expected; no more places than asked for."""
    assert by_path
    assert await silent_places(database.settings, NOW, 10) == [("I1", "XN", 2, 2, 0), ("I2", "XN", 1, 1, 0), ("I3", "XN", 1, 1, 0)]
    assert await silent_places(database.settings, NOW, 1) == [("I1", "XN", 2, 2, 0)]


async def test_a_meter_just_registered_has_as_long_for_its_first_reading(database: Database, by_path: dict[str, int]) -> None:
    """Six hours, or three of its intervals: an import of meters that are installed the same day is no outage."""
    assert by_path
    await registered(database, NOW - timedelta(hours=5.9))
    assert await silent_places(database.settings, NOW, 10) == []
    await registered(database, NOW - timedelta(hours=6.1))
    assert await silent_places(database.settings, NOW, 10) == [("I1", "XN", 2, 2, 0), ("I3", "XN", 1, 1, 0)]


async def test_a_gateway_is_offline_by_its_newest_connection(database: Database, by_path: dict[str, int]) -> None:
    """A will of an earlier connection says nothing of a later one; a gateway that nobody registered is nobody's."""
    await heard(database, by_path, I1_electricity_E1=1, I1_water_W1=1, I2_electricity_E1=1, I3_electricity_E1=1)
    await state(database, "I1", "G1", "online", 90)
    await state(database, "I1", "G1", "offline", 90)
    await state(database, "I1", "G1", "online", 30)
    await state(database, "I2", "G2", "online", 20)
    await state(database, "I2", "G2", "offline", 20)
    await state(database, "I3", "G9", "offline", 20)
    assert await silent_places(database.settings, NOW, 10) == [("I2", "XN", 1, 0, 1)]


async def test_whoever_settles_shows_them(stack: Stack, database: Database, tmp_path: Path, by_path: dict[str, int]) -> None:
    """Beside readiness and the clock, as one scrape has them."""
    assert by_path
    async with running_service(database, stack.mosquitto, tmp_path, settlement__enabled=True) as service:
        silent = 'meters_silent{institution="I1",region="XN"}'
        await eventually(lambda: service.metric(silent), "shown")
        metrics = await service.metrics()
        status, _ = await service.http("/readyz")
    assert metrics[silent] == metrics['meters_expected{institution="I1",region="XN"}'] == 2
    assert (status, metrics["ready"]) == (200, 1)
    assert abs(metrics["time_seconds"] - datetime.now(UTC).timestamp()) < 3600
    assert metrics["uncommitted_limit_bytes"] == 16 * 2**20
