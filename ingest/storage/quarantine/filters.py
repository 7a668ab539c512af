"""What an operator is looking for in the quarantine. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic_core import from_json

from schemas.topics import gateway_readings, meter_reading

State = Literal["open", "resolved", "all"]


class MeterPath(NamedTuple):
    """A meter as the registry knows it."""

    institution: str
    medium: str
    meter: str

    def __str__(self) -> str:
        """As messages want it: institution/medium/meter."""
        return "/".join(self)


@dataclass(frozen=True, slots=True)
class Filter:
    """Every condition narrows; a message must meet them all. `until` is exclusive."""

    ids: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    meter: MeterPath | None = None
    institution: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: State = "open"

    @property
    def narrows(self) -> bool:
        """Whether it says more than "everything open" or "everything"."""
        return self != Filter(state="all") and self != Filter(state="open")

    def __str__(self) -> str:
        """One line, as a purge records it."""
        given = {
            "ids": ",".join(map(str, self.ids)), "reason": ",".join(self.reasons), "meter": self.meter or "",
            "institution": self.institution or "", "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "", "state": self.state,
        }  # fmt: skip
        return " ".join(f"{name}={text}" for name, text in given.items() if text)

    def parameters(self) -> dict[str, Any]:
        """The parameters of query `quarantine_matching`."""
        meter = self.meter or MeterPath("", "", "")
        return {
            "ids": list(self.ids) or None,
            "reasons": list(self.reasons) or None,
            "state": self.state,
            "since": self.since,
            "until": self.until,
            "institution": self.institution,
            "meter": self.meter and str(self.meter),
            "own_topic": meter_reading(*meter).removesuffix("reading"),
            "gateway_topic": gateway_readings(meter.institution, "").removesuffix("/readings"),
            "code": meter.meter.encode(),
        }


def names_meter(payload: bytes, meter: MeterPath) -> bool:
    """Whether a gateway's batch speaks of a meter; one that is no JSON does where the meter's code stands in it in quotes."""
    try:
        batch = from_json(payload)
    except ValueError:
        return f'"{meter.meter}"'.encode() in payload
    items = batch.get("readings") if isinstance(batch, dict) else batch
    return isinstance(items, list) and any(_speaks_of(item, meter) for item in items)


def _speaks_of(item: object, meter: MeterPath) -> bool:
    """A reading whose medium is missing or no text speaks of every meter of that code."""
    if not isinstance(item, dict) or item.get("meter") != meter.meter:
        return False
    medium = item.get("medium")
    return not isinstance(medium, str) or medium == meter.medium


def missing(wanted: Sequence[int], found: Sequence[int]) -> list[int]:
    """Numbers that were asked for and are not there, in order."""
    return sorted(set(wanted) - set(found))
