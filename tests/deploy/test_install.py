"""The image without an engine: what the builder is given, and what its one step makes of it, in plain directories."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from ingest.settings import HttpSettings
from ingest.web import probe
from tests.databases import ROOT

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WITHOUT: Final = {"pytest", "mypy", "ruff", "hypothesis", "pip", "setuptools", "numpy", "matplotlib", "pyarrow"}
READ_ONLY: Final = 0o555
WITHOUT_RIGHTS: Final = [
    "setpriv",
    "--no-new-privs",
    *(["--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []),
    "--",
]
"""Root's own capabilities would write to what is closed. Another user could not reach a Python that is below /root."""


def context() -> list[Path]:
    """The files of the checkout that the builder is given, by .dockerignore: everything is ignored, then some is not."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    kept = [line[1:] for line in lines if line.startswith("!")]
    dropped = [line for line in lines[1:] if not line.startswith("!")]
    assert all(line.startswith("**/") for line in dropped)
    found = [path for name in kept for path in ([ROOT / name] if not (ROOT / name).is_dir() else sorted((ROOT / name).rglob("*")))]
    return [path for path in found if not any(fnmatch.fnmatch(part, line[3:]) for part in path.parts for line in dropped)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix after the Dockerfile's step, on a copy of the context, then closed to writing."""
    source, prefix = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("image") / "meterwarden"
    for path in context():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            shutil.copy2(path, target, follow_symlinks=False)
    (command,) = set(re.findall(r"^    (deploy/install) /opt/meterwarden(?: simulator)?$", DOCKERFILE, re.MULTILINE))
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run([source / command, prefix], env=environment, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (prefix, *prefix.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & READ_ONLY)
    return prefix


def run(prefix: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as in a container: no capability, no way to gain one, a closed tree, nothing of ours in the environment."""
    return subprocess.run(
        [*WITHOUT_RIGHTS, prefix / "bin" / "meterwarden", *arguments], cwd="/",
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/nonexistent", **environment},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def listing(prefix: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in prefix.rglob("*")}


def test_the_builder_is_given_no_history_no_secret_and_no_test() -> None:
    """And everything that the wheel is made of."""
    names = {path.relative_to(ROOT).parts[0] for path in context()}
    assert names == {"pyproject.toml", "requirements.lock", "README.md", "LICENSE", "ingest", "schemas", "simulators", "deploy"}


def test_what_is_installed_runs_without_any_right_on_a_tree_it_cannot_write_to(installed: Path) -> None:
    """Help, version and a refusal of wrong settings: nothing in the tree is touched."""
    before = listing(installed)
    assert subprocess.run([*WITHOUT_RIGHTS, "touch", installed / "new"], capture_output=True, check=False).returncode != 0
    for arguments in (["--help"], ["--version"], ["run", "--help"], ["migrate", "--help"]):
        done = run(installed, *arguments)
        assert done.returncode == 0, done.stderr
    wrong = run(installed, "run", METERWARDEN_BROKER__PORT="0")
    assert wrong.returncode == 1
    assert "METERWARDEN_BROKER__PORT" in wrong.stderr
    assert before == listing(installed)


def test_every_file_that_the_service_reads_is_installed(installed: Path) -> None:
    """Migrations, rules and schemas are not Python."""
    (package,) = installed.glob("lib/python*/site-packages/ingest")
    for pattern in ("storage/sql/migrations/*.sql", "storage/sql/queries.sql", "alerts/rules.yaml", "stack/shipped/mosquitto.conf"):
        assert {path.name for path in (ROOT / "ingest").glob(pattern)} == {path.name for path in package.glob(pattern)}


def test_only_what_the_service_needs_is_installed(installed: Path) -> None:
    """No test, no compiler of wheels, no simulator's library; and the versions are the locked ones."""
    (packages,) = installed.glob("lib/python*/site-packages")
    found = dict(path.name.removesuffix(".dist-info").rsplit("-", 1) for path in packages.glob("*.dist-info"))
    assert set() == WITHOUT & set(found)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {(name.replace("-", "_"), version) for name, version in re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock, re.MULTILINE)}
    found.pop("meterwarden")
    assert set() == {(name.lower(), version) for name, version in found.items()} - locked


def test_the_same_version_again_is_installed_again() -> None:
    """pip would leave what is there, and a checkout that has moved on between two versions would never arrive."""
    (line,) = [
        line for line in (ROOT / "deploy/install").read_text().splitlines() if "--python" in line and "meterwarden-*" in line
    ]
    assert "--force-reinstall" in line


def test_whatever_is_fetched_is_checked_by_its_hash() -> None:
    """Without this, a mirror decides what is installed."""
    script = (ROOT / "deploy" / "install").read_text()
    installs = [line for line in script.splitlines() if " install " in line and "--requirement" in line]
    assert len(installs) == 2
    assert all("--require-hashes" in line for line in installs)


def test_the_image_runs_as_nobody_and_says_what_it_is() -> None:
    """By number, so that an orchestrator can check that it is not root."""
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', DOCKERFILE))
    assert labels["version"] == PROJECT["version"]
    assert labels["licenses"] == PROJECT["license"]
    assert {"title", "description", "revision"} <= set(labels)


def test_the_probe_asks_where_the_service_listens_by_default() -> None:
    """It imports no setting, so it holds a copy of this one."""
    assert probe.PORT == str(HttpSettings().port)
    assert '"python", "-m", "ingest.web.probe", "livez"' in DOCKERFILE
