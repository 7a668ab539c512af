"""Every kind of malformed message, each with the reason intake should give.

A kind takes a good message that was already published and makes another one from it: its first reading, broken in one
way.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from schemas import topics
from simulators.messages import Message, Reading, Reason
from simulators.month import local

LIMIT_BYTES: Final = 256 * 1024
"""The largest payload intake takes."""
NESTING: Final = 500
STRANGE_METER: Final = "ZZ-99"
FUTURE_YEAR: Final = "2096"
"""A leap year, so that every day of every month exists in it."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A good message to be broken: its topic, its first reading as JSON fields, and another institution's code."""

    topic: str
    first: Reading
    fields: Fields
    in_batch: bool
    other: str

    def payload(self, **changes: object) -> bytes:
        """The message with some fields changed."""
        fields = self.fields | changes
        return _bytes({"readings": [fields]} if self.in_batch else fields)


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to be malformed. `break_` gives the topic and the payload."""

    name: str
    reason: Reason
    break_: Callable[[Draft], tuple[str, bytes]]

    def make(self, good: Message, other: str) -> Message:
        """A malformed message made from a good one, sent right after it."""
        topic, payload = self.break_(_draft(good, other))
        return Message(topic, payload, good.sender, good.send_at_s, (), self.reason)


def _bytes(fields: Fields) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _draft(good: Message, other: str) -> Draft:
    first, in_batch = good.readings[0], good.topic.endswith("/readings")
    named: Fields = {"medium": first.medium, "meter": first.meter} if in_batch else {}
    read_at = local(first.read_at_us // 1_000_000).isoformat()
    return Draft(good.topic, first, named | {"read_at": read_at, first.register: _number(first)}, in_batch, other)


def _number(reading: Reading) -> float:
    return reading.value_milli / 1000


def _bad_json(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload()[:-2]


def _invalid_utf8(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload().replace(b'"read_at":"', b'"read_at":"\xff\xfe')


def _empty(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, b""


def _nan(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.first.register: math.nan})


def _overflow(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.first.register: math.inf}).replace(b"Infinity", b"1e400")


def _text_number(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.first.register: str(_number(draft.first))})


def _negative(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.first.register: -1 - _number(draft.first)})


def _naive(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(read_at=draft.fields["read_at"][:19])


def _future(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(read_at=FUTURE_YEAR + draft.fields["read_at"][4:])


def _unknown_meter(draft: Draft) -> tuple[str, bytes]:
    if draft.in_batch:
        return draft.topic, draft.payload(meter=STRANGE_METER)
    return topics.meter_reading(draft.first.institution, draft.first.medium, STRANGE_METER), draft.payload()


def _identity(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(institution=draft.other)


def _too_deep(draft: Draft) -> tuple[str, bytes]:
    """Proper JSON, nested deeper than any reading is; the time in its middle makes it this message's own."""
    middle = json.dumps(draft.fields["read_at"]).encode()
    return draft.topic, b'{"readings":' + b"[" * NESTING + middle + b"]" * NESTING + b"}"


def _too_large(draft: Draft) -> tuple[str, bytes]:
    """A good reading behind more white space than intake takes."""
    return draft.topic, b" " * LIMIT_BYTES + draft.payload()


def _unknown_field(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(energy_imprt_kwh=1)


def _one_bad_of_two(draft: Draft) -> tuple[str, bytes]:
    """A batch with a reading that is published already, and a negative one."""
    bad = draft.fields | {draft.first.register: -1 - _number(draft.first)}
    return draft.topic, _bytes({"readings": [draft.fields, bad]})


KINDS: Final = (
    Kind("bad_json", Reason.MALFORMED_JSON, _bad_json),
    Kind("invalid_utf8", Reason.INVALID_UTF8, _invalid_utf8),
    Kind("empty", Reason.EMPTY_PAYLOAD, _empty),
    Kind("nan", Reason.NOT_FINITE, _nan),
    Kind("overflow", Reason.NOT_FINITE, _overflow),
    Kind("text_number", Reason.WRONG_TYPE, _text_number),
    Kind("negative", Reason.NEGATIVE_VALUE, _negative),
    Kind("naive_time", Reason.NAIVE_TIME, _naive),
    Kind("future_time", Reason.TIME_IN_FUTURE, _future),
    Kind("unknown_meter", Reason.UNKNOWN_METER, _unknown_meter),
    Kind("identity", Reason.IDENTITY_MISMATCH, _identity),
    Kind("too_deep", Reason.TOO_DEEP, _too_deep),
    Kind("too_large", Reason.TOO_LARGE, _too_large),
    Kind("unknown_field", Reason.UNKNOWN_FIELD, _unknown_field),
    Kind("one_bad_of_two", Reason.NEGATIVE_VALUE, _one_bad_of_two),
)
"""In this order they are cycled through."""
