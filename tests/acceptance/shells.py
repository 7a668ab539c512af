"""A shell in a checkout, fed command by command as somebody types them from a document."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.databases import ROOT
from tests.documents import Step
from tests.running import eventually

COMMAND_SECONDS: Final = 600.0
SHOWN_SECONDS: Final = 180.0
DONE: Final = "-- done --"
ANSWER: Final = re.compile(r"\[y/N\]: (\w+)$", re.MULTILINE)


@dataclass(slots=True)
class Shell:
    """One bash, fed part by part, which ends at the first command that fails."""

    process: asyncio.subprocess.Process
    directory: Path

    async def run(self, commands: str, answers: str = "") -> str:
        """What the commands print, given these lines to read; AssertionError with it where one of them fails."""
        (self.directory / "typed.sh").write_text(commands, encoding="utf-8")
        (self.directory / "answers").write_text(answers, encoding="utf-8")
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f". {self.directory}/typed.sh < {self.directory}/answers\necho '{DONE}'\n".encode())
        said = []
        async with asyncio.timeout(COMMAND_SECONDS):
            while not said or not said[-1].endswith(DONE):  # what it prints may end without a new line
                line = (await self.process.stdout.readline()).decode(errors="replace")
                assert line, f"ended in\n{commands}\n{''.join(said)}\n{self.log()}"
                said.append(line.removesuffix("\n") if line.endswith(f"{DONE}\n") else line)
        return "".join(said).removesuffix(DONE)

    async def type(self, step: Step) -> str:
        """What a step prints; where the document shows it, the first output with all its words. AssertionError if none has."""
        output = ""

        async def is_as_shown() -> bool:
            nonlocal output
            output = await self.run(step.commands, "".join(f"{answer}\n" for answer in ANSWER.findall(step.shown)))
            return words(ANSWER.sub("[y/N]:", step.shown)) <= words(output)

        try:
            await eventually(is_as_shown, step.shown, SHOWN_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{output}\n{self.log()}") from error
        return output

    def log(self) -> str:
        """The end of the service's log."""
        path = self.directory / "service.log"
        return path.read_text(encoding="utf-8", errors="replace")[-3000:] if path.exists() else ""


def words(text: str) -> set[str]:
    """The words of an output, without numbers, instants, lines of tables, and what a narrow table cuts short."""
    return {word for word in text.split() if re.match(r"\D*[^\W\d]", word) and not word.endswith("…")}


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


@asynccontextmanager
async def shell(place: Path, environment: Mapping[str, str]) -> AsyncIterator[Shell]:
    """A shell in a checkout, with nothing of Meterwarden's or make's in its environment but what is given; none of it is left."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("METERWARDEN_", "MAKE", "MFLAGS", "PG"))}
    process = await asyncio.create_subprocess_exec(
        "bash", "--norc", "-e", cwd=place, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**inherited, "METERWARDEN_LANG": "en", "PYTHONPATH": str(ROOT), **environment},
        stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield Shell(process, place)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the shell and what it left in the background
        await process.wait()
