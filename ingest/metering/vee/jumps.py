"""Events of the fold that ask for somebody: jumps that nothing explains, and registers that keep showing wrong values."""

from collections.abc import Sequence
from itertools import product
from typing import Final

from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.digest import Jump
from ingest.metering.vee.view import Evidence, Found, Severity, View

WRONG_VALUES: Final = 3
"""So many dips and spikes a day are no accident. Invented."""


def unexplained(view: View) -> Found | None:
    """The register went on elsewhere: reset, exchanged without a record, or broken. What passed meanwhile is not booked."""
    jumps = _unexplained(view)
    if not jumps:
        return None
    first = jumps[0]
    evidence = {"event": first.kind, "from_value": first.from_value, "to_value": first.to_value, "events": len(jumps)}
    return Found(Severity.WARNING, round(view.per_hour() * max(first.duration_us / 3.6e9, 1)), evidence)


def swapped(view: View) -> Found | None:
    """Two registers went on from each other's values: from then on each meter reports under the other's code."""
    mine = _unexplained(view)
    for code, other in sorted(view.beside.items()):
        for own, its in product(mine, _unexplained(other)):
            if _goes_on(own, its, other) and _goes_on(its, own, view):
                return Found(Severity.CRITICAL, round(24 * view.per_hour()), _crossed(code, own, its))
    return None


def _crossed(code: str, own: Jump, its: Jump) -> Evidence:
    return {
        "with": code, "from_value": own.from_value, "to_value": own.to_value,
        "its_from_value": its.from_value, "its_to_value": its.to_value,
    }  # fmt: skip


def _unexplained(view: View) -> Sequence[Jump]:
    return [jump for jump in view.today.jumps if jump.is_unexplained] if view.today else []


def _goes_on(after: Jump, before: Jump, of: View) -> bool:
    """Whether a register, jumped to, goes on from where another jumped away, by what the meter `of` can count in both steps."""
    if after.to_value is None or before.from_value is None or not (after.duration_us and before.duration_us):
        return False
    hours = (after.duration_us + before.duration_us) / HOUR_US
    most = 2 * of.now.capacity * hours / of.now.scale + of.now.quantum
    return 0 <= after.to_value - before.from_value <= most


def wrong_values(view: View) -> Found | None:
    """Three or more values of the day were set aside as dips or spikes."""
    count = sum(jump.kind in ("dip", "spike") for jump in view.today.jumps) if view.today else 0
    if count < WRONG_VALUES:
        return None
    return Found(Severity.INFO, round(count * view.per_hour()), {"set_aside": count})
