"""The alert rules, as text: `rules.yaml` here, its sections in `docs/runbook.md`, its cases in `tests/alerts/`."""

import re
from importlib.resources import files
from typing import Final

# a duration must follow, so that prose in an annotation that happens to begin with "for:" stays
_WAITING: Final = re.compile(r"^ *(?:for|keep_firing_for): *[0-9]\w* *\n", re.MULTILINE)


def rules() -> str:
    """The Prometheus rule file of the project."""
    return (files("ingest.alerts") / "rules.yaml").read_text(encoding="utf-8")


def without_waiting(rules: str) -> str:
    """The same rules without `for` and `keep_firing_for`: alerts fire and end at the next evaluation.

    For a demonstration, where minutes are seconds. Ages and windows inside expressions stay as they are. Expects block style, one
    key a line, as in this project's file.
    """
    return _WAITING.sub("", rules)
