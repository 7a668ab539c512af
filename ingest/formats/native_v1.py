"""Meterwarden's own JSON, version 1: bytes -> readings as the payload states them.

Nearly every payload is without fault: the contract's own rules, compiled to give plain dictionaries, read it in one call. Of any
other the contract's models decide. A batch that they refuse is taken apart, so that its good readings are kept beside the positions
of the bad ones. See docs/adr/0008-plain-dictionaries.md.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, NamedTuple, NotRequired, Union, get_args

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from ingest.errors import Reason, Rejection
from ingest.formats.faults import from_details, rejection
from schemas import reading as wire
from schemas.charger import ChargerSession
from schemas.registers import REGISTERS


class Stated(NamedTuple):
    """One reading of the payload: its position, whom it names, when, and its registers by name."""

    position: int
    institution: str | None
    medium: str
    meter: str | None
    read_at: str
    registers: list[tuple[str, float]]


_new_stated: Final[Callable[[tuple[Any, ...]], Stated]] = partial(tuple.__new__, Stated)
"""Half the time of `Stated(...)`."""


class Decoded(NamedTuple):
    """The good readings of a payload, and the rejection of each bad one by its position."""

    readings: list[Stated]
    failing: dict[int, Rejection]


_SINGLE: Final[dict[str, type[wire.Reading]]] = {
    "electricity": wire.ElectricityReading,
    "water": wire.WaterReading,
    "charger": wire.ChargerReading,
}
_BATCH: Final[dict[str, type[wire.Wire]]] = {
    "electricity": wire.ElectricityBatch,
    "water": wire.WaterBatch,
    "charger": wire.ChargerBatch,
    "gateway": wire.GatewayBatch,
}
_ITEM: Final[dict[str, TypeAdapter[Any]]] = {
    **{medium: TypeAdapter(model) for medium, model in _SINGLE.items()},
    "gateway": TypeAdapter(wire.GatewayReading),
}
_REGISTER_NAMES: Final = {
    medium: tuple(name for name in REGISTERS if name in model.model_fields) for medium, model in _SINGLE.items()
}
_session: Final = TypeAdapter(ChargerSession)


def _plain_form(model: type[wire.Wire]) -> Any:
    """A model of the contract as a TypedDict: the same fields under the same rules, but no object is made of each reading."""
    fields = {
        name: field.rebuild_annotation() if field.is_required() else NotRequired[field.rebuild_annotation()]
        for name, field in model.model_fields.items()
    }
    return _typed_dict(model, fields)


def _plain_batch(model: type[wire.Wire], item: Any) -> Any:
    return _typed_dict(model, {"readings": Annotated[list[item], *model.model_fields["readings"].metadata]})


def _typed_dict(model: type[wire.Wire], fields: dict[str, Any]) -> Any:
    make: Any = TypedDict  # mypy knows only fields written out
    form = make(f"Plain{model.__name__}", fields)
    form.__pydantic_config__ = model.model_config
    return form


def _reader(form: Any) -> Callable[[bytes], Any]:
    read: Callable[[bytes], Any] = TypeAdapter(form).validator.validate_json
    return read


_PLAIN: Final = {medium: _plain_form(model) for medium, model in _SINGLE.items()}
_ANY_MEDIUM: Final = Annotated[
    Union[tuple(_plain_form(model) for model in get_args(get_args(wire.GatewayReading)[0]))],  # noqa: UP007 - of a tuple
    Field(discriminator="medium"),
]
_read_single: Final = {medium: _reader(form) for medium, form in _PLAIN.items()}
_read_batch: Final = {medium: _reader(_plain_batch(model, _PLAIN.get(medium, _ANY_MEDIUM))) for medium, model in _BATCH.items()}


def decode(medium: str, payload: bytes) -> Decoded:
    """The readings of a payload on a topic of `medium` (`gateway` for a gateway's batch).

    Raises Rejection where the payload as a whole cannot be understood.
    """
    if not payload:
        raise Rejection(Reason.EMPTY_PAYLOAD, "the payload is empty")
    plain = _plain(medium, payload)
    return decode_by_contract(medium, payload) if plain is None else Decoded(plain, {})


def decode_by_contract(medium: str, payload: bytes) -> Decoded:
    """The same as `decode`, of a payload that is not empty, by the contract alone. Raises Rejection."""
    if _may_be_batch(medium, payload):
        try:
            return _decode_batch(medium, payload)
        except _NoBatch:
            pass  # a single reading that only mentions the word
    try:
        stated = _stated(0, _SINGLE[medium].__pydantic_validator__.validate_json(payload))
    except ValidationError as error:
        raise rejection(error, payload) from error
    return Decoded([stated], {})


def decode_session(payload: bytes) -> ChargerSession:
    """The charging session of a payload. Raises Rejection."""
    if not payload:
        raise Rejection(Reason.EMPTY_PAYLOAD, "the payload is empty")
    try:
        return _session.validate_json(payload)
    except ValidationError as error:
        raise rejection(error, payload) from error


def _may_be_batch(medium: str, payload: bytes) -> bool:
    return medium == "gateway" or b'"readings"' in payload


def _plain(medium: str, payload: bytes) -> list[Stated] | None:
    """The readings of a payload without fault; None: the contract's models can say what it is, and why it is refused."""
    try:
        if not _may_be_batch(medium, payload):
            return [_plain_stated(0, _read_single[medium](payload), medium)]
        items = _read_batch[medium](payload)["readings"]
    except ValidationError:
        return None
    return [_plain_stated(position, item, medium) for position, item in enumerate(items)]


def _plain_stated(position: int, item: dict[str, Any], topic_medium: str) -> Stated:
    """What is left of a reading when the rest is taken out are its registers, in the order of the contract."""
    take = item.pop
    read_at, institution, meter = take("read_at"), take("institution", None), take("meter", None)
    medium = take("medium", topic_medium)
    take("seq", None)
    registers = [*item.items()]
    if None in item.values():
        registers = [(name, value) for name, value in registers if value is not None]
    return _new_stated((position, institution, medium, meter, read_at, registers))


class _NoBatch(Exception):  # noqa: N818 - says what the payload is not
    """An object without `readings`."""


def _decode_batch(medium: str, payload: bytes) -> Decoded:
    try:
        batch = _BATCH[medium].__pydantic_validator__.validate_json(payload)
    except ValidationError as error:
        places = {(detail["type"], detail["loc"]) for detail in error.errors(include_url=False)}
        if ("missing", ("readings",)) in places and medium != "gateway":
            raise _NoBatch from error
        if any(place[:1] != ("readings",) or len(place) < 2 for _, place in places):
            raise rejection(error, payload) from error
        return _take_apart(_ITEM[medium], from_json(payload)["readings"], payload)
    return Decoded([_stated(position, item) for position, item in enumerate(batch.readings)], {})


def _take_apart(item_type: TypeAdapter[Any], items: list[Any], payload: bytes) -> Decoded:
    """Each reading of a batch by itself, as JSON again, so that it is judged as if it had come alone."""
    decoded = Decoded([], {})
    for position, item in enumerate(items):
        try:
            alone = item_type.validate_json(to_json(item, inf_nan_mode="constants"))
            decoded.readings.append(_stated(position, alone))
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            decoded.failing[position] = from_details(details, payload)
    return decoded


def _stated(position: int, item: Any) -> Stated:
    medium = item.medium
    registers = [(name, value) for name in _REGISTER_NAMES[medium] if (value := getattr(item, name)) is not None]
    return Stated(position, item.institution, medium, item.meter, item.read_at, registers)
