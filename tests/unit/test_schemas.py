"""The wire contract: examples, pydantic models, published JSON Schema and the decoder say the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ingest.errors import Reason, Rejection
from ingest.formats import faults, native_v1
from schemas.publish import FOLDER, PUBLISHED, text
from schemas.reading import utc
from schemas.registers import REGISTERS

EXAMPLES = FOLDER / "examples"
VALID = sorted(EXAMPLES.glob("*/valid/*.json"))
INVALID = sorted(EXAMPLES.glob("*/invalid/*.json"))

BEYOND_JSON_SCHEMA = {
    "seq-with-decimal-point": "to JSON Schema 7.0 is an integer; to us it is a number of the wrong type",
}
"""Cases that only the models refuse. So is every `not_finite` one: JSON has no NaN, and 1e400 is a number like any other."""


def _name(path: Path) -> str:
    return f"{path.parent.parent.name}/{path.stem}"


valid = pytest.mark.parametrize("path", VALID, ids=_name)
invalid = pytest.mark.parametrize("path", INVALID, ids=_name)


def test_every_register_can_be_published() -> None:
    """Each has its field in a payload."""
    published = "".join(map(text, PUBLISHED))

    assert [] == [name for name in REGISTERS if f'"{name}"' not in published]


def _payload_name(path: Path) -> str:
    return path.parent.parent.name


def _schema(path: Path) -> Draft202012Validator:
    """The published schema; `format` is not asserted, as the standard has it by default."""
    return Draft202012Validator(json.loads((FOLDER / f"{_payload_name(path)}.schema.json").read_text(encoding="utf-8")))


def _decode(path: Path) -> Any:
    """What ingest makes of an example of a reading, batch or session. Raises Rejection: of a batch, that of its first bad one."""
    what, payload = _payload_name(path), path.read_bytes()
    if what == "charger-session.v1":
        return native_v1.decode_session(payload)
    decoded = native_v1.decode(what.partition("-")[0], payload)
    if decoded.failing:
        raise decoded.failing[min(decoded.failing)]
    return decoded.readings


def _is_intake(path: Path) -> bool:
    return _payload_name(path).partition("-")[2] in ("reading.v1", "batch.v1", "session.v1")


@valid
def test_a_valid_example_is_accepted_by_model_schema_and_decoder(path: Path) -> None:
    """Whoever follows either form of the contract is understood."""
    payload = path.read_bytes()
    PUBLISHED[_payload_name(path)].model_validate_json(payload)

    assert [] == [error.message for error in _schema(path).iter_errors(json.loads(payload))]
    if _is_intake(path):
        assert _decode(path)


@valid
def test_times_of_valid_examples_exist(path: Path) -> None:
    """The pattern of `read_at` cannot know the calendar; the examples keep it all the same."""
    for name, at in _times(json.loads(path.read_bytes())):
        assert utc(at).tzinfo is not None, name


def _times(stated: dict[str, Any]) -> list[tuple[str, str]]:
    items = stated.get("readings", [stated])
    return [(name, at) for item in items for name, at in item.items() if name.endswith(("_at", "since")) and at is not None]


@invalid
def test_an_invalid_example_is_refused_by_the_model(path: Path) -> None:
    """The model knows every rule of the contract."""
    with pytest.raises(ValidationError):
        PUBLISHED[_payload_name(path)].model_validate_json(path.read_bytes())


@invalid
def test_an_invalid_example_is_refused_for_the_reason_in_its_name(path: Path) -> None:
    """Ingest names the reason: in readings, batches and sessions by its decoder, in what it only passes on by the same words."""
    expected, payload = Reason(path.stem.partition("--")[0]), path.read_bytes()
    if _is_intake(path):
        with pytest.raises(Rejection) as refused:
            _decode(path)
        actual = refused.value
    else:
        with pytest.raises(ValidationError) as invalid_:
            PUBLISHED[_payload_name(path)].model_validate_json(payload)
        actual = faults.rejection(invalid_.value, payload)

    assert expected == actual.reason


@invalid
def test_an_invalid_example_is_refused_by_the_published_schema_where_that_can_say_it(path: Path) -> None:
    """JSON Schema speaks of JSON values: it has no word for bytes that are none, for numbers that are not finite, for 7.0."""
    try:
        stated = json.loads(path.read_bytes().decode("utf-8"))
    except ValueError:
        assert path.stem.partition("--")[0] in (Reason.EMPTY_PAYLOAD, Reason.MALFORMED_JSON, Reason.INVALID_UTF8)
        return
    reason, _, case = path.stem.partition("--")
    beyond = case in BEYOND_JSON_SCHEMA or reason == Reason.NOT_FINITE
    if case != "minus-infinity":  # below the minimum as well, so refused after all
        assert beyond is _schema(path).is_valid(stated)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_schema_is_what_its_model_says(name: str) -> None:
    """A changed model cannot leave its published file behind: run `python -m schemas.publish`."""
    assert text(name) == (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")


def test_no_schema_is_published_that_no_model_stands_behind() -> None:
    """A file left over from a removed name would mislead."""
    assert sorted(PUBLISHED) == sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_schema_is_a_schema(name: str) -> None:
    """It keeps the rules of JSON Schema, draft 2020-12, itself."""
    Draft202012Validator.check_schema(json.loads(text(name)))


def test_every_published_name_has_examples_of_both_kinds_and_no_other_has() -> None:
    """A payload without examples would be a contract nobody has tried."""
    assert sorted(PUBLISHED) == sorted({_payload_name(path) for path in VALID})
    assert sorted(PUBLISHED) == sorted({_payload_name(path) for path in INVALID})
    assert sorted(PUBLISHED) == sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
