"""What the benchmark decides: medians, ratios, verdicts, its exit status and its tables."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.__main__ import parse
from benchmarks.bench import Bench
from benchmarks.figures import Measure, Run, bottleneck, busy_elsewhere, ratio, typical, typical_cores
from benchmarks.report import aligned, document, markdown, number, runs_of, scenario_rows, target_rows
from benchmarks.scenarios import NAMES
from benchmarks.scenarios.line import schedule
from benchmarks.sizes import SIZES
from benchmarks.targets import TARGETS, Target, status, verdicts
from benchmarks.usage import cpu_seconds
from ingest.metering.calendar import instant
from ingest.storage.readings import CHUNK_US
from simulators.load import Load

ROOT = Path(__file__).parents[2]
FAST, SLOW = Measure("fast", "readings_per_s"), Measure("slow", "readings_per_s")
ABOUT = {
    "hardware": {"cpu": "a processor", "cores": 2, "memory_gib": 24, "kernel": "6"},
    "versions": {"python": "3.11"}, "size": "tiny", "started": "2026-11-21 00:00", "seconds": 1.0,
}  # fmt: skip


def runs(scenario: str, *values: float) -> list[Run]:
    """A run a value."""
    return [Run(scenario, {"readings_per_s": value}) for value in values]


def test_a_figure_is_the_median_of_its_runs() -> None:
    """One slow run is the neighbours' doing."""
    assert 10 == typical(runs("fast", 10, 1, 11), FAST)


def test_a_figure_nobody_measured_is_none() -> None:
    """Never zero, which would look like a measurement."""
    assert typical(runs("fast", 10), SLOW) is None
    assert typical(runs("fast", 10), Measure("fast", "p50_ms")) is None


def test_a_ratio_is_taken_pair_by_pair() -> None:
    """A machine that slows down by half meanwhile does not move it; medians of the sides would."""
    found = [*runs("fast", 100, 40, 30), *runs("slow", 50, 20, 60)]
    assert 2 == ratio(found, FAST, SLOW)


def test_a_ratio_of_uneven_runs_is_that_of_the_medians() -> None:
    """As where one side takes too long to be repeated."""
    assert 2 == ratio([*runs("fast", 10, 20, 30), *runs("slow", 10)], FAST, SLOW)


@pytest.mark.parametrize("others", [[], [0.0]])
def test_a_ratio_without_its_other_side_is_none(others: list[float]) -> None:
    """Neither an error nor infinity."""
    assert ratio([*runs("fast", 1), *runs("slow", *others)], FAST, SLOW) is None


@pytest.mark.parametrize(
    ("limit", "least", "word"), [(10, True, "met"), (10.1, True, "MISSED"), (10, False, "met"), (9.9, False, "MISSED")]
)
def test_a_limit_itself_is_still_kept(limit: float, least: bool, word: str) -> None:
    """At least, and at most."""
    assert [word] == [found.word for found in verdicts(runs("fast", 10), [Target("t", FAST, limit, least=least)], "full")]


def test_only_a_missed_target_that_is_judged_ends_in_status_1() -> None:
    """Wall-clock figures are shown, and what was not run is not missed."""
    missed, shown = Target("t", FAST, 11), Target("t", FAST, 11, judged=False)
    absent, met = Target("t", SLOW, 1), Target("t", FAST, 9)
    found = runs("fast", 10)
    assert 0 == status(verdicts(found, [shown, absent, met], "full"))
    assert 1 == status(verdicts(found, [shown, absent, met, missed], "full"))
    assert ["missed (shown)", "not run", "met", "MISSED"] == [
        one.word for one in verdicts(found, [shown, absent, met, missed], "full")
    ]


def test_what_quick_cannot_tell_is_left_to_the_full_run() -> None:
    """Shown there, with a word, and never a reason for status 1; at any other size it is."""
    target, found = Target("t", FAST, 11, quick=False), runs("fast", 10)
    assert 0 == status(verdicts(found, [target], "quick"))
    assert ["missed (full run decides)"] == [one.word for one in verdicts(found, [target], "quick")]
    assert 1 == status(verdicts(found, [target], "full"))


def test_targets_of_wall_clock_time_are_never_judged() -> None:
    """A rate, a latency or a duration by itself says more about the neighbours than about the code."""
    wall = ("_per_s", "_ms", "_s")
    judged = [one.of.figure for one in TARGETS if one.judged and one.over is None]
    assert [] == [figure for figure in judged if figure.endswith(wall) and "cpu" not in figure]


