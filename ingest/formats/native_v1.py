"""Meterwarden's own JSON, version 1: bytes -> readings as the payload states them.

The whole payload is validated in one call of the contract's compiled schema. Only where that fails is it taken apart, so that the
good readings of a batch are kept beside the positions of the bad ones.
"""

from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

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


def decode(medium: str, payload: bytes) -> Decoded:
    """The readings of a payload on a topic of `medium` (`gateway` for a gateway's batch).

    Raises Rejection where the payload as a whole cannot be understood.
    """
    if not payload:
        raise Rejection(Reason.EMPTY_PAYLOAD, "the payload is empty")
    if medium == "gateway" or b'"readings"' in payload:
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
