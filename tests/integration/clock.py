"""The clock of the server, where it says which day was the last: the test's own, so that no day ends between two questions."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from ingest.storage import rebuild, registry_import

MARKED_BY_THE_SERVER: dict[Any, str] = {registry_import: "MARK_CHANGED", rebuild: "MARK"}
"""Statements that ask it."""


def server_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """What sets it, again and again."""
    statements = {module: getattr(module, name) for module, name in MARKED_BY_THE_SERVER.items()}

    def go_on(now: datetime) -> None:
        for module, name in MARKED_BY_THE_SERVER.items():
            monkeypatch.setattr(module, name, statements[module].replace("now()", f"'{now.isoformat()}'::timestamptz"))

    return go_on
