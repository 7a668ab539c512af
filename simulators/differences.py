"""One device, what the database holds of it against what the ledger expects, each difference with its explanation."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.expected import Expected
from simulators.ledger import FATES
from simulators.month import HOUR_SECONDS, local
from simulators.notes import Notes
from simulators.reasons import Reason, Reasons

Integers = NDArray[np.int64]
Columns = Sequence[Sequence[int]]
US: Final = 1_000_000


def readings(of: Expected, found: Columns, notes: Notes) -> None:
    """Microseconds, thousandths, whether disputed."""
    times, values, disputed = (np.asarray(column, np.int64) for column in found)
    seconds, wanted, fates = of.stored
    if np.array_equal(times, seconds * US) and np.array_equal(values, wanted) and not (disputed.any() or of.contradicted):
        return
    there = {
        at: (value, bool(is_disputed))
        for at, value, is_disputed in zip(times.tolist(), values.tolist(), disputed.tolist(), strict=True)
    }
    if len(there) < len(times):
        notes.wrong("readings twice", f"{of.name}: {len(times) - len(there)}")
    for at, value, fate in zip(seconds.tolist(), wanted.tolist(), fates.tolist(), strict=True):
        _reading(of, at, value, fate, there.pop(at * US, None), notes)
    for at_us in there:
        said = "known to be dropped" if at_us // US in of.dropped else "unknown to the ledger"
        notes.wrong("readings never sent", f"{of.name} {_shown(at_us // US)}: {said}")


def _reading(of: Expected, at: int, value: int, fate: int, found: tuple[int, bool] | None, notes: Notes) -> None:
    which, other = f"{of.name} {_shown(at)}", of.contradicted.get(at)
    if found is None:
        notes.wrong("readings missing", f"{which}: last known fate {FATES[fate]}, acknowledged by the broker")
        return
    if found[0] not in (value, other):
        notes.wrong("readings with another value", f"{which}: {found[0] / 1e3} instead of {value / 1e3}, sent {FATES[fate]}")
    if found[1] and other is None:
        notes.wrong("readings disputed", f"{which}: only {value / 1e3} was ever sent")
    if not found[1] and other is not None:
        notes.wrong("readings not disputed", f"{which}: {value / 1e3} and {other / 1e3} were sent")


def hours(of: Expected, found: Columns, notes: Notes) -> None:
    """Microseconds and amounts: exactly what the published readings prove; against the truth within a display step."""
    times, amounts = (np.asarray(column, np.int64) for column in found[:2])
    derived = of.derived
    if not (np.array_equal(times, derived.hours * US) and np.array_equal(amounts, derived.amounts)):
        _tell_apart(of, dict(zip((times // US).tolist(), amounts.tolist(), strict=True)), notes)
    _hours_of_truth(of, notes)


def _tell_apart(of: Expected, found: dict[int, int], notes: Notes) -> None:
    wanted = dict(zip(of.derived.hours.tolist(), of.derived.amounts.tolist(), strict=True))
    for at in sorted(wanted.keys() | found.keys()):
        which, want, have = f"{of.name} {_shown(at)}", wanted.get(at), found.get(at)
        if have is None and want is not None:
            notes.wrong("meter-hours without consumption", f"{which}: the published readings prove {want / 1e6}")
        elif want is None and have is not None:
            notes.wrong("meter-hours with consumption nobody proved", f"{which}: {have / 1e6}{_because(of, at)}")
        elif want is not None and have is not None and want != have:
            text = f"{which}: {have / 1e6}, the published readings prove {want / 1e6}"
            notes.wrong("meter-hours with another consumption", text)


def _because(of: Expected, hour_s: int) -> str:
    reason = Reasons(of).of_hour(hour_s)
    return f", where nothing can be known: {reason.word}, {reason.text}" if reason else ""


def _hours_of_truth(of: Expected, notes: Notes) -> None:
    """What the readings prove against what was truly consumed."""
    proved, has = _on_the_grid(of)
    differences = np.abs(proved - of.true_hours)
    off = ~has | (differences > of.step_micro)
    notes.near("hour", _unit(of), int((~off).sum()), int(differences[~off].max(initial=0)), of.step_micro)
    reasons = Reasons(of)
    for position in np.flatnonzero(off).tolist():
        at = of.span.start_s + position * HOUR_SECONDS
        said = f"{proved[position] / 1e6} of truly {of.true_hours[position] / 1e6}" if has[position] else "no amount"
        _off(notes, "hour", f"{of.name} {_shown(at)}: {said}", reasons.of_hour(at))


def _on_the_grid(of: Expected) -> tuple[Integers, NDArray[np.bool_]]:
    """The proved amounts on the hours of the truth, and which of them there are."""
    proved, has = np.zeros(of.span.hours, np.int64), np.zeros(of.span.hours, bool)
    positions = (of.derived.hours - of.span.start_s) // HOUR_SECONDS
    inside = (positions >= 0) & (positions < of.span.hours)
    proved[positions[inside]] = of.derived.amounts[inside]
    has[positions[inside]] = True
    return proved, has


def months(of: Expected, found: Columns, notes: Notes) -> None:
    """Months such as 202610 and amounts. A month in which nothing passed may have a row or none."""
    have = dict(zip((f"{month // 100}-{month % 100:02d}" for month in found[0]), found[1], strict=True))
    for month in sorted(have.keys() | of.derived.months.keys()):
        want = of.derived.months.get(month, 0)
        if have.get(month, 0) != want:
            _wrong_month(of, month, have.get(month), want, notes)
    true_micro = int(of.true_hours.sum())
    difference = abs(of.derived.months.get(of.month, 0) - true_micro)
    near = difference <= of.step_micro
    notes.near("month", _unit(of), int(near), difference, of.step_micro)
    if not near:
        said = f"{of.derived.months.get(of.month, 0) / 1e6} of truly {true_micro / 1e6}"
        _off(notes, "month", f"{of.name} {of.month}: {said}", Reasons(of).of_month())


def _wrong_month(of: Expected, month: str, have: int | None, want: int, notes: Notes) -> None:
    which, proved = f"{of.name} {month}", f"the published readings prove {want / 1e6}"
    if have is None:
        notes.wrong("meter-months without consumption", f"{which}: {proved}")
    else:
        notes.wrong("meter-months with another consumption", f"{which}: {have / 1e6}, {proved}")


def _off(notes: Notes, period: str, which: str, reason: Reason | None) -> None:
    if reason:
        notes.explained(f"meter-{period}s that differ from the truth", which, reason)
    else:
        notes.wrong(f"meter-{period}s off by more than a display step", f"{which}, for no known reason")


def _unit(of: Expected) -> str:
    return "m3" if of.key[3].endswith("m3") else "kWh"


def _shown(second: int) -> str:
    return f"{local(second):%Y-%m-%dT%H:%M:%S%z}"
