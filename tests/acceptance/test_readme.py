"""README's ten minutes: every command of it, in order, in one shell, on the real servers that it starts."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from ingest.stack import programs
from tests.databases import ROOT
from tests.documents import Step, blocks, steps
from tests.running import eventually

BLOCK_SECONDS: Final = 180.0
SHOWN_SECONDS: Final = 60.0
DONE: Final = "-- done --"
CLIENTS: Final = frozenset(("psql", "mosquitto_pub", "mosquitto_sub", "amtool", "promtool", "meterwarden"))
"""What a bare machine has not."""
STEPS: Final = steps(blocks(ROOT / "README.md"))[1:]
"""All but `make demo` and `make test`, which continuous integration runs as they stand."""


@dataclass(slots=True)
class Shell:
    """One bash, fed block by block, which ends at the first command that fails."""

    process: asyncio.subprocess.Process
    directory: Path

    async def run(self, commands: str) -> str:
        """What the commands print; AssertionError with it where one of them fails."""
        (self.directory / "block.sh").write_text(commands, encoding="utf-8")
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f". ./block.sh < /dev/null\necho '{DONE}'\n".encode())
        said = []
        async with asyncio.timeout(BLOCK_SECONDS):
            while (line := (await self.process.stdout.readline()).decode(errors="replace")) != f"{DONE}\n":
                said.append(line)
                assert line, f"ended in\n{commands}\n{''.join(said)}\n{self.log()}"
        return "".join(said)

    def log(self) -> str:
        """The end of the service's log."""
        path = self.directory / "service.log"
        return path.read_text(encoding="utf-8", errors="replace")[-3000:] if path.exists() else ""


def checkout(directory: Path) -> Path:
    """This checkout, as `make setup` leaves it, with this very environment as its own; written to without harm."""
    directory.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv"):
            (directory / entry.name).symlink_to(entry)
    (directory / ".venv").mkdir()
    (directory / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (directory / ".venv" / ".ready").touch()
    return directory


def bare_path(directory: Path) -> str:
    """A PATH with this machine's programs, but without those that a bare one has not."""
    directory.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            if program.name not in CLIENTS and not (directory / program.name).is_symlink():
                (directory / program.name).symlink_to(program)
    return str(directory)


@asynccontextmanager
async def shell(directory: Path) -> AsyncIterator[Shell]:
    """A newcomer's shell in a checkout; at the end nothing that it started runs."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("METERWARDEN_", "MAKE", "MFLAGS"))},
        **{name: value for name, value in os.environ.items() if name in ("METERWARDEN_STACK_CACHE", "METERWARDEN_STACK_RUN")},
        "METERWARDEN_STACK_STATE": str(directory / "state"),
        "METERWARDEN_LANG": "en",
        "PATH": bare_path(directory / "programs"),
        "PYTHONPATH": str(ROOT),
    }
    place = checkout(directory / "checkout")
    process = await asyncio.create_subprocess_exec(
        "bash", "--norc", "-e", cwd=place, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield Shell(process, place)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the shell and what it left in the background; servers are apart
        await process.wait()
        down = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest", "stack", "down", env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        assert 0 == await down.wait()


async def done(newcomer: Shell, step: Step) -> str:
    """What a step prints; where README shows it, the first output with all its words. AssertionError with the last if none has."""
    output = ""

    async def is_as_shown() -> bool:
        nonlocal output
        output = await newcomer.run(step.commands)
        return words(step.shown) <= words(output)

    try:
        await eventually(is_as_shown, step.shown, SHOWN_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{output}\n{newcomer.log()}") from error
    return output


def words(text: str) -> set[str]:
    """The words of an output, without numbers, instants and lines of tables."""
    return {word for word in text.split() if re.search(r"[^\W\d]", word)}


@pytest.mark.services
async def test_the_ten_minutes_of_the_readme_end_in_a_flagged_unit(tmp_path: Path) -> None:
    """From nothing: servers, registry, service, readings, consumption, verdict, alert, and nothing left, command by command.

    Output shown in README comes, sooner or later, with each of its words; its numbers where they do not depend on the day.
    """
    await asyncio.to_thread(programs, print)
    async with shell(tmp_path) as newcomer:
        outputs = [await done(newcomer, step) for step in STEPS]
        service = await newcomer.run("kill -0 $! 2> /dev/null && echo runs || echo has ended\n")
        left = [*tmp_path.glob("state/*.json")]

    everything = "\n".join(outputs)
    assert len(STEPS) >= 8
    assert re.search(r"OFFICE-1 +\| E1 +\| 1200\.000000 \| kWh", everything)
    assert re.search(r"OFFICE-1 .* exceeded .* SAMPLE-OFFICE \(sample\)", everything)
    assert re.search(r"MeterwardenQuotaExceeded .*OFFICE-1 is over its quota .* active", everything)
    assert ("has ended\n", []) == (service, left)
