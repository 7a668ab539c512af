"""A tree of unpacked packages whose programs run with the tree's own loader and libraries, wherever it lies."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ingest.stack.errors import OWN_SERVERS, StackError

POSTGRES_BIN = Path("usr/lib/postgresql/17/bin")
PROGRAM_DIRECTORIES = (POSTGRES_BIN, Path("usr/bin"), Path("usr/sbin"))
REAL = ".real"  # beside each wrapper, so that a program still finds its share directory relative to itself
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/lib/postgresql/17/lib/bitcode")
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
# Debian's PostgreSQL reads time zones from a path fixed at build time, which a small machine may lack. The replacement is
# just as long: every PostgreSQL process stays in its data directory, where `zone` leads to the tree's own zone files.
ZONES_BUILT_IN = b"\0/usr/share/zoneinfo\0"
ZONES_OF_CLUSTER = b"\0/proc/self/cwd/zone\0"
ZONE_LINK = "zone"
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


def make_runnable(root: Path, architecture: str) -> None:
    """Every program below root runs as it stands, on a machine with another libc and without zone files."""
    if architecture not in LOADERS:
        raise StackError(f"no embedded servers for {architecture}, only for {', '.join(LOADERS)}: {OWN_SERVERS}")
    _use_own_zones(root / POSTGRES_BIN / "postgres")
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
    program.rename(real)
    up = "/".join([".."] * len(program.parent.relative_to(root).parts))
    program.write_text(WRAPPER.format(up=up, libraries=libraries, loader=loader, real=REAL, name=program.name))
    program.chmod(0o755)


def _use_own_zones(postgres: Path) -> None:
    # Where a later build no longer holds the path like this, the machine's own zone files serve as before.
    postgres.write_bytes(postgres.read_bytes().replace(ZONES_BUILT_IN, ZONES_OF_CLUSTER))
