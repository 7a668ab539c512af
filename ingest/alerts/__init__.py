"""The alert rules, as text: the `.yaml` files here, their sections in `docs/runbook.md`, their cases in `tests/alerts/`."""

import re
from importlib.resources import files
from typing import Final

# a duration must follow, so that prose in an annotation that happens to begin with "for:" stays
_WAITING: Final = re.compile(r"^ *(?:for|keep_firing_for): *[0-9]\w* *\n", re.MULTILINE)


def rules() -> str:
    """The groups of all the project's rule files, as one Prometheus rule file."""
    found = sorted((file for file in files("ingest.alerts").iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    groups = [file.read_text(encoding="utf-8").partition("\ngroups:\n")[2] for file in found]
    return "groups:\n" + "\n".join(groups)


def without_waiting(rules: str) -> str:
    """The same rules without `for` and `keep_firing_for`: alerts fire and end at the next evaluation.

    For a demonstration, where minutes are seconds. Ages and windows inside expressions stay as they are. Expects block style, one
    key a line, as in this project's file.
    """
    return _WAITING.sub("", rules)
