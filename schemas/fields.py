"""The fields of payloads in words, from their published schemas: for people who write a gateway. Pure."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from schemas.reading import CODE, MAX_READINGS
from schemas.registers import REGISTERS

Schema = dict[str, Any]
NAMES: Final = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}


class Field(NamedTuple):
    """A field: its name, what may stand there, whether it must, and what it says."""

    name: str
    what: str
    required: bool
    description: str


class Part(NamedTuple):
    """An object: the payload itself, or one that stands inside it."""

    title: str
    description: str
    fields: list[Field]


def parts(model: type[BaseModel], published: dict[str, str]) -> Iterator[Part]:
    """The payload, then the objects inside it. `published`: title of a model -> name of its payload, told elsewhere."""
    schema = model.model_json_schema()
    inner = schema.get("$defs", {})
    yield _part(schema, inner, published)
    for title, one in inner.items():
        if one.get("type") == "object" and title not in published:
            yield _part(one, inner, published)


def _part(schema: Schema, inner: Schema, published: dict[str, str]) -> Part:
    needed = schema.get("required", [])
    fields = [
        Field(name, _what(one, inner, published), name in needed, _description(name, one))
        for name, one in schema["properties"].items()
    ]
    return Part(schema["title"], schema.get("description", ""), fields)


def _description(name: str, schema: Schema) -> str:
    """Its own, or that of the alternative beside null; of a register, its unit and kind."""
    if name in REGISTERS:
        return f"{REGISTERS[name].unit}, {REGISTERS[name].kind}"
    inside: list[Schema] = [schema, *schema.get("anyOf", [])]
    return next((one["description"] for one in inside if "description" in one), "")


def _what(schema: Schema, inner: Schema, published: dict[str, str]) -> str:
    if "$ref" in schema:
        title = schema["$ref"].rsplit("/", 1)[-1]
        if inner[title].get("type") == "object":
            return f"`{published.get(title, title)}`"
        return _what(inner[title], inner, published)
    if alternatives := schema.get("anyOf", schema.get("oneOf")):
        words = [_what(one, inner, published) for one in alternatives if one.get("type") != "null"]
        return " or ".join(words) + (", or null" if len(words) < len(alternatives) else "")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        return f"list of {_what(schema['items'], inner, published)}{_length(schema, 'minItems', 'maxItems', '')}"
    return _scalar(schema)


def _scalar(schema: Schema) -> str:
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("format") == "date":
        return "date"
    if schema.get("pattern") == CODE:
        return "code"
    if schema["type"] == "string":
        return "text" + _length(schema, "minLength", "maxLength", " characters")
    least, most = schema.get("minimum"), schema.get("maximum")
    bounds = f", {least} to {most}" if most is not None else f", at least {least}" if least is not None else ""
    return NAMES[schema["type"]] + bounds


def _length(schema: Schema, least: str, most: str, of: str) -> str:
    return f", {schema[least]} to {schema[most]}{of}" if most in schema else ""


WORDS: Final = (
    "A *time* is RFC 3339 with its offset, such as `2026-10-01T00:15:00+08:00`: one without is refused. A *code* is 1 to 64"
    " letters, digits, `.`, `_` and `-`, beginning with a letter or digit. Numbers are JSON numbers, never text; infinity and NaN"
    f" are refused, and so are unknown fields. A batch holds at most {MAX_READINGS} readings."
)
"""What the tables take for granted."""
