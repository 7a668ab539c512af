"""Users of the broker, in mosquitto's own files: who they are, what they may publish, and the lines that say so. Pure.

An institution is a user of its own name; the shipped access list lets every user write below the institution of that name. A
gateway is a user `GATEWAY@INSTITUTION`, a name that no institution can have, and needs rules of its own.
"""

import re
from typing import Final, NamedTuple

SERVICE_USER: Final = "ingest"
"""The service's own user in the shipped access list; no institution may be called so."""
CANARY_INSTITUTION: Final = "meterwarden"
PATTERN: Final = "pattern write metering/%u/#"
"""The shipped rule for institutions (deploy/mosquitto/access)."""


class Account(NamedTuple):
    """An institution's user or, with a gateway, that gateway's; `whole`: it may speak for the whole institution."""

    institution: str
    gateway: str | None = None
    whole: bool = False

    @property
    def user(self) -> str:
        """Its name at the broker; no user name holds a colon, which ends it in the password file."""
        return self.institution if self.gateway is None else f"{self.gateway}@{self.institution}"

    @property
    def may_write(self) -> str:
        """The topics it may publish on."""
        own = self.gateway is not None and not self.whole
        return f"metering/{self.institution}/gateway/{self.gateway}/#" if own else f"metering/{self.institution}/#"

    @property
    def rules(self) -> list[str]:
        """The lines of an access list that let it do so, and nothing else."""
        return [f"user {self.user}", f"topic write {self.may_write}"]

    @property
    def is_covered(self) -> bool:
        """Whether the shipped pattern says as much already."""
        return self.gateway is None


def users(passwords: str) -> list[str]:
    """The users of a password file, in its order."""
    return [line.partition(":")[0] for line in passwords.splitlines() if ":" in line]


def with_user(passwords: str, user: str, hashed_password: str) -> str:
    """The password file with this user, once: in the place where it was, or at the end."""
    line = f"{user}:{hashed_password}"
    if user not in users(passwords):
        return _ended(passwords) + line + "\n"
    return "".join(f"{line}\n" if _is_of(one, user) else one for one in passwords.splitlines(keepends=True))


def without_user(passwords: str, user: str) -> str:
    """The password file without this user; every other line as it was."""
    return "".join(one for one in passwords.splitlines(keepends=True) if not _is_of(one, user))


def rules_of(access: str, user: str) -> list[str]:
    """The rules that an access list has for this user by name."""
    return [line.strip() for line, of in _attributed(access) if of == user and not _names(line) and _is_rule(line)]


def named(access: str) -> list[str]:
    """The users that an access list names, each once."""
    return list(dict.fromkeys(user for line in access.splitlines() if (user := _names(line))))


def has_pattern(access: str) -> bool:
    """Whether an access list has the shipped rule for institutions."""
    return PATTERN in (line.strip() for line in access.splitlines())


def with_rules(access: str, account: Account) -> str:
    """The access list with the account's rules at its end."""
    return f"{_ended(access)}\n" + "".join(f"{line}\n" for line in account.rules)


def without_rules(access: str, user: str) -> str:
    """The access list without the rules of this user; comments and every other line as they were."""
    kept = [line for line, of in _attributed(access) if of != user or not (_names(line) or _is_rule(line))]
    return re.sub(r"\n\n+\Z", "\n", "".join(kept))


def _attributed(access: str) -> list[tuple[str, str | None]]:
    """Each line with the user whose rules go on there: those since the last `user` line (mosquitto.conf(5))."""
    found: list[tuple[str, str | None]] = []
    user: str | None = None
    for line in access.splitlines(keepends=True):
        user = _names(line) or user
        found.append((line, user))
    return found


def _names(line: str) -> str | None:
    matched = re.match(r"\s*user\s+(\S.*?)\s*$", line)
    return matched and matched[1]


def _is_rule(line: str) -> bool:
    return line.split(maxsplit=1)[:1] == ["topic"]


def _is_of(line: str, user: str) -> bool:
    return line.partition(":")[0] == user


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
