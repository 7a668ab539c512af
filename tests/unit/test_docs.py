"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from ingest import reference
from tests.databases import ROOT
from tests.documents import blocks, headings, links, steps

README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
NOT_OURS = {".venv", ".pytest_cache", ".git"}
"""Written while tests are collected: every process that runs some must find the same."""
DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if NOT_OURS.isdisjoint(path.relative_to(ROOT).parts))


def test_the_reference_is_fresh() -> None:
    """docs/reference.md is what the code says now; renew it with `python -m ingest.reference > docs/reference.md`."""
    assert reference.text() == (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document) -> None:
    """Every relative link names a file of the project."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))

    assert [] == [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_a_section_lead_to_a_heading(document) -> None:
    """Of the page itself or of another one: a heading in small letters, blanks as hyphens, other signs left out."""
    text = document.read_text(encoding="utf-8")
    wrong = []
    for page, section in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", text):
        there = (document.parent / page).read_text(encoding="utf-8") if page else text
        titles = re.findall(r"^#+ (.+)$", there, re.MULTILINE)
        if section not in {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}:
            wrong.append(f"{page}#{section}")

    assert [] == wrong


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.name != "CHANGELOG.md"], ids=lambda path: path.name)
def test_every_path_in_running_text_exists(document) -> None:
    """A path from the root, also with stars, and a source file by its name alone. The changelog may speak of what has gone."""
    words = {
        word.strip("',\"()=:;")
        for span in re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8"))
        for word in span.split()
    }
    tops = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    rooted = {word for word in words if "/" in word and word.partition("/")[0] in tops}
    sources = {word for word in words - rooted if re.fullmatch(r"\w[\w./-]*\.(?:py|sql|toml|md|tmpl)", word)}

    assert [] == sorted(word for word in rooted if not any(ROOT.glob(word.rstrip("/"))))
    assert [] == sorted(word for word in sources if not any(ROOT.glob(word)) and not any(_found(word)))


def _found(name: str) -> list[Path]:
    return [
        path
        for top in ("docs", "ingest", "simulators", "schemas", "benchmarks", "tests", "deploy")
        for path in (ROOT / top).rglob(name)
    ]


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
