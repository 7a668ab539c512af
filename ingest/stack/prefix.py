"""A tree of unpacked packages whose programs run with the tree's own loader and libraries, wherever it lies."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ingest.stack.errors import OWN_SERVERS, StackError
from ingest.stack.relocation import RELOCATIONS

POSTGRES_BIN = Path("usr/lib/postgresql/17/bin")
PROGRAM_DIRECTORIES = (POSTGRES_BIN, Path("usr/bin"), Path("usr/sbin"))
REAL = ".real"  # beside each wrapper, so that a program still finds its share directory relative to itself
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/lib/postgresql/17/lib/bitcode")
# It leads out of the tree, and PostgreSQL's list of time zones fails where it leads nowhere.
LINK_TO_MACHINE = "usr/share/zoneinfo/localtime"
# Library directory and loader by dpkg's architecture. arm64 follows the same layout and is untried.
LOADERS = {
    "amd64": ("usr/lib/x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "arm64": ("usr/lib/aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
WRAPPER = """#!/bin/sh
# Runs the program with the libraries it was built for: the machine's own may be older.
here=${{0%/*}}
root=$here/{up}
exec "$root/{libraries}/{loader}" --library-path "$root/{libraries}" --argv0 "$0" "$here/{real}/{name}" "$@"
"""
TIMESCALEDB_AT_LEAST = (2, 19)
UNPACK_SECONDS = 120


def unpack(packages: Iterable[Path], root: Path) -> None:
    """The packages' files are below root, the packages themselves deleted; no maintainer script ran."""
    for package in packages:
        try:
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True, timeout=UNPACK_SECONDS)  # noqa: S607
        except (subprocess.SubprocessError, OSError) as error:
            raise StackError(f"cannot unpack {package.name} ({error}): is the disk of {root} full?") from error
        package.unlink()
    for name in UNUSED:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / LINK_TO_MACHINE).unlink(missing_ok=True)


def make_runnable(root: Path, architecture: str) -> None:
    """Every program below root runs as it stands, also on a machine with another libc."""
    if architecture not in LOADERS:
        raise StackError(f"no embedded servers for {architecture}, only for {', '.join(LOADERS)}: {OWN_SERVERS}")
    for relocation in RELOCATIONS:
        relocation.patch(root)
    for directory in PROGRAM_DIRECTORIES:
        for program in _binaries(root / directory):
            _wrap(program, root, *LOADERS[architecture])


def require_timescaledb(root: Path) -> None:
    """Raises StackError unless the tree holds a TimescaleDB this project works with."""
    control = root / "usr/share/postgresql/17/extension/timescaledb.control"
    found = re.search(r"default_version = '(\d+)\.(\d+)", control.read_text()) if control.exists() else None
    if not found or (int(found[1]), int(found[2])) < TIMESCALEDB_AT_LEAST:
        version = f"{found[1]}.{found[2]}" if found else "none"
        raise StackError(f"the mirror offers TimescaleDB {version}, 2.19 is needed: set DEBIAN_MIRROR, or {OWN_SERVERS}")


def _binaries(directory: Path) -> list[Path]:
    files = [path for path in directory.iterdir() if path.is_file() and not path.is_symlink()]
    return [path for path in files if path.read_bytes()[:4] == b"\x7fELF"]


def _wrap(program: Path, root: Path, libraries: str, loader: str) -> None:
    real = program.parent / REAL / program.name
    real.parent.mkdir(exist_ok=True)
    real.parent.chmod(0o755)  # whatever the umask: the servers' user passes here
    program.rename(real)
    up = "/".join([".."] * len(program.parent.relative_to(root).parts))
    program.write_text(WRAPPER.format(up=up, libraries=libraries, loader=loader, real=REAL, name=program.name))
    program.chmod(0o755)
