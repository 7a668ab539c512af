"""A message as it will be published, what must become of it, and the readings in it as the ledger keeps them."""

from dataclasses import dataclass
from enum import StrEnum

from simulators.device import Device


class Reason(StrEnum):
    """Why intake should refuse a message."""

    UNKNOWN_TOPIC = "unknown_topic"
    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    EMPTY_PAYLOAD = "empty_payload"
    NOT_FINITE = "not_finite"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    NEGATIVE_VALUE = "negative_value"
    OUT_OF_RANGE = "out_of_range"
    NAIVE_TIME = "naive_time"
    INVALID_TIME = "invalid_time"
    TIME_IN_FUTURE = "time_in_future"
    TOO_OLD = "too_old"
    UNKNOWN_METER = "unknown_meter"
    UNKNOWN_REGISTER = "unknown_register"
    IDENTITY_MISMATCH = "identity_mismatch"
    TOO_LARGE = "too_large"
    UNKNOWN_FIELD = "unknown_field"
    TOO_DEEP = "too_deep"


class Outcome(StrEnum):
    """What must become of a message. Two of them never reach intake: a status has no subscriber, a dropped one no sender."""

    STORED = "stored"
    DISPUTED = "disputed"
    REJECTED = "rejected"
    STATUS = "status"
    DROPPED = "dropped"


class Fate(StrEnum):
    """How a message was sent, as far as a fault had a hand in it."""

    LIVE = "live"
    BACKLOG = "backlog"
    LATE = "late"
    REORDERED = "reordered"
    RETAINED = "retained"
    DROPPED = "dropped"
    EXTRA = "extra"


Reading = tuple[Device, int, int]
"""The device, Unix seconds of its own clock, what its register showed in thousandths: a plain tuple, for there are millions."""


@dataclass(frozen=True, slots=True)
class Message:
    """One publish. `sender` keeps its order, `send_at_s` is simulated Unix time, `reason` says why intake refuses it."""

    topic: str
    payload: bytes
    sender: str
    send_at_s: int
    readings: tuple[Reading, ...]
    outcome: Outcome = Outcome.STORED
    reason: Reason | None = None
    fate: Fate = Fate.LIVE
    retain: bool = False

    @property
    def is_good(self) -> bool:
        """Whether it is an ordinary message that faults may strike."""
        return self.outcome is Outcome.STORED
