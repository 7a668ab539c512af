"""What a charger tells beside its readings: charging sessions and connector status, version 1.

Session energy starts at zero with every session; the register never resets. They are different kinds and never mixed.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.reading import ReadAt, RegisterValue, Wire

MOST_CONNECTORS = 64
Connector = Annotated[int, Field(ge=1, le=MOST_CONNECTORS)]
ConnectorOrAll = Annotated[int, Field(ge=0, le=MOST_CONNECTORS, description="0 speaks of the charger as a whole, as in OCPP 1.6")]


class ConnectorStatus(StrEnum):
    """State of one connector, in words both OCPP and the Chinese interconnection codes map to."""

    OFFLINE = "offline"
    AVAILABLE = "available"
    OCCUPIED = "occupied"
    CHARGING = "charging"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"


class StatusScheme(StrEnum):
    """Whose code a status comes in (docs/charging.md has the tables)."""

    OCPP_16 = "ocpp1.6"
    OCPP_201 = "ocpp2.0.1"
    CN_PLATFORM = "cn-platform"


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


class ChargerStatusCode(Wire):
    """The state of one connector since `since`, in the code of another scheme; retained by the broker."""

    connector: ConnectorOrAll
    scheme: Annotated[StatusScheme, Field(strict=False)]
    code: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[!-~]+$")]
    since: ReadAt


class ChargerStatuses(Wire):
    """The states of several connectors in one message, so that one retained message holds the whole charger."""

    connectors: Annotated[list[ChargerStatus | ChargerStatusCode], Field(min_length=1, max_length=MOST_CONNECTORS + 1)]
