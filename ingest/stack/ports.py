"""Free ports for the servers."""

import secrets
import socket

# Below the range the kernel takes outgoing ports from (32768 and up): else a client's own connection could take the port of
# a server that is down for a moment, or a client that retries could connect to itself.
FIRST_PORT = 20_000
PORTS = 12_000
ATTEMPTS = 200

_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, and that this process has not been given before."""
    for _ in range(ATTEMPTS):
        port = FIRST_PORT + secrets.randbelow(PORTS)  # not `random`, which tests seed
        if port not in _given and _is_free(port):
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
