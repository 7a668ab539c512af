"""Tariff registers: the simulated meters have none, so the main electricity meters of every fourth institution are given some.

Sharp, peak, flat and valley, as provinces have them: sharp hours belong to the hottest and the coldest months, and the register
rests in all others.
"""

from collections.abc import Container
from datetime import datetime
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from benchmarks.vee.registers import SECOND, Key, Register
from ingest.metering.vee.digest import Raw

EVERY: Final = 4
SHARP_MONTHS: Final = (1, 7, 8, 12)
LOCAL: Final = ZoneInfo("Asia/Shanghai")


def add_tariffs(registers: dict[Key, Register], but: Container[Key]) -> None:
    """Give total registers their tariffs, some left out: what a mishap makes of a total, its tariffs cannot follow."""
    for key, total in list(registers.items()):
        is_total = total.role == "main" and total.medium == "electricity" and key[3] == "energy_import_kwh"
        if is_total and key not in but and int(key[0].rpartition("-")[2]) % EVERY == 0:
            registers.update({of.key: of for of in _tariffs(total)})


def total_of(key: Key) -> Key:
    """The total register of a tariff; any other is its own."""
    return (*key[:3], "energy_import_kwh") if "_tariff_" in key[3] else key


def _tariffs(total: Register) -> list[Register]:
    """Tariffs change at half past: of an hour's advance each has a half, and each register shows whole display steps."""
    raw = sorted(total.raw)
    halves = [0, 0, 0, 0]
    shown: list[list[Raw]] = [[raw[0]._replace(value=0)] for _ in halves]
    for before, after in pairwise(raw):
        advance, quarter = (after.value - before.value) % total.modulus, (after.read_at - before.read_at) // 4
        for at in (before.read_at + quarter, after.read_at - quarter):
            halves[_tariff(at)] += advance
        for of, amount in zip(shown, halves, strict=True):
            of.append(after._replace(value=amount // 2 // total.quantum * total.quantum % total.modulus))
    return [_register(total, number, of) for number, of in enumerate(shown, 1)]


def _tariff(at: int) -> int:
    """Sharp, peak, flat or valley."""
    local = datetime.fromtimestamp(at / SECOND, LOCAL)
    half = local.hour * 2 + local.minute // 30
    if half < 15 or half >= 47:
        return 3
    if 39 <= half < 43:
        return 0 if local.month in SHARP_MONTHS else 1
    return 1 if 17 <= half < 23 or 37 <= half < 39 else 2


def _register(total: Register, number: int, raw: list[Raw]) -> Register:
    return Register(
        (*total.key[:3], f"energy_import_tariff_{number}_kwh"), total.medium, total.role, total.parent, total.ratio_milli,
        total.quantum, total.modulus, total.rated, total.interval_s, total.exports, total.sub_item, raw,
    )  # fmt: skip
