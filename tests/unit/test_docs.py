"""The documents say what the code does."""

import re

import pytest

from ingest import reference
from tests.databases import ROOT

DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if ".venv" not in path.parts)


def test_the_reference_is_fresh() -> None:
    """docs/reference.md is what the code says now; renew it with `python -m ingest.reference > docs/reference.md`."""
    assert reference.text() == (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document) -> None:
    """Every relative link names a file of the project."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))

    assert [] == [target for target in targets if not (document.parent / target).exists()]


def test_every_guarantee_names_tests_that_exist() -> None:
    """A promise in docs/guarantees.md is kept by a test of that name."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }

    assert named
    assert set() == named - written
