"""What the broker needs before it starts: the shipped configuration with passwords and certificates of this installation.

    broker_setup.py                  everything, at every start: kept where it is there, renewed where it must be
    broker_setup.py add CODE...      let institutions in; prints a password for each, once
    broker_setup.py remove CODE...   shut them out

Runs as the broker's user, in a container of its own. After a change to a running broker: docker compose exec mosquitto kill -HUP 1
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest import accounts
from ingest.stack.mosquitto import INGEST_USER, PASSWORD_BYTES, SIMULATOR_ACCESS, SIMULATOR_USER
from ingest.stack.passwords import hashed

NAMES: Final = "mosquitto localhost 127.0.0.1"
"""By which the broker is reached on its own machine; the service calls it by the first."""
RENEW_SECONDS: Final = 60 * 86_400
"""A certificate with less time left is made anew."""
RESERVED: Final = {INGEST_USER, SIMULATOR_USER, "meterwarden"}
KEPT: Final = "# Below: kept as it stands.\n"
EXPLAINED: Final = """
# Above: written anew at every start of broker-setup. `meterwarden gateway add` adds below; rules of your own begin there with
# a line that says whose they are: user NAME.
"""
CODE: Final = re.compile(r"[^\s/+#:$]+")


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are; in the container, the defaults."""

    shipped: Path = Path("/shipped")
    config: Path = Path("/mosquitto/config")
    authority: Path = Path("/authority")
    ca: Path = Path("/ca")
    secrets: Path = Path("/run/secrets")

    @classmethod
    def below(cls, root: Path) -> "Places":
        """The same, below a directory."""
        return cls(
            *(root / str(path).lstrip("/") for path in (cls().shipped, cls().config, cls().authority, cls().ca, cls().secrets))
        )


def set_up(at: Places, names: Sequence[str], *, simulator: bool) -> None:
    """Configuration, passwords and certificates are there. `simulator`: one user may publish for every institution."""
    for name in ("mosquitto.conf", "listeners/tls.conf"):
        write(at.config / name, (at.shipped / name).read_text(encoding="utf-8"))
    write_access(at, simulator=simulator)
    users = passwords(at)
    users[INGEST_USER] = hashed(secret(at, "broker_ingest"))
    users.pop(SIMULATOR_USER, None)
    if simulator:
        users[SIMULATOR_USER] = hashed(secret(at, "broker_simulator"))
    write_passwords(at, users)
    certificates(at, names)


def write_access(at: Places, *, simulator: bool) -> None:
    """Who may read and write what: as shipped, and below it what an operator has added, as it stands."""
    file = at.config / "access"
    kept = kept_of(file.read_text(encoding="utf-8") if file.exists() else "")
    shipped = (at.shipped / "access").read_text(encoding="utf-8")
    write(file, f"{shipped}{SIMULATOR_ACCESS if simulator else ''}{EXPLAINED}{KEPT}{kept}")


def kept_of(access: str) -> str:
    """What an operator has added to an access list: all below the line that says so.

    Where that is not there, as in an older installation, the rules of users by name; what else was changed was never kept.
    """
    _, line, below = access.partition(KEPT)
    if line:
        return below
    users = [user for user in accounts.named(access) if user not in (INGEST_USER, SIMULATOR_USER)]
    return "".join(f"\nuser {user}\n" + "".join(f"{rule}\n" for rule in accounts.rules_of(access, user)) for user in users)


def add(at: Places, codes: Sequence[str]) -> dict[str, str]:
    """Institutions by their codes, each with a new password; returned, since only its hash is kept. Raises ValueError."""
    refused = [code for code in codes if not CODE.fullmatch(code) or code in RESERVED]
    if refused:
        raise ValueError(f"{', '.join(map(repr, refused))}: no code for an institution (docs/broker.md)")
    users = passwords(at)
    there = [code for code in codes if code in users]
    if there:  # another password would shut out the gateways that have the first
        raise ValueError(f"{', '.join(map(repr, there))}: there already; for a new password remove it first")
    given = {code: secrets.token_urlsafe(PASSWORD_BYTES) for code in codes}
    write_passwords(at, users | {code: hashed(password) for code, password in given.items()})
    return given


def remove(at: Places, codes: Sequence[str]) -> None:
    """Institutions that may no longer connect. Raises ValueError where one is not there."""
    users = passwords(at)
    missing = [code for code in codes if code not in users or code in RESERVED]
    if missing:
        raise ValueError(f"{', '.join(map(repr, missing))}: no such institution at the broker")
    write_passwords(at, {user: kept for user, kept in users.items() if user not in codes})


def certificates(at: Places, names: Sequence[str]) -> None:
    """The broker's certificate for these names, by an authority of this installation; one that was put there by hand is left."""
    tls, made_for = at.config / "tls", at.config / "tls" / "made-for"
    if (tls / "server.crt").exists() and not made_for.exists():
        return
    if not (at.authority / "ca.crt").exists():
        openssl_script(at, "ca")
    shutil.copyfile(at.authority / "ca.crt", at.ca / "ca.crt")
    (at.ca / "ca.crt").chmod(0o644)
    wanted = " ".join(names)
    if made_for.exists() and made_for.read_text(encoding="utf-8") == wanted and lasts(tls / "server.crt"):
        return
    if not (at.authority / "ca.key").exists():
        raise ValueError(
            "the broker needs a new certificate: bring ca.key back into the volume broker-authority (docs/security.md)"
        )
    openssl_script(at, "server", *names)
    for name in ("ca.crt", "server.crt", "server.key"):
        write(tls / name, (at.authority / name).read_text(encoding="utf-8"))
    (at.authority / "server.key").unlink()
    write(made_for, wanted)


def openssl_script(at: Places, what: str, *arguments: str) -> None:
    """The shipped script; it says itself what openssl refuses."""
    subprocess.run(["sh", str(at.shipped / "certificates"), what, str(at.authority), *arguments], check=True)  # noqa: S607 - the image's


def lasts(certificate: Path) -> bool:
    """Whether it is valid for long enough."""
    asked = ["openssl", "x509", "-noout", "-checkend", str(RENEW_SECONDS), "-in", certificate]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def secret(at: Places, name: str) -> str:
    """A password that compose hands in as a file."""
    return (at.secrets / f"{name}.password").read_text(encoding="utf-8").strip()


def passwords(at: Places) -> dict[str, str]:
    """The broker's users and what is kept of their passwords."""
    file = at.config / "passwords"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return dict(line.split(":", 1) for line in lines if ":" in line)


def write_passwords(at: Places, users: dict[str, str]) -> None:
    """Replace the broker's users."""
    write(at.config / "passwords", "".join(f"{user}:{kept}\n" for user, kept in users.items()))


def write(path: Path, text: str) -> None:
    """A file as a whole, for the broker's user alone."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def main(arguments: Sequence[str], at: Places) -> None:
    """One command. Raises ValueError, OSError, subprocess.CalledProcessError."""
    match arguments:
        case []:
            names = os.environ.get("BROKER_NAMES", "").split()
            set_up(at, [*NAMES.split(), *names], simulator="simulator" in os.environ.get("COMPOSE_PROFILES", "").split(","))
        case ["add", _, *_]:
            for code, password in add(at, arguments[1:]).items():
                print(code, password)
        case ["remove", _, *_]:
            remove(at, arguments[1:])
        case _:
            raise ValueError("broker_setup.py [add CODE... | remove CODE...]")


if __name__ == "__main__":
    os.umask(0o077)
    try:
        main(sys.argv[1:], Places())
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"broker-setup: {error}")
