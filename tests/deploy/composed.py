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

import pytest

from ingest.stack import StackError, places
from ingest.stack.apt import SUITE, Apt, architecture
from tests.databases import ROOT

PACKAGE: Final = "docker-compose"
PLUGIN: Final = Path("usr/libexec/docker/cli-plugins/docker-compose")
EXAMPLE: Final = ROOT / ".env.example"
ONCE: Final = {"migrate", "broker-setup", "simulator-registry", "simulator"}
"""Services that do their work and end."""


@cache
def plugin() -> Path:
    """The program; skips the test, saying why, where it cannot be had."""
    try:
        root = places.cache_directory() / f"{PACKAGE}-{SUITE}-{architecture()}"
        with places.exclusive(root.with_name(f"{root.name}.lock"), "METERWARDEN_STACK_CACHE"):
            if not root.is_dir():
                fetch(root)
    except StackError as error:
        pytest.skip(f"no {PACKAGE} from Debian {SUITE}: {error}")
    program = root / PLUGIN
    if subprocess.run([program, "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{program} does not run here")
    return program


def fetch(root: Path) -> None:
    """The package's files below root, which appears as a whole."""
    with tempfile.TemporaryDirectory(prefix=f"{root.name}.unfinished-", dir=root.parent) as work:
        apt_directory, tree = Path(work, "apt"), Path(work, "root")
        apt = Apt.create(apt_directory)
        for file in apt.download([package for package in apt.resolve([PACKAGE]) if package.name == PACKAGE]):
            subprocess.run(["dpkg-deb", "--extract", file, tree], check=True, timeout=60)
        tree.rename(root)


def read(directory: Path, environment: str = "", *arguments: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` on the project's file, with this .env and nothing of the caller's environment."""
    shutil.copy(ROOT / "compose.yaml", directory)
    (directory / ".env").write_text(environment, encoding="utf-8")
    return subprocess.run(
        [plugin(), "config", *arguments], cwd=directory, env={"PATH": os.defpath, "HOME": str(directory)},
        capture_output=True, text=True, check=False, timeout=60,
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
