"""What a charger tells beside its readings: charging sessions and connector status, version 1.

Session energy starts at zero with every session; the register never resets. They are different kinds and never mixed.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.reading import ReadAt, RegisterValue, Wire

Connector = Annotated[int, Field(ge=1, le=64)]


class ConnectorStatus(StrEnum):
    """State of one connector, in words both OCPP and the Chinese interconnection codes map to."""

    OFFLINE = "offline"
    AVAILABLE = "available"
    OCCUPIED = "occupied"
    CHARGING = "charging"
    RESERVED = "reserved"
    FAULTED = "faulted"


class ChargerSession(Wire):
    """A charging session, published when it starts and again, with `stopped_at` and the stop register, when it ends."""

    session: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
    connector: Connector
    started_at: ReadAt
    start_register_kwh: RegisterValue
    stopped_at: ReadAt | None = None
    stop_register_kwh: RegisterValue | None = None
    session_energy_kwh: RegisterValue | None = None


class ChargerStatus(Wire):
    """The state of one connector since `since`; retained by the broker."""

    connector: Connector
    status: Annotated[ConnectorStatus, Field(strict=False)]
    since: ReadAt
