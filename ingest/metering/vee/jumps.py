"""Events of the fold that ask for somebody: jumps that nothing explains, and registers that keep showing wrong values."""

from typing import Final

from ingest.metering.vee.view import Found, Severity, View

UNEXPLAINED: Final = frozenset({"unexplained", "reset"})
"""Kinds of event whose consumption nobody knows."""
WRONG_VALUES: Final = 3
"""So many dips and spikes a day are no accident. Invented."""


def unexplained(view: View) -> Found | None:
    """The register went on elsewhere: reset, exchanged without a record, or broken. What passed meanwhile is not booked."""
    jumps = [jump for jump in view.today.jumps if jump.kind in UNEXPLAINED] if view.today else []
    if not jumps:
        return None
    first = jumps[0]
    evidence = {"event": first.kind, "from_value": first.from_value, "to_value": first.to_value, "events": len(jumps)}
    return Found(Severity.WARNING, round(view.per_hour() * max(first.duration_us / 3.6e9, 1)), evidence)


def wrong_values(view: View) -> Found | None:
    """Three or more values of the day were set aside as dips or spikes."""
    count = sum(jump.kind in ("dip", "spike") for jump in view.today.jumps) if view.today else 0
    if count < WRONG_VALUES:
        return None
    return Found(Severity.INFO, round(count * view.per_hour()), {"set_aside": count})
