"""Consumption of a messy stretch, register by register and day by day, against what was truly consumed."""

from pathlib import Path

from benchmarks import exactness
from simulators import fleet, run, scenario
from simulators.month import Month
from tests.databases import Database

INSTITUTIONS, DAYS, SEED = 3, 8, 1
RATES = {"drop": 0.02, "dip": 0.002, "spike": 0.002, "freeze": 0.001}
"""A month's troubles in a week."""


async def test_consumption_is_exact_where_readings_are_complete(database: Database, tmp_path: Path) -> None:
    """Complete periods to a display step, the others within what their readings leave open, and nothing without a reason."""
    of = run.build(fleet.build(INSTITUTIONS, SEED, Month.parse("2026-10")), scenario.load("messy").with_rates(**RATES), DAYS)

    proof = await exactness.prove(of, database.settings, database.reader_url, tmp_path)

    assert [] == proof.report.problems
    assert 0 == proof.unexplained, exactness.table(proof)
    days = {reason: line for (what, reason), line in proof.lines.items() if what == "day"}
    assert len(of.devices) * DAYS == sum(line.periods for line in days.values())
    assert 0 < days[exactness.COMPLETE].periods == days[exactness.COMPLETE].exact
    assert sum(line.bounded for line in days.values()) > 0, "nothing was left open"
