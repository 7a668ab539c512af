"""The documents say what the code does."""

import re

import pytest

from ingest import reference
from tests.databases import ROOT
from tests.documents import blocks, headings, links, steps

README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
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


def test_the_chinese_readme_says_what_the_english_one_does() -> None:
    """The same headings, commands and outputs, and links, but for those that lead from one to the other."""
    assert headings(README) == headings(CHINESE)
    assert blocks(README) == blocks(CHINESE)
    assert sorted({*links(README)} - {CHINESE.name}) == sorted({*links(CHINESE)} - {README.name})
    assert (CHINESE.name in links(README), README.name in links(CHINESE)) == (True, True)


def test_the_readme_begins_with_two_commands_that_make_knows() -> None:
    """`make demo` and `make test`, before anything else; every target that README names is one."""
    text = README.read_text(encoding="utf-8")
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert text.startswith("# Meterwarden\n\n```sh\n")
    assert "make demo\nmake test\n" == steps(blocks(README))[0].commands
    assert {*re.findall(r"(?:^|`)make (\S[\w-]*)", text, re.MULTILINE)} <= {*targets}
