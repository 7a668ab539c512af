"""What runs once a day in compose: the shipped script on this machine, and compose's command for the storage on a real database."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.databases import ROOT, Database
from tests.deploy import composed
from tests.running import eventually

SCRIPT: Final = ROOT / "deploy" / "compose" / "daily"
SOON_SECONDS: Final = (2, 10, 60)
"""How far ahead a time of day is that is about to come: further where the script looked at its clock too late for it."""


@contextmanager
def daily(directory: Path, at: str, *command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The script, running, with its output in `directory`/out; ended with the block."""
    environment = {"PATH": os.environ["PATH"], "FAILED": str(directory / "failed")}
    with (directory / "out").open("a") as out:
        running = subprocess.Popen(
            ["sh", SCRIPT, at, *command], env=environment, stdout=out, stderr=out, text=True, start_new_session=True
        )
        try:
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)  # with the `sleep` that it waits for
            running.wait(60)


@asynccontextmanager
async def due_soon(directory: Path, *command: str | Path) -> AsyncIterator[None]:
    """The script, waiting for a time of day that is about to come; nothing ran before."""
    for seconds in SOON_SECONDS:
        (directory / "out").write_text("")
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        with daily(directory, at.strftime("%H:%M:%S+00:00"), *command):
            await eventually(lambda: announced(directory), "says when")
            if announced(directory)[0] - at < timedelta(hours=1):
                yield
                return
    raise AssertionError("the script looks at its clock a minute after it was started")


def announced(directory: Path) -> list[datetime]:
    """When the script said that it would run."""
    return [datetime.fromisoformat(found) for found in re.findall(r"next at (\S+)", (directory / "out").read_text())]


async def test_the_command_runs_when_its_time_comes_and_then_waits_for_the_next_day(tmp_path: Path) -> None:
    """Once, not at the start, and in the offset that was given."""
    async with due_soon(tmp_path, "sh", "-c", f"echo ran >>{tmp_path}/ran"):
        await eventually(lambda: len(announced(tmp_path)) == 2, "ran, and waits again")
        first, second = announced(tmp_path)
        assert second - first == timedelta(days=1)
    assert (tmp_path / "ran").read_text() == "ran\n"


@pytest.mark.parametrize(("at", "utc"), [("03:30+08:00", (19, 30)), ("03:30", (3, 30)), ("03:30-05:00", (8, 30))])
async def test_the_time_is_that_of_its_offset(tmp_path: Path, at: str, utc: tuple[int, int]) -> None:
    """The next of these, within a day."""
    began = datetime.now(UTC).replace(microsecond=0)
    with daily(tmp_path, at, "false"):
        await eventually(lambda: announced(tmp_path), "says when")
    found = announced(tmp_path)[0]
    assert (found.hour, found.minute) == utc
    assert began < found <= datetime.now(UTC) + timedelta(days=1)


async def test_a_failure_shows_until_a_run_succeeds(tmp_path: Path) -> None:
    """And ends nothing."""
    for command, shows in (("false", True), ("true", False)):
        async with due_soon(tmp_path, command):
            await eventually(lambda: len(announced(tmp_path)) == 2, f"{command} ran")
            assert (tmp_path / "failed").exists() is shows


async def test_it_ends_at_once_when_told_to(tmp_path: Path) -> None:
    """A `stop` does not wait for the night."""
    with daily(tmp_path, "03:30", "true") as running:
        await eventually(lambda: announced(tmp_path), "waits")
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == -signal.SIGTERM


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    """Rather than run at once, for ever."""
    done = subprocess.run(
        ["sh", SCRIPT, "half past three", "touch", tmp_path / "ran"], capture_output=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert not (tmp_path / "ran").exists()


def test_compose_runs_it_so(database: Database) -> None:
    """Script, hour and command of compose.yaml; the command brings the storage of a real database to the settings."""
    of = composed.services()["storage"]
    shell, script, at, program, *command = of["entrypoint"]
    (mount,) = (one for one in of["volumes"] if one["type"] == "bind")
    assert (shell, script, Path(mount["source"]), program) == ("sh", mount["target"], SCRIPT, "meterwarden")
    assert at == composed.example()["STORAGE_AT"]
    assert of["init"] is True
    assert of["healthcheck"]["test"][-1] == "/tmp/failed"  # noqa: S108 - the script's own default
    done = subprocess.run(
        [sys.executable, "-m", "ingest", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "METERWARDEN_OWNER_URL": database.owner_url, "METERWARDEN_LANG": "en"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "columnstore: not available" in done.stdout
