"""What was not an ordinary step, with the numbers it rests on."""

from dataclasses import dataclass
from typing import Any

from ingest.metering.calendar import Instant
from ingest.metering.channel import Version
from ingest.metering.steps import Counted, Exchanged, Ignored, Step


@dataclass(frozen=True, slots=True)
class Event:
    """What was not an ordinary step, found while folding in the reading at `found_at`."""

    kind: str
    found_at: Instant
    from_at: Instant
    to_at: Instant
    amount: int | None
    evidence: dict[str, Any]


def of_step(step: Step, version: Version, found_at: Instant, amount: int | None, kind: str | None = None) -> Event:
    """Of a step under the version in force at its end, and what it booked; `kind` says how, where that is no kind of step."""
    evidence: dict[str, Any] = {
        "from_value": step.start.value,
        "to_value": step.end.value,
        "cap_per_hour": version.cap_per_hour,
        "quantum": version.quantum,
        "modulus": version.modulus,
    }
    if kind is None and step.still_since is not None:
        evidence["still_since"] = step.still_since
    return Event(kind or step.kind, found_at, step.start.read_at, step.end.read_at, amount, evidence)


def of_exchange(found: Exchanged, found_at: Instant) -> Event:
    """Of a declared exchange."""
    at = found.exchange.at
    evidence = {"old_final": found.exchange.old_final, "new_initial": found.exchange.new_initial, **_anchor(found.anchor)}
    return Event("exchange", found_at, at, at, None, evidence)


def of_ignored(found: Ignored, found_at: Instant) -> Event:
    """Of a reading that does not count."""
    at = found.reading.read_at
    return Event(found.kind, found_at, at, at, None, {"value": found.reading.value, **_anchor(found.anchor)})


def _anchor(anchor: Counted) -> dict[str, Any]:
    return {"anchor_at": anchor.read_at, "anchor_value": anchor.value}
