"""A message as it will be published, and the readings in it as the ledger keeps them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why intake should refuse a message."""

    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    EMPTY_PAYLOAD = "empty_payload"
    NOT_FINITE = "not_finite"
    WRONG_TYPE = "wrong_type"
    NEGATIVE_VALUE = "negative_value"
    NAIVE_TIME = "naive_time"
    TIME_IN_FUTURE = "time_in_future"
    UNKNOWN_METER = "unknown_meter"
    IDENTITY_MISMATCH = "identity_mismatch"
    TOO_LARGE = "too_large"
    UNKNOWN_FIELD = "unknown_field"
    TOO_DEEP = "too_deep"


class Reading(NamedTuple):
    """One register at one instant, as the display showed it: a row of the ledger."""

    institution: str
    medium: str
    meter: str
    register: str
    read_at_us: int
    value_milli: int


@dataclass(frozen=True, slots=True)
class Message:
    """One publish. `sender` keeps its order, `send_at_s` is simulated Unix time, `reason` is None where intake stores."""

    topic: str
    payload: bytes
    sender: str
    send_at_s: int
    readings: tuple[Reading, ...]
    reason: Reason | None = None
