"""The servers' programs: Debian's own packages, unpacked once into a cache, run from there without being installed."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest.stack import places, prefix
from ingest.stack.apt import SUITE, Apt, architecture

LAYOUT = 1  # raise it when the tree is built differently: an old cache is then left alone, and a new one built


@dataclass(frozen=True, slots=True)
class Programs:
    """Absolute paths of runnable programs, all below one cached tree."""

    root: Path
    postgres_bin: Path
    mosquitto: Path
    mosquitto_pub: Path
    mosquitto_sub: Path
    mosquitto_passwd: Path
    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path


def programs(say: Callable[[str], None]) -> Programs:
    """Programs ready to run: fetched and unpacked the first time, at once afterwards. StackError says what is missing."""
    kind = architecture()
    root = places.cache_directory() / f"{SUITE}-{kind}-{LAYOUT}"
    if not root.is_dir():
        _build_once(root, kind, say)
    return _below(root)


def _build_once(root: Path, kind: str, say: Callable[[str], None]) -> None:
    with places.exclusive(root.with_name(f"{root.name}.lock"), "METERWARDEN_STACK_CACHE"):
        if not root.is_dir():
            _forget_unfinished(root)
            _build(root, kind, say)


def _build(root: Path, kind: str, say: Callable[[str], None]) -> None:
    """The tree appears whole or not at all: it is built beside and renamed."""
    with tempfile.TemporaryDirectory(prefix=f"{root.name}.unfinished-", dir=root.parent) as work:
        apt_directory, tree = Path(work, "apt"), Path(work, "root")
        say("resolving packages of PostgreSQL, TimescaleDB, mosquitto, Prometheus and Alertmanager")
        apt = Apt.create(apt_directory)
        packages = apt.resolve()
        say(f"downloading {len(packages)} packages ({sum(p.size_bytes for p in packages) / 1e6:.0f} MB)")
        files = apt.download(packages)
        say(f"unpacking into {root}")
        prefix.unpack(files, tree)
        prefix.require_timescaledb(tree)
        prefix.make_runnable(tree, kind)
        tree.chmod(0o755)
        tree.rename(root)


def _forget_unfinished(root: Path) -> None:
    # Left by a process that was killed: only the holder of the lock builds, so nobody is at work there.
    for leftover in root.parent.glob(f"{root.name}.unfinished-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _below(root: Path) -> Programs:
    return Programs(
        root=root,
        postgres_bin=root / prefix.POSTGRES_BIN,
        mosquitto=root / "usr/sbin/mosquitto",
        mosquitto_pub=root / "usr/bin/mosquitto_pub",
        mosquitto_sub=root / "usr/bin/mosquitto_sub",
        mosquitto_passwd=root / "usr/bin/mosquitto_passwd",
        prometheus=root / "usr/bin/prometheus",
        promtool=root / "usr/bin/promtool",
        alertmanager=root / "usr/bin/prometheus-alertmanager",
        amtool=root / "usr/bin/amtool",
    )
