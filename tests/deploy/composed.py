"""compose.yaml as docker compose itself reads it: its plugin of Debian's, which needs no engine for that."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.databases import ROOT
from tests.deploy.packaged import program

PACKAGE: Final = "docker-compose"
PLUGIN: Final = Path("usr/libexec/docker/cli-plugins/docker-compose")
EXAMPLE: Final = ROOT / ".env.example"
ONCE: Final = {"database-setup", "migrate", "broker-setup", "simulator-registry", "simulator"}
"""Services that do their work and end."""


@cache
def plugin() -> Path:
    """The program; skips the test, saying why, where it cannot be had."""
    return program(PACKAGE, PLUGIN)


def read(directory: Path, environment: str = "", *arguments: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` on the project's file, with this .env and nothing of the caller's environment."""
    shutil.copy(ROOT / "compose.yaml", directory)
    (directory / ".env").write_text(environment, encoding="utf-8")
    return subprocess.run(
        [plugin(), "config", *arguments], cwd=directory, env={"PATH": os.defpath, "HOME": str(directory)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@cache
def model(environment: str = "") -> dict[str, Any]:
    """The whole file, every profile, with defaults filled in."""
    with tempfile.TemporaryDirectory() as directory:
        done = read(Path(directory), f"{environment}\nCOMPOSE_PROFILES=simulator\n", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.replace(directory, str(ROOT)))
    return found


def services() -> dict[str, dict[str, Any]]:
    """Every service by its name."""
    return model()["services"]


def example() -> dict[str, str]:
    """The settings that .env.example shows, with the comment sign taken away."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
