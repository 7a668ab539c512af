"""`needed.py LOCK PROJECT [EXTRA...]`: the part of a lock that a project needs to run, without its tests, types and lint.

Asks the metadata of what is installed in the environment it runs in: everything of the lock, and the project.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(project: str, extras: frozenset[str]) -> set[str]:
    """The names of the project and of everything it requires, directly or not, here and with these extras."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [(project, extras)]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in found:
            continue
        found.add((name, wanted))
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *wanted}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in found}


def part(lock: str, names: set[str]) -> str:
    """The lock's entries of these names, with their hashes."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if canonicalize_name(re.split(r"[=\[ ]", entry, maxsplit=1)[0]) in names)


if __name__ == "__main__":
    lock_path, project_name, *extras_given = sys.argv[1:]
    sys.stdout.write(part(Path(lock_path).read_text(encoding="utf-8"), needed(project_name, frozenset(extras_given))))
