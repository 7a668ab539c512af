"""Meterwarden's own JSON, version 1: bytes -> readings as the payload states them.

`decode` holds a payload against the contract's models and says what is wrong with it. A batch that they refuse is taken apart, so
that its good readings are kept beside the positions of the bad ones. Nearly every payload is without fault and never comes so far:
`items` is all that ingest/usual.py needs of it.
"""

import math
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from ingest.errors import Reason, Rejection
from ingest.formats.faults import from_details, rejection
from ingest.metering.calendar import Instant, instant
from schemas import reading as wire
from schemas.charger import ChargerSession
from schemas.registers import MAIN_REGISTER, REGISTERS, Kind, Medium


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
_LOWEST: Final = {name: 0.0 if register.kind is Kind.CUMULATIVE else -math.inf for name, register in REGISTERS.items()}
MEDIA: Final = {
    medium: (MAIN_REGISTER[Medium(medium)], {name: _LOWEST[name] for name in names}) for medium, names in _REGISTER_NAMES.items()
}
"""Of each medium the register that every reading has, and the lowest value of each that it may have."""
_check_time: Final = TypeAdapter(wire.ReadAt).validator.validate_python


def items(medium: str, payload: bytes) -> list[Any]:
    """What a payload holds in place of readings, as plain JSON not yet looked at: nothing in it need be a reading.

    Raises ValueError, TypeError or AttributeError where there is nothing of the kind.
    """
    whole = from_json(payload)
    if not _may_be_batch(medium, payload):
        return [whole]
    [(name, readings)] = whole.items()
    if name != "readings" or not 0 < len(readings) <= wire.MAX_READINGS:
        raise ValueError(name)
    return readings  # type: ignore[no-any-return]


@lru_cache(4096)  # meters read themselves at the same seconds; the contract keeps the text short
def instant_of(text: str) -> Instant:
    """The instant of a text as the contract wants it. Raises ValueError for any other."""
    _check_time(text, strict=True)
    return instant(datetime.fromisoformat(text.upper()))  # measured: in UTC first, as `wire.utc`, it takes up to twice as long


def decode(medium: str, payload: bytes) -> Decoded:
    """The readings of a payload on a topic of `medium` (`gateway` for a gateway's batch).

    Raises Rejection where the payload as a whole cannot be understood.
    """
    if not payload:
        raise Rejection(Reason.EMPTY_PAYLOAD, "the payload is empty")
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
