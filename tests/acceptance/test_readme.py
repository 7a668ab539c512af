"""README's ten minutes: every command of it, in order, in one shell, on the real servers that it starts."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from ingest.stack import programs
from tests.acceptance.shells import Shell, checkout, shell
from tests.databases import ROOT
from tests.documents import blocks, steps

CLIENTS: Final = frozenset(("psql", "mosquitto_pub", "mosquitto_sub", "amtool", "promtool", "meterwarden"))
"""What a bare machine has not."""
STEPS: Final = steps(blocks(ROOT / "README.md"))[1:]
"""All but `make demo` and `make test`, which continuous integration runs as they stand."""


def bare_path(directory: Path) -> str:
    """A PATH with this machine's programs, but without those that a bare one has not."""
    directory.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            if program.name not in CLIENTS and not (directory / program.name).is_symlink():
                (directory / program.name).symlink_to(program)
    return str(directory)


@asynccontextmanager
async def newcomers_shell(directory: Path) -> AsyncIterator[Shell]:
    """A newcomer's shell in a checkout; at the end nothing that it started runs."""
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("METERWARDEN_STACK_CACHE", "METERWARDEN_STACK_RUN")},
        "METERWARDEN_STACK_STATE": str(directory / "state"),
        "PATH": bare_path(directory / "programs"),
    }
    try:
        async with shell(checkout(directory / "checkout"), environment) as newcomer:
            yield newcomer
    finally:
        down = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest", "stack", "down", stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip
        assert 0 == await down.wait()


@pytest.mark.services
async def test_the_ten_minutes_of_the_readme_end_in_a_flagged_unit(tmp_path: Path) -> None:
    """From nothing: servers, registry, service, readings, consumption, verdict, alert, and nothing left, command by command.

    Output shown in README comes, sooner or later, with each of its words; its numbers where they do not depend on the day.
    """
    await asyncio.to_thread(programs, print)
    async with newcomers_shell(tmp_path) as newcomer:
        outputs = [await newcomer.type(step) for step in STEPS]
        service = await newcomer.run("kill -0 $! 2> /dev/null && echo runs || echo has ended\n")
        left = [*tmp_path.glob("state/*.json")]

    everything = "\n".join(outputs)
    assert len(STEPS) >= 8
    assert re.search(r"OFFICE-1 +\| E1 +\| 1200\.000000 \| kWh", everything)
    assert re.search(r"OFFICE-1 .* exceeded .* SAMPLE-OFFICE \(sample\)", everything)
    assert re.search(r"MeterwardenQuotaExceeded .*OFFICE-1 is over its quota .* active", everything)
    assert ("has ended\n", []) == (service, left)
