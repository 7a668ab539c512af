"""The quota state Meterwarden publishes, retained, under `meterwarden/quota/{institution}/{indicator}`, version 1."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.reading import Code, Wire

Date = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", json_schema_extra={"format": "date"})]
Share = Annotated[float, Field(ge=0, le=1)]


class Level(StrEnum):
    """How an institution stands against a quota, in rising order; `not_assessable` where too little is known."""

    NOT_ASSESSABLE = "not_assessable"
    WITHIN = "within"
    WARNING = "warning"
    PROJECTED = "projected"
    EXCEEDED = "exceeded"


class QuotaAlert(Wire):
    """One institution, one indicator, one period, as of one local day, with the evidence behind the level."""

    institution: Code
    indicator: str
    period_kind: Literal["month", "year"]
    period_start: Date
    closed: bool
    as_of: Date
    level: Annotated[Level, Field(strict=False)]
    used: float
    allowance: float | None
    used_ratio: float | None
    projected_ratio: float | None
    unit: str
    denominator: float | None
    standard: str | None
    edition: str | None
    sample: bool
    measured_share: Share
    estimated_share: Share
    missing_share: Share
    missing: list[str]
