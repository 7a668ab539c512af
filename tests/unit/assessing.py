"""A small registry, messages under it, and what intake makes of them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.intake import AcceptWindow, assess
from ingest.messages import Assessed, Message
from ingest.metering.calendar import HOUR_US, Instant, instant
from ingest.registry import RegisteredMeter, Registry
from schemas.topics import charger_session, gateway_readings, meter_reading

RECEIVED = datetime(2026, 3, 2, 0, 15, tzinfo=UTC)  # a quarter past eight in the morning in 咸宁
RECEIVED_AT = instant(RECEIVED)
MOVED_AT = instant(RECEIVED - timedelta(days=10))
FOREVER = 2**63 - 1
WINDOW = AcceptWindow(back_us=45 * 24 * HOUR_US, ahead_us=HOUR_US // 6)
MAX_PAYLOAD_BYTES = 256 * 1024


def registered(
    path: str, meter: int, gateway: str | None, valid: tuple[Instant, Instant], digits: int = 0, **channels: tuple[int, int]
) -> RegisteredMeter:
    """A version of a meter `institution/medium/code`, with its channels as register: (channel, decimals)."""
    institution, medium, code = path.split("/")
    columns = [(name, *column) for name, column in channels.items()]
    return RegisteredMeter(institution, medium, code, gateway, meter, *valid, digits, columns)


def energy(channel: int) -> tuple[int, int]:
    """A channel of energy: its number, and its three decimals."""
    return channel, 3


ALWAYS = (0, FOREVER)
REGISTRY = Registry(
    1,
    [
        registered("I1/electricity/E1", 1, "G1", ALWAYS, energy_import_kwh=energy(10), power_kw=energy(11)),
        registered("I1/electricity/E6", 2, "G1", ALWAYS, digits=6, energy_import_kwh=energy(20)),  # shows 999999.999 kWh at most
        registered("I1/water/W1", 3, "G1", ALWAYS, digits=5, volume_m3=(30, 2)),
        registered("I1/charger/C1", 4, None, ALWAYS, energy_import_kwh=energy(40)),
        registered("I2/electricity/E9", 5, "G1", ALWAYS, energy_import_kwh=energy(50)),  # another institution's gateway G1
        registered("I2/electricity/EM", 6, None, (0, MOVED_AT), energy_import_kwh=energy(60)),
        registered("I1/electricity/EM", 6, "G2", (MOVED_AT, FOREVER), energy_import_kwh=energy(60)),
        registered("I1/electricity/EV", 7, "G1", (0, MOVED_AT), energy_import_kwh=energy(70)),
        registered("I1/electricity/EV", 7, "G2", (MOVED_AT, FOREVER), energy_import_kwh=energy(70)),
    ],
)
E1, W1, C1 = meter_reading("I1", "electricity", "E1"), meter_reading("I1", "water", "W1"), meter_reading("I1", "charger", "C1")
E6, EM, EV = (meter_reading("I1", "electricity", code) for code in ("E6", "EM", "EV"))
G1, G2, SESSION = gateway_readings("I1", "G1"), gateway_readings("I1", "G2"), charger_session("I1", "C1")
NATIVE_TOPICS = (E1, W1, C1, G1, SESSION)


def written(at: Instant = RECEIVED_AT) -> str:
    """An instant as a payload writes it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat()


def a_reading(value: float = 48213.75, at: Instant = RECEIVED_AT, **more: Any) -> dict[str, Any]:
    """A reading of an electricity meter on its own topic."""
    return {"read_at": written(at), "energy_import_kwh": value, **more}


def of_water(**more: Any) -> dict[str, Any]:
    """A reading of W1 in a gateway's batch."""
    return {"medium": "water", "meter": "W1", "read_at": written(), "volume_m3": 1807.33, **more}


def of_meter(meter: str, **more: Any) -> dict[str, Any]:
    """A reading of an electricity meter in a gateway's batch."""
    return a_reading(medium="electricity", meter=meter) | more


def a_session(**more: Any) -> dict[str, Any]:
    """A statement about a charging session that runs."""
    return {"session": "S7", "connector": 1, "started_at": written(), "start_register_kwh": 230400.1} | more


def a_message(topic: str, payload: Any) -> Message:
    """As the broker delivers it: bytes as they are, all else as JSON."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return Message(topic, raw, 1, False, 1, 0, RECEIVED_AT)


def assess_one(topic: str, payload: Any) -> Assessed:
    """What becomes of one message."""
    [assessed] = assess([a_message(topic, payload)], REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)
    return assessed


def verdict_on(assessed: Assessed) -> tuple[str, str, list[int], int]:
    """Reason, stage, failing positions, and how many rows are kept all the same."""
    assert assessed.rejected is not None, "accepted"
    rejected = assessed.rejected
    return rejected.reason, rejected.stage, rejected.failing, len(assessed.rows)


def reason_of(topic: str, payload: Any) -> str | None:
    """Why a message is rejected; None where it is not."""
    rejected = assess_one(topic, payload).rejected
    return rejected and rejected.reason


def assert_storable(assessed: Assessed) -> None:
    """PostgreSQL takes no NUL, and UTF-8 no lone surrogate."""
    assert assessed.rejected is not None
    for kept in (assessed.rejected.detail, *assessed.rejected.wanted):
        assert "\0" not in kept
        kept.encode()
