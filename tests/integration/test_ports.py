"""Ports: one that somebody was given is nobody else's while he lives, whether or not he listens at it yet."""

import secrets
import subprocess
import sys

import pytest

from ingest.stack import free_port, ports

TAKE_ALL = """
import sys
from ingest.stack import ports
ports.FIRST_PORT, ports.PORTS = map(int, sys.argv[1:])
print(sorted(ports.free_port() for _ in range(ports.PORTS)), flush=True)
sys.stdin.read()
"""


def test_no_other_process_is_given_a_port_before_its_holder_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at any of them."""
    first = three_free_ports()
    monkeypatch.setattr(ports, "FIRST_PORT", first)
    monkeypatch.setattr(ports, "PORTS", 3)
    monkeypatch.setattr(ports, "_given", set())
    command = [sys.executable, "-c", TAKE_ALL, str(first), "3"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert f"{[first, first + 1, first + 2]}\n" == holder.stdout.readline()
        with pytest.raises(OSError, match="no free port"):
            free_port()
        holder.kill()
    assert first <= free_port() < first + 3


def three_free_ports() -> int:
    """The first of three beside each other, below those that are given to anybody."""
    while True:
        first = ports.FIRST_PORT - 3 - secrets.randbelow(5_000)
        if all(ports._is_free(port) for port in range(first, first + 3)):
            return first
