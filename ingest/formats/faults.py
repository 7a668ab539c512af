"""What a payload that does not fit the contract suffers from: a pydantic error -> one of our reasons."""

import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails, ValidationError

from ingest.errors import Reason, Rejection
from schemas.reading import NAIVE

_REASONS: Final = {
    "missing": Reason.MISSING_FIELD,
    "extra_forbidden": Reason.UNKNOWN_FIELD,
    "finite_number": Reason.NOT_FINITE,
    "greater_than_equal": Reason.NEGATIVE_VALUE,
    "union_tag_not_found": Reason.MISSING_FIELD,
}
_NAIVE: Final = re.compile(NAIVE)
DETAIL_LIMIT: Final = 500
"""Characters of explanation kept with a rejected message; the message itself is kept whole."""


def rejection(error: ValidationError, payload: bytes) -> Rejection:
    """The reason and the words for a payload that failed validation."""
    return from_details(error.errors(include_url=False, include_context=False), payload)


def from_details(errors: Sequence[ErrorDetails], payload: bytes) -> Rejection:
    """The reason of the first error, and words for it."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "payload"
    detail = f"{where}: {first['msg']}"[:DETAIL_LIMIT]
    if first["type"] == "json_invalid":
        return Rejection(_json_reason(first["msg"], payload), detail)
    if first["loc"] and str(first["loc"][-1]).endswith(("_at", "since")):
        return Rejection(_time_reason(first), detail)
    return Rejection(_REASONS.get(first["type"], Reason.WRONG_TYPE), detail)


def _json_reason(message: str, payload: bytes) -> Reason:
    if "recursion limit" in message:
        return Reason.TOO_DEEP
    try:
        payload.decode()
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.MALFORMED_JSON


def _time_reason(error: ErrorDetails) -> Reason:
    value: Any = error["input"]
    if error["type"] in _REASONS:  # it is not the time in it that is wrong: the field is missing, or unknown
        return _REASONS[error["type"]]
    if not isinstance(value, str):
        return Reason.WRONG_TYPE
    return Reason.NAIVE_TIME if _NAIVE.match(value) else Reason.INVALID_TIME
