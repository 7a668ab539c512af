"""`python -m benchmarks` on real servers, with next to nothing to do: it runs, and its exit status is its targets'."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.bench import bench
from benchmarks.figures import Measure
from benchmarks.scenarios import copy
from benchmarks.sizes import SIZES
from benchmarks.targets import Target

REACHED = Target("reached", Measure("single", "readings_per_s"), 0)
EVERYTHING = {
    "copy", "copy plain", "copy encoded", "copy in singles", "copy 1 % duplicates", "copy all duplicates", "generator",
    "generator batch20", "null", "single", "paho", "batch20", "aiomqtt", "latency at full rate", "latency", "backlog",
    "backlog null", "settle alone", "settle 15 min", "settle 15 min deep", "settle 1 s", "settle 1 s deep", "settle backlog",
    "fleet 10", "fleet 20", "start 20",
}  # fmt: skip

pytestmark = pytest.mark.services


@pytest.mark.parametrize(("target", "status"), [(REACHED, 0), (Target("", Measure("null", "messages_per_s"), 1e12), 1)])
async def test_the_exit_status_is_the_targets(target: Target, status: int) -> None:
    """0 where every target that decides is met, 1 where one is missed."""
    said: list[str] = []
    assert status == await main(["--size", "tiny", "--only", "null,single"], targets=[target], say=said.append)
    assert any(line.rstrip().endswith("MISSED" if status else "met") for line in said)


async def test_every_scenario_runs_and_is_written_down(tmp_path: Path) -> None:
    """But for the city: figures of each, above zero where something was done, and what the machine is."""
    file = tmp_path / "results.json"
    await main(["--size", "tiny", "--json", str(file)], say=lambda _: None)
    read = json.loads(file.read_text(encoding="utf-8"))
    assert EVERYTHING == {run["scenario"] for run in read["runs"]}
    assert {"cpu", "cores", "memory_gib", "kernel"} == set(read["hardware"])
    assert {"postgresql", "timescaledb", "mosquitto", "mqtt5", "paho-mqtt"} <= set(read["versions"])
    single = next(run for run in read["runs"] if run["scenario"] == "single")
    assert single["figures"]["readings_per_s"] > 0
    assert {"broker", "database", "ingest", "generator", "elsewhere"} == set(single["cores"])


async def test_known_readings_are_one_in_a_hundred_or_all_and_the_same(tmp_path: Path) -> None:
    """New ones are new, and none contradicts what is stored: else something dearer than duplicates would be measured."""
    sizes = SIZES["tiny"]
    count = "SELECT (SELECT count(*) FROM metering.reading WHERE channel > 0), (SELECT count(*) FROM metering.conflict)"
    async with bench(tmp_path, sizes, lambda _: None) as prepared:
        await prepared.fill()
        assert [(sizes.stored_rows, 0)] == await prepared.execute(count)
        await copy.in_turn(prepared)
        stored = sizes.stored_rows + 3 * sizes.copy_rows - sizes.copy_rows // copy.DUPLICATE_EVERY
        assert [(stored, 0)] == await prepared.execute(count)
        await copy.duplicates(prepared)
        assert [(stored, 0)] == await prepared.execute(count)
