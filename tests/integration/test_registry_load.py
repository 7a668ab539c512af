"""What intake knows in memory is what the registry says: every version of every meter, whatever the blocks it was read in."""

import ctypes
import random
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ingest.metering.calendar import instant
from ingest.metering.registers import INTEGER_LIMIT
from ingest.metrics import Metrics
from ingest.present import Present
from ingest.registry import ABSENT, Face, Registry
from ingest.settings import Settings
from ingest.storage import registry as storage
from ingest.storage.registry import load_registry
from schemas.registers import REGISTERS, Kind
from tests.databases import Database

METERS = 60
START = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
FOREVER = 2**63 - 1
ADD_INSTITUTIONS = """
    INSERT INTO metering.institution (code, name, region) SELECT c, c, region FROM metering.region, unnest(%s::text[]) AS c
"""
ADD_METER = "INSERT INTO metering.meter (meter, medium, code) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s)"
ADD_VERSIONS = """
    INSERT INTO metering.meter_version (meter, valid_from, valid_to, institution, gateway, register_digits,
                                        role, ratio_milli, rated_capacity, quantum_milli, interval_s)
    SELECT meter, since, until, institution, gateway, digits, 'sub', 1000, 1, 1, 60
    FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::smallint[])
         AS version (meter, since, until, code, gateway, digits) JOIN metering.institution USING (code)
"""
ADD_CHANNELS = """
    INSERT INTO metering.channel (meter, register, kind, unit, decimals)
    SELECT meter, register, kind, '', decimals FROM unnest(%s::int[], %s::text[], %s::text[], %s::smallint[])
         AS channel (meter, register, kind, decimals)
"""
VERSIONS = """
    SELECT meter, institution.code || '/' || medium || '/' || meter.code, institution.code, gateway, register_digits,
           valid_from, nullif(valid_to, 'infinity')
    FROM metering.meter_version JOIN metering.meter USING (meter) JOIN metering.institution USING (institution)
"""


async def _fill(database: Database, chance: random.Random) -> None:
    """Meters with gaps between their numbers and up to three versions, in two institutions, with no register up to all of them."""
    await database.run("INSERT INTO metering.region (code, name, timezone) VALUES ('R', 'R', 'Asia/Shanghai')")
    await database.run(ADD_INSTITUTIONS, ["I1", "I2"])
    versions, channels = [], []
    for number, meter in enumerate(sorted(chance.sample(range(1, 1_000_000), METERS))):
        await database.run(ADD_METER, meter, chance.choice(["electricity", "water"]), f"M{number}")
        begin = START + timedelta(microseconds=chance.randrange(10**15))
        ends = [begin + timedelta(days=day) for day in sorted(chance.sample(range(1, 99), chance.randrange(3)))]
        versions += [
            (
                meter,
                valid_from,
                valid_to,
                chance.choice(["I1", "I2"]),
                chance.choice(["G1", "G2", None]),
                chance.choice([5, 9, None]),
            )
            for valid_from, valid_to in zip([begin, *ends], [*ends, chance.choice(["infinity", "2090-01-01"])], strict=True)
        ]
        registers = chance.sample(sorted(REGISTERS), chance.choice([0, 0, 1, 1, 1, 2, len(REGISTERS)]))
        channels += [(meter, register, str(REGISTERS[register].kind), chance.randrange(4)) for register in registers]
    await database.run(ADD_VERSIONS, *_columns([(meter, str(since), str(until), *more) for meter, since, until, *more in versions]))
    await database.run(ADD_CHANNELS, *_columns(channels))


def _columns(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def _said(database: Database) -> list[dict[str, Any]]:
    """What the tables say of each version, registers by name."""
    channels: dict[int, dict[str, tuple[int, int]]] = {}
    for meter, register, channel, decimals in await database.rows(
        "SELECT meter, register, channel, decimals FROM metering.channel"
    ):
        channels.setdefault(meter, {})[register] = (channel, decimals)
    columns = ("meter", "path", "institution", "gateway", "digits", "valid_from", "valid_to")
    versions = [dict(zip(columns, row, strict=True)) for row in await database.rows(VERSIONS)]
    return [version | {"channels": channels.get(version["meter"], {})} for version in versions]


def _holds(registry: Registry, version: dict[str, Any]) -> None:
    begin = instant(version["valid_from"])
    end = instant(version["valid_to"]) if version["valid_to"] else FOREVER
    if not version["channels"]:
        assert registry.row(version["path"], begin) is None
        return
    row = registry.row(version["path"], begin)
    assert row is not None
    assert row != ABSENT
    assert row == registry.row(version["path"], end - 1)
    assert row != registry.row(version["path"], begin - 1)
    assert row != registry.row(version["path"], end)
    assert version["meter"] == registry.meter[row]
    for gateway in ("G1", "G2"):
        assert (gateway == version["gateway"]) == registry.is_under(row, registry.gateway(version["institution"], gateway))
    for name, register in REGISTERS.items():
        channel, face = registry.register(row, name)
        expected, decimals = version["channels"].get(name, (ABSENT, 0))
        assert expected == channel
        if channel != ABSENT:
            shown = register.kind is Kind.CUMULATIVE and version["digits"]
            assert Face(decimals, 10 ** (version["digits"] + decimals) if shown else INTEGER_LIMIT) == face


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
async def test_every_version_is_known_as_the_registry_says_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, seed: int, at_once: int
) -> None:
    """Its place in time, its gateway, the channel of each register and what that can show; blocks may hold nothing of use."""
    monkeypatch.setattr(storage, "METERS_AT_ONCE", at_once)
    await _fill(database, random.Random(seed))
    registry, said = await load_registry(database.settings), await _said(database)

    for version in said:
        _holds(registry, version)
    assert len({version["path"] for version in said if version["channels"]}) == len(registry)


async def test_an_empty_registry_knows_nobody(database: Database) -> None:
    """As before the first import."""
    assert 0 == len(await load_registry(database.settings))


async def test_memory_that_was_freed_while_a_registry_was_read_goes_back_to_the_system(database: Database) -> None:
    """Though something that lives on lies above it."""
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("a C library without malloc_trim")
    before = _resident()
    blocks = [bytes(8_000) for _ in range(10_000)]  # of the C library's heap, not of Python's own
    above = bytes(8_000)
    grown = _resident() - before
    blocks.clear()
    await Present(Registry(0)).load(Settings(database=database.settings), Metrics(CollectorRegistry()))
    assert _resident() - before < grown / 2
    assert above


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
