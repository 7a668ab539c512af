"""States of chargers and gateways, version 1: bytes -> states in one vocabulary, with the code they came in.

The codes were read in several independent open implementations each; docs/charging.md has the tables with sources and confidence.
A code that no table holds is kept, and shown as unknown.
"""

from datetime import datetime
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from ingest.errors import Reason, Rejection
from ingest.formats.faults import rejection
from schemas.charger import ChargerStatus, ChargerStatusCode, ChargerStatuses, StatusScheme
from schemas.charger import ConnectorStatus as Status
from schemas.gateway import GatewayStatus
from schemas.reading import utc

UNKNOWN: Final = "unknown"
NATIVE: Final = "native"

CODES: Final[dict[StatusScheme, dict[str, Status]]] = {
    StatusScheme.OCPP_16: {
        "Available": Status.AVAILABLE,
        "Preparing": Status.OCCUPIED,
        "Charging": Status.CHARGING,
        "SuspendedEVSE": Status.OCCUPIED,
        "SuspendedEV": Status.OCCUPIED,
        "Finishing": Status.OCCUPIED,
        "Reserved": Status.RESERVED,
        "Unavailable": Status.UNAVAILABLE,
        "Faulted": Status.FAULTED,
    },
    StatusScheme.OCPP_201: {
        "Available": Status.AVAILABLE,
        "Occupied": Status.OCCUPIED,
        "Reserved": Status.RESERVED,
        "Unavailable": Status.UNAVAILABLE,
        "Faulted": Status.FAULTED,
    },
    StatusScheme.CN_PLATFORM: {
        "0": Status.OFFLINE,
        "1": Status.AVAILABLE,
        "2": Status.OCCUPIED,
        "3": Status.CHARGING,
        "4": Status.RESERVED,
        "255": Status.FAULTED,
    },
}
"""Code of each scheme -> our word; 2 of the Chinese codes is 占用(未充电), 4 占用(预约锁定)."""


class ConnectorState(NamedTuple):
    """The state of one connector (0: of the whole charger) since an instant."""

    connector: int
    at: datetime
    status: str
    scheme: str
    code: str


class GatewayState(NamedTuple):
    """A gateway's state under the connection it made at an instant."""

    connected_at: datetime
    status: str


_PAYLOAD: Final[TypeAdapter[ChargerStatus | ChargerStatusCode | ChargerStatuses]] = TypeAdapter(
    ChargerStatus | ChargerStatusCode | ChargerStatuses
)
_BY_FIELD: Final = ((b'"connectors"', ChargerStatuses), (b'"code"', ChargerStatusCode), (b'"', ChargerStatus))


def decode_charger(payload: bytes) -> list[ConnectorState]:
    """The states of a charger's status message. Raises Rejection."""
    stated = _validated(payload)
    states = stated.connectors if isinstance(stated, ChargerStatuses) else [stated]
    return [_state(state) for state in states]


def decode_gateway(payload: bytes) -> GatewayState:
    """The state of a gateway's birth or will. Raises Rejection."""
    try:
        stated = GatewayStatus.model_validate_json(payload)
    except ValidationError as error:
        raise _rejected(error, payload) from error
    return GatewayState(_utc(stated.connected_at), stated.status)


def _validated(payload: bytes) -> ChargerStatus | ChargerStatusCode | ChargerStatuses:
    """The form is told by its fields, so that a fault is named as that form's."""
    try:
        return _PAYLOAD.validate_json(payload)
    except ValidationError:
        model = next((model for field, model in _BY_FIELD if field in payload), ChargerStatus)
        try:
            return model.model_validate_json(payload)
        except ValidationError as error:
            raise _rejected(error, payload) from error


def _rejected(error: ValidationError, payload: bytes) -> Rejection:
    return rejection(error, payload) if payload else Rejection(Reason.EMPTY_PAYLOAD, "the payload is empty")


def _state(stated: ChargerStatus | ChargerStatusCode) -> ConnectorState:
    if isinstance(stated, ChargerStatus):
        return ConnectorState(stated.connector, _utc(stated.since), stated.status, NATIVE, stated.status)
    status = CODES[stated.scheme].get(stated.code, UNKNOWN)
    return ConnectorState(stated.connector, _utc(stated.since), status, stated.scheme, stated.code)


def _utc(text: str) -> datetime:
    try:
        return utc(text)
    except (ValueError, OverflowError) as error:
        raise Rejection(Reason.INVALID_TIME, f"no such time: {text!r}") from error
