"""The benchmark of validation itself: tariffs that add up to their total, parts found at their whole."""

from decimal import Decimal

from benchmarks.vee.__main__ import is_found
from benchmarks.vee.city import Injected
from benchmarks.vee.registers import DAY_US, Key, Register, parent_of
from benchmarks.vee.tariffs import add_tariffs, total_of
from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import Raw
from ingest.metering.vee.episodes import Finding
from ingest.metering.vee.view import Severity

START = 1_790_000_000_000_000 // DAY_US * DAY_US
TOTAL: Key = ("XN-0004", "electricity", "EM-01", "energy_import_kwh")
CHARGER: Key = ("XN-0004", "charger", "CH-01", "energy_import_kwh")


def register(key: Key, parent: str = "") -> Register:
    """Hourly, two decimals, 30 days."""
    raw = [Raw(START + hour * HOUR_US, 37 * hour * 10, START + hour * HOUR_US) for hour in range(30 * 24)]
    role = "sub" if parent else "main"
    return Register(key, key[1], role, parent, 1000, 10, 10**9, Decimal(100), 3600, exports=False, sub_item="", raw=raw)


def test_tariffs_add_up_to_their_total() -> None:
    """To a display step a register; the sharp one rests in September."""
    registers = {TOTAL: register(TOTAL), CHARGER: register(CHARGER, "EM-01")}
    add_tariffs(registers, set())

    tariffs = [of for key, of in registers.items() if total_of(key) != key]
    advanced = [of.raw[-1].value - of.raw[0].value for of in tariffs]
    total = registers[TOTAL].raw[-1].value
    assert [4, 0] == [len(tariffs), advanced[0]]
    assert 0 <= total - sum(advanced) <= 4 * 10
    assert {total_of(of.key) for of in tariffs} == {TOTAL}


def test_a_part_s_fault_may_show_at_its_whole() -> None:
    """At the meter before it, of a charger too; not on other days, nor by another rule."""
    registers = {TOTAL: register(TOTAL), CHARGER: register(CHARGER, "EM-01")}
    found = {TOTAL: [Finding("sum_of_children", 10, 12, 3, Severity.WARNING, 0, {})]}

    assert TOTAL == parent_of(CHARGER, registers)
    assert is_found(Injected("", "sum_of_children", CHARGER, 12, 14), found, registers)
    assert not is_found(Injected("", "sum_of_children", CHARGER, 13, 14), found, registers)
    assert not is_found(Injected("", "high_use", CHARGER, 12, 14), found, registers)
