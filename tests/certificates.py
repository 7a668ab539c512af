"""A throwaway certificate authority, made by the script that is shipped for operators."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "deploy" / "mosquitto" / "certificates"


def certificates(what: str, directory: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run the script; AssertionError with what it said where it fails."""
    done = subprocess.run([SCRIPT, what, directory, *names], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def authority(directory: Path, *servers: str) -> Path:
    """The directory, made if need be, now with ca.crt and a server's certificate for these names."""
    certificates("ca", directory)
    certificates("server", directory, *servers)
    return directory


def expired(directory: Path, name: str) -> Path:
    """The certificate `name`.crt again, of the same key and authority, but its validity ended yesterday: `name`-expired.crt."""
    request, again = directory / f"{name}.csr", directory / f"{name}-expired.crt"
    _openssl(directory, "-x509toreq", "-in", f"{name}.crt", "-signkey", f"{name}.key", "-out", request.name)
    _openssl(directory, "-req", "-in", request.name, "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "-1", "-out", again.name)
    return again


def _openssl(directory: Path, *arguments: str) -> None:
    command = ["openssl", "x509", *arguments, "-copy_extensions", "copyall"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
