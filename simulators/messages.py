"""A message as it will be published, what must become of it, and the readings in it as the ledger keeps them."""

from dataclasses import dataclass, replace
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
    """What must become of a message. Two of them never reach intake: a status goes to the settler, a dropped one has no sender."""

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
class Statement:
    """What a charger states of a session, as the ledger keeps it: Unix seconds, thousandths of a kWh."""

    institution: str
    charger: str
    session: str
    connector: int
    started_s: int
    start_milli: int
    stopped_s: int | None = None
    stop_milli: int | None = None
    energy_milli: int | None = None

    def with_energy(self, milli: int) -> "Statement":
        """The same with the energy so far."""
        return replace(self, energy_milli=milli)

    def with_stop(self, stopped_s: int, stop_milli: int, energy_milli: int) -> "Statement":
        """The same with a stop."""
        return replace(self, stopped_s=stopped_s, stop_milli=stop_milli, energy_milli=energy_milli)


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
    statement: Statement | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is an ordinary message that faults may strike."""
        return self.outcome is Outcome.STORED
