"""A file replaced as a whole while others read it: never half of it, never open to more people than before."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NEW_MODE = 0o600


def replaced(path: Path, change: Callable[[str], str]) -> None:
    """The file holds what `change` makes of it (of nothing, where there is none), with owner and mode as before; a new one is 0600.

    One process at a time changes files of a directory. Raises OSError, and the file is as it was.
    """
    path = path.resolve()
    with _alone(path.parent):
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = change(before)
        if after != before or not path.exists():
            _write(path, after)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """The kernel frees the lock of a process that dies."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, NEW_MODE), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            _as_before(file.fileno(), path)
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _as_before(draft: int, path: Path) -> None:
    """Owner first: changing it takes rights away that the mode may give."""
    if path.exists():
        before = path.stat()
        if (before.st_uid, before.st_gid) != (os.fstat(draft).st_uid, os.fstat(draft).st_gid):
            os.fchown(draft, before.st_uid, before.st_gid)
        os.fchmod(draft, before.st_mode & 0o777)
