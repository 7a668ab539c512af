"""`python -m benchmarks`: run scenarios, print tables, write JSON; exit status 1 where a target that decides was missed."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from benchmarks.bench import Bench, bench
from benchmarks.figures import Run, busy_elsewhere
from benchmarks.report import aligned, document, number, scenario_rows, target_rows
from benchmarks.scenarios import CEILINGS, EXTRA, GROUPS, NAMES
from benchmarks.sizes import SIZES
from benchmarks.targets import TARGETS, Target, status, verdicts

Say = Callable[[str], None]
MUCH: Final = 0.3
"""Cores kept busy by other work, from which on rates suffer."""


async def main(arguments: Sequence[str], *, targets: Sequence[Target] = TARGETS, say: Say = print) -> int:
    """Run what the command line asks for; returns the exit status."""
    options = parse(arguments)
    started, clock = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="meterwarden-bench-") as directory:
        async with bench(Path(directory), SIZES[options.size], say) as prepared:
            runs = await _run(prepared, options.only, say)
            servers = await _servers(prepared)
    found = verdicts(runs, targets, options.size)
    say(f"\n{aligned(scenario_rows(runs, machine.cores()))}\n\n{aligned(target_rows(found))}")
    say("\nRead ratios and CPU time: what is (shown) is wall-clock time and decides nothing.")
    if (elsewhere := busy_elsewhere(runs)) > MUCH:
        say(f"Other work kept {elsewhere:.1f} cores busy meanwhile: rates are too low, ratios and CPU time uncertain.")
    if options.json:
        about = {
            "hardware": machine.hardware(), "versions": {**machine.versions(), **servers}, "size": options.size,
            "started": f"{started:%Y-%m-%d %H:%M}", "seconds": time.monotonic() - clock,
        }  # fmt: skip
        options.json.write_text(json.dumps(document(runs, targets, about), indent=1) + "\n", encoding="utf-8")
    return status(found)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for; a wrong one ends the process with what is allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="full", help="how much of everything; default: full")
    parser.add_argument("--only", type=_scenarios, metavar="NAME,...", help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--with", dest="extra", type=_scenarios, default=set(), metavar="NAME,...", help="beside the usual ones")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    options = parser.parse_args(arguments)
    options.only = (options.only or _usual(options.size)) | options.extra
    return options


def _usual(size: str) -> set[str]:
    return set(NAMES) - set(EXTRA) - set(CEILINGS if size == "quick" else ())


def _scenarios(text: str) -> set[str]:
    asked = {name.strip() for name in text.split(",")}
    if unknown := asked - set(NAMES):
        raise argparse.ArgumentTypeError(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return asked


async def _run(prepared: Bench, only: set[str], say: Say) -> list[Run]:
    runs: list[Run] = []
    for group in GROUPS:
        if wanted := only & set(group.names):
            async for run in group.run(prepared, wanted):
                runs.append(run)
                say(f"  {run.scenario}: {', '.join(f'{name} {number(value)}' for name, value in run.figures.items())}")
    return runs


async def _servers(prepared: Bench) -> dict[str, Any]:
    rows = await prepared.execute(
        "SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'timescaledb'"
    )
    return {"postgresql": rows[0][0], "timescaledb": rows[0][1], "mosquitto": await prepared.broker_version()}


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
