"""The documents say what the code does."""

import re

import pytest

from ingest import reference
from ingest.storage import meanings, views
from schemas import fields
from schemas.publish import PUBLISHED
from tests.databases import ROOT

DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if ".venv" not in path.parts)


def test_the_reference_is_fresh() -> None:
    """docs/reference.md is what the code says now; renew it with `python -m ingest.reference > docs/reference.md`."""
    assert reference.text() == (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def test_every_column_of_a_public_view_has_a_meaning_and_no_meaning_is_left_over() -> None:
    """What the database does not say itself is written down once, and only that."""
    unsaid = [line for line in views.kept() if not line.comment]
    columns = {(line.view, line.column) for line in unsaid if line.column}

    assert {line.view for line in unsaid if not line.column} == set(meanings.VIEWS)
    assert columns >= set(meanings.PARTICULAR)
    assert {column for _, column in columns - set(meanings.PARTICULAR)} == set(meanings.COLUMNS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_reference_tells_every_field_of_a_payload(name: str) -> None:
    """Its own ones, and those of the objects inside it that are no payload of their own."""
    schema = PUBLISHED[name].model_json_schema()
    told = {part.title: [field.name for field in part.fields] for part in fields.parts(PUBLISHED[name], {})}
    inside = [one for one in schema.get("$defs", {}).values() if one["type"] == "object"]

    assert told == {one["title"]: list(one["properties"]) for one in [schema, *inside]}


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


def test_every_path_of_the_architecture_exists() -> None:
    """Whoever looks for a place by docs/architecture.md finds it."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {word for word in re.findall(r"`([\w./-]+)`", page) if re.search(r"^\w[\w-]*/|\.(?:py|toml|yaml|lock)$", word)}

    assert len(named) > 100
    assert [] == sorted(name for name in named if not (ROOT / name).exists())


def test_the_architecture_names_every_folder() -> None:
    """A new folder has its sentence on the map, as far as it holds code of the service, the simulator or the tests."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tops = ("ingest", "tests")
    places = {path.relative_to(ROOT).as_posix() for top in tops for path in (ROOT / top).iterdir() if any(path.glob("*.py"))}
    places |= {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))} - {"tests", "ingest"}

    assert [] == sorted(place for place in places if f"`{place}/`" not in page)
