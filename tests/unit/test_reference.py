"""The reference leaves nothing out; whether the committed page is fresh is in test_docs.py."""

import pytest

from ingest.storage import meanings, views
from schemas import fields
from schemas.publish import PUBLISHED


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
