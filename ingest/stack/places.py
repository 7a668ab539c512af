"""Where the stack keeps things, who may read them, and the lock that lets one process at a time build."""

import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.stack.errors import StackError

UNPRIVILEGED_USER = "nobody"
RUN_PREFIX = "meterwarden-stack-"


def cache_directory() -> Path:
    """Directory of the unpacked programs, created if need be: METERWARDEN_STACK_CACHE, or the usual one of this user."""
    return _made(_chosen("METERWARDEN_STACK_CACHE", "/var/cache/meterwarden", "XDG_CACHE_HOME", ".cache"))


def state_path() -> Path:
    """File that remembers this user's lingering stack, in METERWARDEN_STACK_STATE or the usual directory, made if need be."""
    directory = _chosen("METERWARDEN_STACK_STATE", "/var/lib/meterwarden", "XDG_STATE_HOME", ".local/state")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"cannot create {directory} ({error}): set METERWARDEN_STACK_STATE") from error
    return directory / "stack.json"


def run_base() -> Path:
    """Directory that run directories are made in: METERWARDEN_STACK_RUN, or the temporary one."""
    return Path(os.environ.get("METERWARDEN_STACK_RUN") or tempfile.gettempdir()).absolute()


def fresh_run_directory() -> Path:
    """A new 0755 directory of the servers' user, outside any checkout, below METERWARDEN_STACK_RUN or the temporary one."""
    base = run_base()
    require_reachable(base, "METERWARDEN_STACK_RUN")
    try:
        directory = Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=base))
    except OSError as error:
        raise StackError(f"cannot create a run directory in {base} ({error}): set METERWARDEN_STACK_RUN") from error
    return give(directory)


def given_run_directory(directory: Path) -> Path:
    """The caller's directory made ready to run in; one that holds files is refused, since `down` removes it."""
    directory = directory.absolute()
    if directory.exists() and any(directory.iterdir()):
        raise StackError(f"{directory} is not empty, and would be removed at the end: name a new directory")
    directory.mkdir(parents=True, exist_ok=True)
    require_reachable(directory.parent, "the run directory to one below /tmp, for instance")
    return give(directory)


def provide(directory: Path) -> Path:
    """The directory, made if need be, of the user who runs the servers."""
    directory.mkdir(exist_ok=True)
    return give(directory)


def give(path: Path, mode: int = 0o755) -> Path:
    """The path, now of the user who runs the servers, with this mode."""
    path.chmod(mode)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    """The file, holding this text, of the user who runs the servers; replaced as a whole, never open to more than `mode`."""
    return give(_draft(path, text), mode).replace(path)


def write_secret(path: Path, text: str) -> Path:
    """The file, holding this text, readable by the caller alone; replaced as a whole."""
    return _draft(path, text).replace(path)


def remove(directory: Path) -> None:
    """The directory is gone, as far as it is ours to remove."""
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def exclusive(path: Path, variable: str) -> Iterator[None]:
    """Only one process at a time is inside. The kernel frees the lock of one that dies, so the wait has an end."""
    try:
        file = path.open("w")
    except OSError as error:
        raise StackError(f"cannot write to {path.parent} ({error}): set {variable}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def require_reachable(directory: Path, variable: str) -> None:
    """Raises unless the servers' user can pass through every directory on the way: a clone may lie in a 0700 one."""
    closed = [step for step in (directory, *directory.parents) if step.exists() and not step.stat().st_mode & 0o001]
    if os.geteuid() == 0 and closed:
        raise StackError(f"{closed[0]} is closed to the user {UNPRIVILEGED_USER}, who runs the servers: set {variable}")


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return draft


def _chosen(variable: str, of_root: str, xdg_variable: str, below_home: str) -> Path:
    if named := os.environ.get(variable):
        return Path(named).absolute()
    if os.geteuid() == 0:
        return Path(of_root)
    return Path(os.environ.get(xdg_variable) or Path.home() / below_home) / "meterwarden"


def _made(directory: Path) -> Path:
    try:
        if not directory.exists():
            directory.mkdir(parents=True)
            directory.chmod(0o755)  # whatever the umask: the servers' user reads here
    except OSError as error:
        raise StackError(f"cannot create {directory} ({error}): set METERWARDEN_STACK_CACHE") from error
    require_reachable(directory, "METERWARDEN_STACK_CACHE")
    return directory
