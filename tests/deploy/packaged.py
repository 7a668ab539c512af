"""Programs of Debian packages that only tests need: fetched once into the cache of the stack, run from there."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from ingest.stack import StackError, places
from ingest.stack.apt import SUITE, Apt, architecture

VERSION_SECONDS = 120


def program(package: str, path: Path) -> Path:
    """The program at this path of the package; skips the test, saying why, where it cannot be had or does not run here."""
    try:
        root = places.cache_directory() / f"{package}-{SUITE}-{architecture()}"
        with places.exclusive(root.with_name(f"{root.name}.lock"), "METERWARDEN_STACK_CACHE"):
            if not root.is_dir():
                _fetch(package, root)
    except StackError as error:
        pytest.skip(f"no {package} from Debian {SUITE}: {error}")
    found = root / path
    if not (_runs(found, "version") or _runs(found, "--version")):
        pytest.skip(f"{found} does not run here")
    return found


def _fetch(package: str, root: Path) -> None:
    """The package's files below root, which appears as a whole."""
    with tempfile.TemporaryDirectory(prefix=f"{root.name}.unfinished-", dir=root.parent) as work:
        apt_directory, tree = Path(work, "apt"), Path(work, "root")
        apt = Apt.create(apt_directory)
        for file in apt.download([one for one in apt.resolve([package]) if one.name == package]):
            subprocess.run(["dpkg-deb", "--extract", file, tree], check=True, timeout=300)
        tree.chmod(0o755)
        tree.rename(root)


def _runs(found: Path, how: str) -> bool:
    return subprocess.run([found, how], capture_output=True, check=False, timeout=VERSION_SECONDS).returncode == 0
