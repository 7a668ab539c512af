"""Free ports for the servers."""

import fcntl
import os
import secrets
import socket
import tempfile
from functools import cache
from pathlib import Path

# Below the range the kernel takes outgoing ports from (32768 and up): else a client's own connection could take the port of
# a server that is down for a moment, or a client that retries could connect to itself.
FIRST_PORT = 20_000
PORTS = 12_000
ATTEMPTS = 200

_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, and that no process of this user has been given and still may use.

    A server that is down for a moment, or not up yet, keeps its port: others see by a lock whose it is, as long as we live.
    """
    for _ in range(ATTEMPTS):
        port = FIRST_PORT + secrets.randbelow(PORTS)  # not `random`, which tests seed
        if port not in _given and _is_free(port) and _lock(port):
            _given.add(port)
            return port
    raise OSError(f"no free port from {FIRST_PORT} to {FIRST_PORT + PORTS}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lock(port: int) -> bool:
    """Lock one byte of a file, as many in as the port's number; the kernel unlocks it when the process has ended."""
    locks = _locks(os.getpid())
    try:
        fcntl.lockf(locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _locks(_pid: int) -> int:
    """This user's file, opened once a process and never closed: to close it anywhere would give all its locks up."""
    path = Path(tempfile.gettempdir()) / f"meterwarden-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
