"""What this machine and the programs on it are: a figure without them means little."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

LIBRARIES: Final = ("mqtt5", "paho-mqtt", "aiomqtt", "psycopg", "pydantic", "prometheus-client")


def hardware() -> dict[str, str | int]:
    """CPU model, cores and memory."""
    return {"cpu": _cpu_model(), "cores": cores(), "memory_gib": round(_memory_bytes() / 2**30), "kernel": platform.release()}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def versions() -> dict[str, str]:
    """Python and the libraries on the way of a reading."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("meterwarden", *LIBRARIES)}}


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
