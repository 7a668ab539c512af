"""Every kind of wrong message: malformed ones with the reason intake should give, and the one that contradicts.

A kind takes a good message that was already published and makes another one from it: its first reading, broken in one
way.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from schemas import topics
from schemas.registers import Medium
from simulators.messages import Fate, Message, Outcome, Reading, Reason
from simulators.meter import Meter
from simulators.month import local

LIMIT_BYTES: Final = 256 * 1024
"""The largest payload intake takes."""
NESTING: Final = 500
STRANGE_METER: Final = "ZZ-99"
FUTURE_YEAR: Final = "2096"
PAST_YEAR: Final = "2004"
"""Leap years, so that every day of every month exists in them."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A good message to be broken: its topic, its first reading as JSON fields, and another institution's code."""

    topic: str
    first: Reading
    fields: Fields
    in_batch: bool
    other: str

    @property
    def meter(self) -> Meter:
        """Whose reading it is."""
        return self.first[0].meter

    @property
    def register(self) -> str:
        """The register it names."""
        return self.first[0].register

    @property
    def number(self) -> float:
        """The register's value."""
        return self.first[2] / 1000

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
        return Message(topic, payload, good.sender, good.send_at_s, (), Outcome.REJECTED, self.reason, Fate.EXTRA)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The same meter and instant with a value a display step apart: both are kept, and neither counts."""

    name: str = "conflict"

    def make(self, good: Message, other: str) -> Message:
        """A proper message that contradicts the first reading of a good one, sent right after it."""
        draft = _draft(good, other)
        device, read_at_s, milli = draft.first
        display = draft.meter.display
        step_milli = display.milli(1)
        apart = milli + step_milli if milli + step_milli < display.milli(display.modulus) else milli - step_milli
        payload = draft.payload(**{draft.register: apart / 1000})
        reading = (device, read_at_s, apart)
        return Message(draft.topic, payload, good.sender, good.send_at_s, (reading,), Outcome.DISPUTED, None, Fate.EXTRA)


def _bytes(fields: Fields) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _draft(good: Message, other: str) -> Draft:
    first, in_batch = good.readings[0], good.topic.endswith("/readings")
    device, read_at_s, milli = first
    named: Fields = {"medium": device.meter.medium, "meter": device.meter.code} if in_batch else {}
    read_at = local(read_at_s).isoformat()
    return Draft(good.topic, first, named | {"read_at": read_at, device.register: milli / 1000}, in_batch, other)


def _bad_json(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload()[:-2]


def _invalid_utf8(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload().replace(b'"read_at":"', b'"read_at":"\xff\xfe')


def _empty(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, b""


def _nan(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.register: math.nan})


def _overflow(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.register: math.inf}).replace(b"Infinity", b"1e400")


def _text_number(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.register: str(draft.number)})


def _negative(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(**{draft.register: -1 - draft.number})


def _naive(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(read_at=draft.fields["read_at"][:19])


def _future(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(read_at=FUTURE_YEAR + draft.fields["read_at"][4:])


def _unknown_meter(draft: Draft) -> tuple[str, bytes]:
    if draft.in_batch:
        return draft.topic, draft.payload(meter=STRANGE_METER)
    return topics.meter_reading(draft.meter.institution, draft.meter.medium, STRANGE_METER), draft.payload()


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
    bad = draft.fields | {draft.register: -1 - draft.number}
    return draft.topic, _bytes({"readings": [draft.fields, bad]})


def _missing_field(draft: Draft) -> tuple[str, bytes]:
    fields = {name: field for name, field in draft.fields.items() if name != draft.register}
    return draft.topic, _bytes({"readings": [fields]} if draft.in_batch else fields)


def _no_such_time(draft: Draft) -> tuple[str, bytes]:
    """A thirteenth month has the form of a time."""
    return draft.topic, draft.payload(read_at=draft.fields["read_at"][:5] + "13" + draft.fields["read_at"][7:])


def _too_old(draft: Draft) -> tuple[str, bytes]:
    return draft.topic, draft.payload(read_at=PAST_YEAR + draft.fields["read_at"][4:])


def _unknown_register(draft: Draft) -> tuple[str, bytes]:
    """One that the contract knows and the registry does not have."""
    return draft.topic, draft.payload(**{"flow_m3_per_h" if draft.meter.medium is Medium.WATER else "power_kw": 1.5})


def _out_of_range(draft: Draft) -> tuple[str, bytes]:
    """A digit more than the register has."""
    return draft.topic, draft.payload(**{draft.register: 10**draft.meter.display.digits + draft.number})


def _unknown_topic(draft: Draft) -> tuple[str, bytes]:
    """A medium nobody agreed on, where intake's filter still matches."""
    return f"metering/{draft.meter.institution}/steam/{draft.meter.code}/reading", draft.payload()


def _garbage(draft: Draft) -> tuple[str, bytes]:
    """64 bytes that mean nothing; the first one is never in UTF-8."""
    return draft.topic, b"\xff" + hashlib.sha512(draft.payload()).digest()[1:]


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
    Kind("missing_field", Reason.MISSING_FIELD, _missing_field),
    Kind("no_such_time", Reason.INVALID_TIME, _no_such_time),
    Kind("too_old", Reason.TOO_OLD, _too_old),
    Kind("unknown_register", Reason.UNKNOWN_REGISTER, _unknown_register),
    Kind("out_of_range", Reason.OUT_OF_RANGE, _out_of_range),
    Kind("unknown_topic", Reason.UNKNOWN_TOPIC, _unknown_topic),
)
"""In this order they are cycled through."""

Maker = Kind | Contradiction
"""Whatever makes a wrong message from a good one."""

SINGLE: Final[dict[str, Maker]] = {
    "garbage": Kind("garbage", Reason.INVALID_UTF8, _garbage),
    "identity_mismatch": Kind("identity", Reason.IDENTITY_MISMATCH, _identity),
    "conflict": Contradiction(),
}
"""Rate -> the one kind it makes."""
