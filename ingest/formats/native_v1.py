"""Meterwarden's own JSON, version 1: bytes -> readings as the payload states them.

The whole payload is validated in one call of the contract's compiled schema. Only where that fails is it taken apart, so that the
good readings of a batch are kept beside the positions of the bad ones.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

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
        return _decode_batch(medium, payload)
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


def _decode_batch(medium: str, payload: bytes) -> Decoded:
    try:
        batch = _BATCH[medium].__pydantic_validator__.validate_json(payload)
    except ValidationError as error:
        if any(detail["loc"][:1] != ("readings",) or len(detail["loc"]) < 2 for detail in error.errors(include_url=False)):
            raise rejection(error, payload) from error
        return _take_apart(_ITEM[medium].validate_python, from_json(payload)["readings"], payload)
    return Decoded([_stated(position, item) for position, item in enumerate(batch.readings)], {})


def _take_apart(validate: Callable[[Any], Any], items: list[Any], payload: bytes) -> Decoded:
    """Each reading of a batch by itself: the good ones, and the rejection of each bad one."""
    decoded = Decoded([], {})
    for position, item in enumerate(items):
        try:
            decoded.readings.append(_stated(position, validate(item)))
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            decoded.failing[position] = from_details(details, payload)
    return decoded


def _stated(position: int, item: Any) -> Stated:
    medium = item.medium
    registers = [(name, value) for name in _REGISTER_NAMES[medium] if (value := getattr(item, name)) is not None]
    return Stated(position, item.institution, medium, item.meter, item.read_at, registers)
