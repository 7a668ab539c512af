"""Debian packages resolved and fetched by an apt with directories of its own: the machine's package state is not touched."""

import fnmatch
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.stack.errors import OWN_SERVERS, StackError

SUITE = "trixie"
WANTED = (
    "postgresql-17",
    "postgresql-17-timescaledb",
    "mosquitto",
    "mosquitto-clients",
    "prometheus",
    "prometheus-alertmanager",
    "tzdata",
)
# Dependencies that nothing here loads, by the reason why. Half of the download.
LEFT_OUT = {
    "the just-in-time compiler, which is off": "libllvm* libz3-*",
    "perl, for Debian's cluster tools": "perl* libperl* lib*-perl libgdbm* libdb5.3* postgresql-common* postgresql-client-common",
    "scripts that set a package up": "adduser base-passwd coreutils dash debconf* dpkg init-system-helpers login* passwd "
    "sensible-utils ssl-cert sysvinit-utils ucf openssl* netbase procps libproc2-* libsemanage* libsepol* libdebconf*",
    "languages and line editing": "libc-l10n locales readline-common",
}
KEYRINGS = tuple(Path(f"/usr/share/keyrings/debian-archive-keyring.{ending}") for ending in ("gpg", "pgp"))
# How this machine reaches its mirror (proxy, retries, dates of a snapshot) holds for ours too.
INHERITED = ("Acquire::http", "Acquire::Retries", "Acquire::Check-", "Acquire::ForceIPv")
ASK_SECONDS = 60
RESOLVE_SECONDS = 300
DOWNLOAD_SECONDS = 1800
LAST_LINES = 8


@dataclass(frozen=True, slots=True)
class Package:
    """One package to fetch."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Apt:
    """apt-get with its own lists, an empty status and its own cache, all below one directory."""

    directory: Path

    @classmethod
    def create(cls, directory: Path) -> "Apt":
        """An apt ready to `resolve`; raises StackError where the machine lacks the tools, the keys or a mirror."""
        architecture()
        for name in ("lists/partial", "cache/archives/partial", "none"):
            (directory / name).mkdir(parents=True)
        (directory / "status").touch()
        (directory / "sources.list").write_text(f"deb [signed-by={_keyring()}] {mirror()} {SUITE} main\n")
        (directory / "apt.conf").write_text(_configuration(directory))
        return cls(directory)

    def resolve(self, wanted: Sequence[str] = WANTED) -> list[Package]:
        """Every package the servers need, or those wanted, without what only set-up scripts and unused features want."""
        self._run(["update"], RESOLVE_SECONDS)
        listed = self._run(["--print-uris", "install", *wanted], RESOLVE_SECONDS)
        found = re.findall(r"^'[^']+' ([^_\s]+)_\S+ (\d+)", listed, re.MULTILINE)
        skipped = " ".join(LEFT_OUT.values()).split()
        return [Package(name, int(size)) for name, size in found if not any(fnmatch.fnmatch(name, s) for s in skipped)]

    def download(self, packages: Sequence[Package]) -> list[Path]:
        """The packages' files, checked by apt against the signed lists."""
        into = self.directory / "debs"
        into.mkdir()
        self._run(["download", *(package.name for package in packages)], DOWNLOAD_SECONDS, into)
        return sorted(into.glob("*.deb"))

    def _run(self, arguments: Sequence[str], seconds: int, cwd: Path | None = None) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self.directory / "apt.conf"), "LC_ALL": "C"}
        command = ["apt-get", "-qq", *arguments]
        where = cwd or self.directory
        try:
            printed: str = subprocess.run(
                command, env=environment, cwd=where, capture_output=True, text=True, timeout=seconds, check=True
            ).stdout
        except subprocess.TimeoutExpired as error:
            raise StackError(f"apt-get {arguments[0]} took longer than {seconds} s: {_NETWORK}") from error
        except subprocess.CalledProcessError as error:
            said = "\n  ".join(error.stderr.strip().splitlines()[-LAST_LINES:])
            raise StackError(f"apt-get {arguments[0]} failed:\n  {said}\n{_NETWORK}") from error
        return printed


_NETWORK = f"check the network, set DEBIAN_MIRROR to a mirror that has {SUITE}, or {OWN_SERVERS}"


def architecture() -> str:
    """Debian's name of this machine's architecture; raises StackError where a tool is missing."""
    missing = [tool for tool in ("apt-get", "apt-config", "dpkg", "dpkg-deb", "tar", "setpriv") if not shutil.which(tool)]
    if missing:
        raise StackError(f"{', '.join(missing)} not found: use a Debian 12 or 13 machine, or {OWN_SERVERS}")
    return _output("dpkg", "--print-architecture").strip()


def mirror() -> str:
    """The mirror that this machine's own apt uses, whatever the format of its sources; DEBIAN_MIRROR comes first."""
    if given := os.environ.get("DEBIAN_MIRROR"):
        return given.rstrip("/")
    # Unlike `indextargets`, this answers before the first `apt-get update` of a fresh machine.
    found: list[str] = re.findall(r"^'([^']+?)/+dists/", _output("apt-get", "--print-uris", "update"), re.MULTILINE)
    usual = [base for base in found if base.endswith("/debian")]
    others = [base for base in found if "debian" in base and "security" not in base]
    if not usual + others:
        raise StackError(f"apt's configuration names no Debian mirror: set DEBIAN_MIRROR, or {OWN_SERVERS}")
    return (usual + others)[0]


def _keyring() -> Path:
    for path in KEYRINGS:
        if path.exists():
            return path
    raise StackError(f"{KEYRINGS[0]} not found: apt-get install debian-archive-keyring, or {OWN_SERVERS}")


def _configuration(directory: Path) -> str:
    kept = [line for line in _output("apt-config", "dump").splitlines() if line.startswith(INHERITED)]
    nowhere = directory / "none"
    ours = {
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": nowhere,
        "Dir::Etc::sourcelist": directory / "sources.list",
        "Dir::Etc::sourceparts": nowhere,
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": nowhere,
        "Dir::State": directory,
        "Dir::State::lists": directory / "lists",
        "Dir::State::status": directory / "status",
        "Dir::Cache": directory / "cache",
        "Dir::Log": directory,
        "APT::Sandbox::User": "",  # the directories are ours alone, so apt's own user could not write there
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",  # nothing here is shared
    }
    return "\n".join([*kept, *(f'{key} "{setting}";' for key, setting in ours.items())]) + "\n"


def _output(*command: str) -> str:
    printed: str = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False).stdout
    return printed
