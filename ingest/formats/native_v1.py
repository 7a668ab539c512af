"""Meterwarden's own JSON, version 1: bytes -> readings as the payload states them.

Nearly every payload is plain: parsed once, its few fields looked at here. Of any other the contract's compiled schema decides; only
where that fails is a batch taken apart, so that its good readings are kept beside the positions of the bad ones. See docs/adr/0007.
"""

import re
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from ingest.errors import Reason, Rejection
from ingest.formats.faults import from_details, rejection
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

_MOST: Final = sys.float_info.max
_LEAST: Final = {
    medium: {name: 0.0 if REGISTERS[name].kind is Kind.CUMULATIVE else -_MOST for name in names}
    for medium, names in _REGISTER_NAMES.items()
}
"""Medium -> register -> the least value it may show."""
_SLOT: Final = {name: slot for slot, name in enumerate(REGISTERS)}
_MAIN: Final = {medium.value: MAIN_REGISTER[medium] for medium in Medium}
"""Stands first among its medium's registers."""
_EXACT: Final = 2**53
"""Below it every integer is a double."""
_LONGEST_TIME: Final = len("2026-03-02T08:15:00.123456789+08:00")
_LONGEST_CODE: Final = 64


def decode(medium: str, payload: bytes) -> Decoded:
    """The readings of a payload on a topic of `medium` (`gateway` for a gateway's batch).

    Raises Rejection where the payload as a whole cannot be understood.
    """
    if not payload:
        raise Rejection(Reason.EMPTY_PAYLOAD, "the payload is empty")
    plain = _plain(medium, payload)
    return Decoded(plain, {}) if plain is not None else decode_by_contract(medium, payload)


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
    """The readings of a payload of which there is no doubt; None: only the contract can say."""
    try:
        stated = from_json(payload, allow_inf_nan=False)
    except ValueError:
        return None
    if type(stated) is not dict:
        return None
    own_medium = None if medium == "gateway" else medium
    items: Any = [stated]
    if own_medium is None or ("readings" in stated and _may_be_batch(medium, payload)):
        items = stated.get("readings")
        if type(items) is not list or len(stated) > 1 or not 0 < len(items) <= wire.MAX_READINGS:
            return None
    readings = []
    for position, item in enumerate(items):
        reading = _plain_reading(position, item, own_medium)
        if reading is None:
            return None
        readings.append(reading)
    return readings


def _plain_reading(position: int, item: Any, own_medium: str | None) -> Stated | None:
    """One loop over the fields in the order they come: every call saved here is saved for every reading."""
    if type(item) is not dict:
        return None
    medium, institution, meter, read_at = item.get("medium", own_medium), None, None, None
    if type(medium) is not str or medium not in _LEAST or (medium != own_medium and own_medium):
        return None
    least = _LEAST[medium]
    registers = []
    for name, value in item.items():
        if name in least:
            if type(value) is float:
                if not least[name] <= value <= _MOST:
                    return None
                registers.append((name, value))
            elif type(value) is int and least[name] <= value and -_EXACT < value < _EXACT:
                registers.append((name, float(value)))
            else:
                return None
        elif name == "read_at":
            if type(value) is not str or len(value) > _LONGEST_TIME or not _is_time(value):
                return None
            read_at = value
        elif name == "meter":
            if type(value) is not str or len(value) > _LONGEST_CODE or not _is_code(value):
                return None
            meter = value
        elif name == "institution":
            if type(value) is not str or len(value) > _LONGEST_CODE or not _is_code(value):
                return None
            institution = value
        elif name == "seq":
            if type(value) is not int or not 0 <= value < 2**63:
                return None
        elif name != "medium":
            return None
    if len(registers) > 1:
        registers.sort(key=_by_slot)
    if not registers or registers[0][0] != _MAIN[medium] or read_at is None or (meter is None and own_medium is None):
        return None
    return _new_stated((position, institution, medium, meter, read_at, registers))


def _by_slot(register: tuple[str, float]) -> int:
    return _SLOT[register[0]]


_is_time: Final = lru_cache(4096)(re.compile(wire.RFC3339).fullmatch)
"""Meters read themselves at the same seconds, so nearly every text has been seen."""
_is_code: Final = lru_cache(2**16)(re.compile(wire.CODE).fullmatch)


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