def test_every_target_names_a_scenario_that_exists() -> None:
    """A misspelt name would never be run, and never be missed."""
    fleets = SIZES["full"].fleets
    settling = {"settle alone", "settle 15 min", "settle 15 min deep", "settle 1 s", "settle 1 s deep", "settle backlog"}
    known = {
        *NAMES,
        *settling,
        "copy plain",
        "copy 1 % duplicates",
        f"start {fleets[-1]}",
        *(f"fleet {meters}" for meters in fleets),
    }
    measures = [measure for target in TARGETS for measure in (target.of, target.over) if measure]
    assert set() == {measure.scenario for measure in measures} - known


@pytest.mark.parametrize(
    ("cores", "limited_by"),
    [
        ({"broker": 0.95, "ingest": 0.4, "elsewhere": 0.5}, "broker"),
        ({"broker": 0.6, "ingest": 0.7, "generator": 0.6}, "all cores, most of it ingest"),
        ({"broker": 0.2, "ingest": 0.3, "elsewhere": 1.4}, "all cores, most of it elsewhere"),
        ({"broker": 0.1, "ingest": 0.3, "database": 0.5}, "waiting, beside it database"),
        ({}, ""),
    ],
)
def test_the_bottleneck_is_named(cores: dict[str, float], limited_by: str) -> None:
    """On two cores: a busy thread, all cores, or waiting."""
    assert limited_by == bottleneck(cores, 2)


def test_cores_are_medians_over_the_runs() -> None:
    """A part that one run lacks was idle there; a run without an account does not count."""
    found = [Run("a", {}, {"broker": 1.0}), Run("a", {}, {"broker": 3.0, "ingest": 1.0}), Run("a", {})]
    assert {"broker": 2.0, "ingest": 0.5} == typical_cores(found, "a")


def test_a_busy_machine_is_noticed() -> None:
    """The median of what was used elsewhere; runs without an account do not count."""
    found = [Run("a", {}, {"elsewhere": cores}) for cores in (0.1, 0.4, 1.5)]
    assert 0.4 == busy_elsewhere([*found, Run("b", {})])
    assert 0 == busy_elsewhere([Run("b", {})])


def test_numbers_are_shown_to_three_digits() -> None:
    """More would pretend."""
    assert ["0.123", "12.3", "123", "123,457"] == [number(value) for value in (0.12345, 12.345, 123.45, 123456.7)]


def test_tables_have_a_row_a_scenario_and_a_row_a_target() -> None:
    """Whatever figures a scenario has: the rate first, what has no column of its own at the end."""
    found = [Run("fast", {"readings_per_s": 1234.0, "p50_ms": 5.0}, {"broker": 0.9}), *runs("slow", 2)]
    rows = scenario_rows(found, 2)
    assert ["fast", "slow"] == [row[0] for row in rows[1:]]
    assert ("1,234 readings", "broker", "p50_ms 5") == (rows[1][1], rows[1][-2], rows[1][-1])
    assert {len(rows[0])} == {len(row) for row in rows}
    targets = target_rows(
        verdicts(found, [Target("fast enough", FAST, 1000), Target("never run", Measure("x", "y"), 1, least=False)], "full")
    )
    assert [["fast enough", ">= 1,000", "1,234", "met"], ["never run", "<= 1", "-", "not run"]] == targets[1:]
    assert "| fast enough | >= 1,000 | 1,234 | met |" in markdown(targets).splitlines()
    assert "never run        <= 1         -  not run" in aligned(targets).splitlines()


def test_the_document_gives_back_its_runs() -> None:
    """Raw figures and cores, through JSON."""
    found = [Run("fast", {"readings_per_s": 1.5}, {"broker": 0.5}), *runs("slow", 2)]
    read = json.loads(json.dumps(document(found, [Target("t", FAST, 1, SLOW)], ABOUT)))
    assert found == runs_of(read)
    assert [{"target": "t", "limit": 1, "at": "least", "judged": True, "measured": 0.75, "verdict": "MISSED"}] == read["targets"]


def test_the_report_is_made_from_the_document_alone() -> None:
    """`python -m benchmarks.report < results.json`, on any machine."""
    given = json.dumps(document(runs("single", 42_000), TARGETS, ABOUT))
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.report"], input=given, capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "a processor, 2 cores, 24 GiB of memory" in told.stdout
    assert "| single, readings/s | >= 40,000 | 42,000 | met (shown) |" in told.stdout


