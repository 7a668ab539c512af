"""A throwaway certificate authority, made by the script that is shipped for operators."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "deploy" / "mosquitto" / "certificates"


def certificates(what: str, directory: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run the script; AssertionError with what it said where it fails."""
    done = subprocess.run([SCRIPT, what, directory, *names], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


def authority(directory: Path, *servers: str) -> Path:
    """The directory, now with ca.crt and a server's certificate for these names."""
    certificates("ca", directory)
    certificates("server", directory, *servers)
    return directory
