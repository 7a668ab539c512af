"""The two kinds of expected error: the message's fault, or the world's."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is rejected: few, constant, fit for a metric label."""

    UNKNOWN_TOPIC = "unknown_topic"
    EMPTY_PAYLOAD = "empty_payload"
    TOO_LARGE = "too_large"
    INVALID_UTF8 = "invalid_utf8"
    MALFORMED_JSON = "malformed_json"
    TOO_DEEP = "too_deep"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    NOT_FINITE = "not_finite"
    NEGATIVE_VALUE = "negative_value"
    OUT_OF_RANGE = "out_of_range"
    NAIVE_TIME = "naive_time"
    INVALID_TIME = "invalid_time"
    TIME_IN_FUTURE = "time_in_future"
    TOO_OLD = "too_old"
    IDENTITY_MISMATCH = "identity_mismatch"
    UNKNOWN_METER = "unknown_meter"
    UNKNOWN_REGISTER = "unknown_register"
    DECODER_ERROR = "decoder_error"
    UNSTORABLE = "unstorable"
    BREAKS_CONNECTION = "breaks_connection"


class Stage(StrEnum):
    """Where on the line a message was rejected."""

    DECODE = "decode"
    IDENTIFY = "identify"
    VALIDATE = "validate"
    STORE = "store"


STAGE_OF = {
    Reason.UNKNOWN_TOPIC: Stage.IDENTIFY,
    Reason.IDENTITY_MISMATCH: Stage.IDENTIFY,
    Reason.UNKNOWN_METER: Stage.IDENTIFY,
    Reason.UNKNOWN_REGISTER: Stage.IDENTIFY,
    Reason.OUT_OF_RANGE: Stage.VALIDATE,
    Reason.TIME_IN_FUTURE: Stage.VALIDATE,
    Reason.TOO_OLD: Stage.VALIDATE,
    Reason.UNSTORABLE: Stage.STORE,
    Reason.BREAKS_CONNECTION: Stage.STORE,
}
"""Reasons that do not arise in decoding."""


class Rejection(Exception):  # noqa: N818 - a verdict on a message, not a fault of the program
    """The message's fault: it is quarantined whole and acknowledged."""

    def __init__(self, reason: Reason, detail: str = "", wanted: str | None = None) -> None:
        """`detail` says in words what is wrong; `wanted` names a meter or register that is not registered."""
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.wanted = wanted

    @property
    def stage(self) -> Stage:
        """Where on the line the reason arises."""
        return STAGE_OF.get(self.reason, Stage.DECODE)


class Unavailable(Exception):  # noqa: N818 - the name is the state of the world
    """The world's fault: nothing is discarded, the same messages are tried again."""


class Lost(Unavailable):
    """An open connection ended under what was written: the world's fault, unless one message does that alone, again and again."""


class Refused(Exception):  # noqa: N818 - says what the database did
    """The database refused a batch; bisection will tell whether a message or the world is at fault."""
