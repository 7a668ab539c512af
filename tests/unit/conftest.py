"""A command line that speaks English until it is asked otherwise."""

import pytest
from click.testing import CliRunner

from ingest.cli import main


@pytest.fixture
def no_language_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that asks for no language, and all texts noted that have a Chinese one."""
    for name in ("METERWARDEN_LANG", "LANGUAGE", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    CliRunner().invoke(main, ["simulate", "--help"])  # whose texts are noted once it is loaded
