"""A clock that goes on while readings come late, the registry changes and operators decide: at any end, the rows of a rebuild."""

import copy
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingest.metering.calendar import HOUR_US, instant, moment
from ingest.storage import decisions, rebuild
from ingest.storage.decisions import Grounds, Undecidable
from ingest.storage.registry_csv import RegistryFault
from tests.databases import Database
from tests.integration.clock import server_clock
from tests.registries import QUOTAS, channels, import_files, institution, meter, write_files
from tests.settling import ByHand, by_hand, derived, differences

DAYS = 25
CUMULATIVE = ("kwh", "m3")
FINDINGS = "SELECT f::text FROM meterwarden.finding AS f ORDER BY 1"
Registry = dict[str, list[dict[str, Any]]]
Row = tuple[int, int, int]


def registry() -> Registry:
    """A tree, a silent institution, one that has no meter and lacks its area; a quota that leaves a data room out."""
    tree = [meter("E2", role="branch", parent="E1"), meter("E3", role="sub", parent="E2", sub_item="D1"),
            meter("C1", medium="charger", role="sub", parent="E1"), meter("C2", medium="charger")]  # fmt: skip
    return {
        "institutions": [institution(), institution("I2"), institution("I3", area=None)],
        "meters": [meter(registers="energy_import_kwh energy_export_kwh"), *tree, meter("W1", medium="water"), meter(of="I2")],
        "quotas": [{**QUOTAS[0], "excludes": "D1;charger"}, *QUOTAS[1:]],
    }


def change(rng: random.Random, of: Registry, first: date) -> None:
    """One thing about it, mostly from a day on that may lie before or behind the clock."""
    day = str(first + timedelta(days=rng.randrange(-3, DAYS)))
    line, place = rng.choice(of["meters"]), rng.choice(of["institutions"])
    match rng.randrange(6):
        case 0:
            place["area"], place["people"] = rng.choice([500, 5000]), rng.choice([50, 500])
        case 1:
            place["class"] = rng.choice(["government", "school"])
        case 2:
            line["ratio"] = rng.choice([1, 3, "0.5"])
        case 3:
            of["meters"].append(meter(f"N{len(of['meters'])}", of=place["institution"], valid_from=day,
                                      medium=rng.choice(["water", "electricity", "charger"])))  # fmt: skip
        case 4:
            of["quotas"][0]["valid_to"] = str(first + timedelta(days=9))
            of["quotas"].append(
                {**QUOTAS[0], "quota": "NEW", "constraint": 12, "excludes": "D", "valid_from": of["quotas"][0]["valid_to"]}
            )
        case _:
            of["meters"].append({**line, "valid_from": day, "role": rng.choice(["main", "check"]),
                                 "parent": "E1", "interval_minutes": rng.choice([15, 360])})  # fmt: skip
            line["valid_to"] = day


def history(rng: random.Random, channel: int, begin: int) -> list[tuple[int, Row]]:
    """Readings, with silences, falls and jumps, each with the instant at which it comes: at once, hours or days late."""
    at, value, coming = begin - rng.randrange(48) * HOUR_US, rng.randrange(10**8), []
    while at < begin + DAYS * 24 * HOUR_US:
        at += int(rng.choice([1, 1, 1, 1, 2.5, 5, 7, 40, 90]) * HOUR_US)
        value = rng.choice([rng.randrange(10**9), rng.randrange(1000)]) if rng.random() < 0.02 else value + rng.randrange(3_000)
        shown = rng.randrange(10**9) if rng.random() < 0.02 else value
        coming.append((at + rng.choice([0, 0, 0, 0, 1, 30, 200]) * HOUR_US, (channel, at, shown)))
    return coming


async def decide(rng: random.Random, hand: ByHand, path: str, rows: list[Row]) -> None:
    """An edit or an exchange at the instant of a reading, or beside it."""
    _, at, value = rng.choice(rows)
    at += rng.choice([0, 0, HOUR_US // 3])
    grounds, name = Grounds("test", "test"), path.rpartition("/")
    try:
        register = await decisions.register(hand.connection, name[0], name[2], moment(at))
        if rng.random() < 0.5:
            await decisions.edit(hand.connection, register, moment(at), rng.choice([None, Decimal(value).scaleb(-3)]), grounds)
        else:
            await decisions.exchange(hand.connection, register, moment(at), (Decimal(value).scaleb(-3), Decimal(1)), grounds)
    except Undecidable:
        await hand.connection.rollback()


@pytest.mark.parametrize(
    ("zone", "first"),
    [("Asia/Shanghai", date(2025, 12, 20)), ("Europe/Berlin", date(2026, 3, 15)), ("Asia/Kathmandu", date(2024, 2, 15))],
    ids=["over a year's end", "over a day of 23 hours", "over a leap day"],
)
async def test_while_the_clock_goes_on_the_rows_are_those_of_a_rebuild(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, zone: str, first: date
) -> None:
    """Every derived row and finding, whenever days closed, rounds ended, readings came and the registry learnt of a change."""
    rng = random.Random(f"{seed} {zone}")
    begin = now = datetime(first.year, first.month, first.day, 3, 7, tzinfo=UTC)
    go_on = server_clock(monkeypatch)
    known, coming, heard = registry(), list[tuple[int, Row]](), dict[str, list[Row]]()
    async with by_hand(database) as hand:
        while now < begin + timedelta(days=DAYS + 1):
            go_on(now)
            if not heard or rng.random() < 0.15:
                known = await _imported(rng, database, known, first, tmp_path / now.isoformat(), zone, change_it=bool(heard))
            for path, channel in (await channels(database)).items():
                if path.endswith(CUMULATIVE) and path not in heard:
                    new = history(rng, channel, instant(begin))
                    coming, heard[path] = sorted([*coming, *new]), [row for _, row in new]
            came = [row for at, row in coming if at <= instant(now)]
            coming = coming[len(came) :]
            await hand.store(came)
            past = [(path, [row for row in rows if row[1] < instant(now)]) for path, rows in heard.items()]
            if rng.random() < 0.1 and (past := [(path, rows) for path, rows in past if rows]):
                await decide(rng, hand, *rng.choice(past))
            rounds = hand.settle_some if rng.random() < 0.2 else hand.settle
            await rounds(channel_hours=rng.choice([50, 50_000]), now=now)
            now += timedelta(hours=rng.choice([1, 7, 24, 60]))
        await hand.settle(now=now)
        before, found = await derived(database), await database.rows(FINDINGS)
        go_on(now)
        await rebuild.forget_and_mark(database.settings)
        await hand.settle(now=now)
    assert [] == differences(before, await derived(database))[:5], f"seed {seed}"
    assert found == await database.rows(FINDINGS), f"seed {seed}"


async def _imported(
    rng: random.Random, database: Database, known: Registry, first: date, directory: Path, zone: str, *, change_it: bool
) -> Registry:
    """The registry, perhaps with a change; what an import refuses, changes nothing."""
    wanted = copy.deepcopy(known)
    if change_it:
        change(rng, wanted, first)
    try:
        await import_files(database, write_files(directory, timezone=zone, **wanted))
    except RegistryFault:
        return known
    return wanted
