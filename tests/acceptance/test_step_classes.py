"""What happens to registers, each fault by its name: a week with many of them."""

from pathlib import Path

from benchmarks import steps
from simulators import fleet, run, scenario
from simulators.month import Month
from tests.databases import Database

INSTITUTIONS, DAYS, SEED, TIMES = 5, 8, 1, 4
KINDS = {"dip", "spike", "freeze", "unit_slip", "reset", "exchange"}


async def test_register_faults_are_called_by_their_name(database: Database, tmp_path: Path) -> None:
    """At least 98 % of each kind; a wrong value that three readings agree on is said to be unexplained."""
    rates = {kind: rate * TIMES for kind, rate in steps.RATES.items()}
    of = run.build(fleet.build(INSTITUTIONS, SEED, Month.parse("2026-10")), scenario.load("messy").with_rates(**rates), DAYS)

    confusion = await steps.compare(of, database.settings, database.reader_url, tmp_path)

    assert {name.partition(",")[0] for name in confusion.injected} >= KINDS
    assert {name for name, times in confusion.injected.items() if confusion.right[name] < 0.98 * times} == set(), confusion.wrong
    assert confusion.months["wrong"] == 0