def test_an_unknown_scenario_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name must not end in a green run of nothing."""
    with pytest.raises(SystemExit):
        parse(["--only", "singel"])
    assert "no scenario singel; there are copy," in capsys.readouterr().err


def test_the_city_is_run_only_when_asked_for() -> None:
    """It takes far longer than the rest."""
    assert "city" not in parse([]).only
    assert {*NAMES} == parse(["--with", "city"]).only
    assert {"single", "city"} == parse(["--only", "single", "--with", "city"]).only


def test_sizes_grow() -> None:
    """Tiny is less than quick, quick no more than full, in everything that costs time."""
    full, quick, tiny = (SIZES[name] for name in ("full", "quick", "tiny"))
    for name in ("messages", "batch_messages", "backlog_messages", "settle_channels", "backlog_channels", "fleet_messages"):
        assert getattr(tiny, name) < getattr(quick, name) < getattr(full, name)
    assert math.inf not in (full.rounds_seconds, full.backlog_seconds)


def test_quick_compares_like_with_like() -> None:
    """What a ratio depends on is as in the full run: depth of tables, batches, meters, rounds. It only repeats less often."""
    full, quick = SIZES["full"], SIZES["quick"]
    for name in ("meters", "stored_rows", "copy_rows", "settle_readings", "backlog_days", "fleet_rate"):
        assert getattr(full, name) == getattr(quick, name)
    assert set(quick.fleets) <= set(full.fleets)
    rounds = [size.backlog_channels * size.backlog_days * 24 / size.backlog_hours for size in (full, quick)]
    assert rounds[0] == rounds[1] > 20


@pytest.mark.parametrize("size", ["full", "quick"])
def test_both_sides_of_a_pair_run_in_turn(size: str) -> None:
    """Each as early as the other on the whole, so that a table that grows favours none: what runs first runs second next."""
    order = [part.name for part in schedule(set(NAMES), SIZES[size])]
    for one, other in [("batch20", "copy"), ("single", "null")]:
        ones, others = ([at for at, name in enumerate(order) if name == side] for side in (one, other))
        assert len(ones) == len(others) == SIZES[size].rows >= 3
        assert all(abs(a - b) <= 2 for a, b in zip(ones, others, strict=True))
        assert all((a < b) != (c < d) for (a, b), (c, d) in pairwise(zip(ones, others, strict=True)))


def test_what_runs_seldom_lies_in_the_middle_of_what_it_is_held_against() -> None:
    """Half of single before it and half after it."""
    order = [part.name for part in schedule({"single", "paho", "backlog"}, SIZES["quick"])]
    assert ["single", "single", "backlog", "paho", "single"] == order
    full = [part.name for part in schedule({"single", "paho"}, SIZES["full"])]
    assert ["single", "single", "paho", "paho", "single", "single"] == full


def test_what_no_target_looks_at_is_left_out_of_quick() -> None:
    """Unless asked for by name."""
    assert {"generator", "aiomqtt"} == parse([]).only - parse(["--size", "quick"]).only
    assert {"aiomqtt"} == parse(["--size", "quick", "--only", "aiomqtt"]).only
    judged = {measure.scenario for target in TARGETS if target.judged for measure in (target.of, target.over) if measure}
    left_out = {part.name for part in schedule(set(NAMES), SIZES["full"])} - {
        part.name for part in schedule(parse(["--size", "quick"]).only, SIZES["quick"])
    }
    assert set() == judged & left_out


def test_no_load_repeats_another(tmp_path: Path) -> None:
    """Whatever the fleet: a reading that was sent before is a duplicate, and costs other than a new one."""
    for meters in (7, 1_000):
        fleet = Bench(cast("Any", None), tmp_path, replace(SIZES["tiny"], meters=meters), print, cast("Any", None))
        loads = [fleet.load(3 * meters), fleet.load(1), fleet.load(2, 20), fleet.load(meters)]
        sent = [face for load in loads for face in _readings(load)]
        assert len(sent) == len(set(sent))


def _readings(load: Load) -> Iterator[tuple[str, str]]:
    """Meter and instant of every reading."""
    for topic, payload in load.published():
        read = json.loads(payload)
        for one in read.get("readings", [read]):
            yield one.get("meter", topic.split("/")[3]), one["read_at"]


def test_what_is_stored_lies_in_one_chunk(tmp_path: Path) -> None:
    """Else half of a pair might find an empty one."""
    bench = Bench(cast("Any", None), tmp_path, SIZES["full"], print, cast("Any", None))
    first, last = bench.load(50_000_000), bench.load(1)
    assert instant(first.start) % CHUNK_US == 0
    assert instant(first.start) // CHUNK_US == instant(last.start) // CHUNK_US
    assert datetime.now(UTC) - first.start < timedelta(days=45)


def test_cpu_time_is_counted_finer_than_in_ticks() -> None:
    """Between two looks at this process's own clock, which are microseconds apart."""
    before = time.process_time()
    look = cpu_seconds(os.getpid())
    assert before <= look <= time.process_time()
