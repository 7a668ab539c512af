"""Topic names and filters of the native contract.

The institution in the topic is what the broker's access list ties to the client's identity; what Meterwarden publishes itself
lies outside `metering/`, so that no gateway can forge it.
"""

from typing import Final

READINGS: Final = "metering/+/+/+/reading"
GATEWAY_READINGS: Final = "metering/+/gateway/+/readings"
SESSIONS: Final = "metering/+/charger/+/session"
CHARGER_STATUS: Final = "metering/+/charger/+/status"
GATEWAY_STATUS: Final = "metering/+/gateway/+/status"

STATUS_FILTERS: Final = (CHARGER_STATUS, GATEWAY_STATUS)
"""What the settler subscribes to, plainly: a shared subscription gets no retained messages."""

QUOTA_STATES: Final = "meterwarden/quota/+/+"
"""What whoever settles has published, or another before it; retained."""

INTAKE_FILTERS: Final = (READINGS, GATEWAY_READINGS, SESSIONS)
"""What intake subscribes to, shared among its workers."""


def meter_reading(institution: str, medium: str, meter: str) -> str:
    """Where one meter publishes its readings."""
    return f"metering/{institution}/{medium}/{meter}/reading"


def gateway_readings(institution: str, gateway: str) -> str:
    """Where a gateway publishes the readings of the meters registered under it."""
    return f"metering/{institution}/gateway/{gateway}/readings"


def gateway_status(institution: str, gateway: str) -> str:
    """Where a gateway's birth and will go, retained."""
    return f"metering/{institution}/gateway/{gateway}/status"


def charger_session(institution: str, charger: str) -> str:
    """Where a charger publishes its sessions."""
    return f"metering/{institution}/charger/{charger}/session"


def charger_status(institution: str, charger: str) -> str:
    """Where the states of a charger's connectors go, retained."""
    return f"metering/{institution}/charger/{charger}/status"


def quota(institution: str, indicator: str) -> str:
    """Where Meterwarden publishes the quota state of an institution, retained."""
    return f"meterwarden/quota/{institution}/{indicator}"
