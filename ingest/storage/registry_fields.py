"""What may stand in one field of a registry file: its type, and the words for what does not fit."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from ingest.metering.formula import parse
from ingest.metering.sub_items import SUB_ITEMS, exclusions
from ingest.registry import CANARY
from schemas.reading import CODE, RFC3339, utc

Code = Annotated[str, StringConstraints(pattern=CODE)]
FreeCode = Annotated[Code, AfterValidator(lambda code: _not_ours(code))]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,400}$")]
Positive = Annotated[Decimal, Field(gt=0, lt=10**6, decimal_places=6)]
Size = Annotated[Decimal, Field(gt=0, lt=10**7, decimal_places=3)]
"""Times a `Positive` an allowance that fits its column, and that no use is more than 10^22 times of."""
Shown = Annotated[Decimal, Field(ge=0, lt=10**12, decimal_places=3)]
Day = Annotated[date, BeforeValidator(lambda text: _day(text))]
Instant = Annotated[date | datetime, BeforeValidator(lambda text: _instant(text))]
ExactInstant = Annotated[datetime, BeforeValidator(lambda text: _exactly(text))]
Flag = Annotated[bool, BeforeValidator(lambda text: {"yes": True, "no": False}.get(text, text))]
SubItem = Annotated[str, AfterValidator(lambda code: _sub_item(code))]
Exclusions = Annotated[str, AfterValidator(lambda text: ";".join(exclusions(text)))]
FormulaText = Annotated[Text, AfterValidator(lambda text: str(parse(text)))]


def _day(text: object) -> object:
    """Only a plain date: pydantic would also take a number, as seconds since 1970."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(r"(19|[2-9][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("write a date such as 2026-01-01, not before 1900")
    return date.fromisoformat(text)


def _sub_item(code: str) -> str:
    if code not in SUB_ITEMS:
        raise ValueError(f"unknown sub-item {code!r}: use {', '.join(SUB_ITEMS)}, or leave it empty")
    return code


def _not_ours(code: str) -> str:
    if code == CANARY[0]:
        raise ValueError(f"{code!r} is the service's own: choose another code")
    return code


def _instant(text: object) -> object:
    """A date, or a time with its offset."""
    try:
        return utc(text) if isinstance(text, str) and re.fullmatch(RFC3339, text) else _day(text)
    except ValueError as error:
        raise ValueError("write a date such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00+08:00") from error


def _exactly(text: object) -> object:
    """A time with its offset, nothing less."""
    at = _instant(text)
    if not isinstance(at, datetime):
        raise ValueError("write a time with its offset, such as 2026-01-01T08:00:00+08:00")
    return at
