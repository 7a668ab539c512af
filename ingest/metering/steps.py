"""Readings -> steps: the fold that says which readings count.

The state is an anchor (the last counted reading) and at most three suspects. A reading that connects to the anchor becomes the
anchor, and the suspects before it were dips or spikes. One that does not joins the suspects; three suspects in a row that
connect to each other show that the register itself has jumped, and the fold re-anchors on them. A declared exchange ends the old
register at its last value and re-anchors on the new one's first. Readings come in order of `read_at`, and nothing else enters: no
clock, no order of arrival. So any permutation of the same readings gives the same steps.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from ingest.metering.calendar import HOUR_US, Instant
from ingest.metering.channel import Channel, Exchange, Version

SUSPECTS: Final = 3
"""So many readings in a row that connect to each other, but not to the anchor, move the anchor."""


class Counted(NamedTuple):
    """A register reading that settlement may use: not disputed, or decided by an edit."""

    read_at: Instant
    value: int


StepKind = Literal["normal", "rollover", "reset", "unexplained"]
IgnoredKind = Literal["dip", "spike", "unexplained"]


@dataclass(frozen=True, slots=True)
class Step:
    """From one counted reading to the next. `advance` is what the register advanced by; None: nobody can say.

    A reset register has advanced by at least what it shows since it began at zero; what came before the reset is lost.
    """

    kind: StepKind
    start: Counted
    end: Counted
    advance: int | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A reading that does not count, and the anchor it did not connect to."""

    kind: IgnoredKind
    reading: Counted
    anchor: Counted


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A declared exchange, and the reading before it."""

    exchange: Exchange
    anchor: Counted


Found = Step | Ignored | Exchanged


def connect(start: Counted, end: Counted, version: Version) -> Step | None:
    """The step between two readings, or None where the register cannot have moved so."""
    most = (version.cap_per_hour * (end.read_at - start.read_at)) // HOUR_US + version.quantum
    advance = end.value - start.value
    if 0 <= advance <= most:
        return Step("normal", start, end, advance)
    if advance < 0 and version.modulus is not None and 0 <= advance + version.modulus <= most:
        return Step("rollover", start, end, advance + version.modulus)
    return None


def advance(
    anchor: Counted, suspects: tuple[Counted, ...], reading: Counted, channel: Channel
) -> tuple[Counted, tuple[Counted, ...], list[Found]]:
    """Fold one more reading in: the new anchor, the new suspects, and what was found out."""
    version = channel.at(reading.read_at)
    step = connect(anchor, reading, version)
    if step is not None:
        return reading, (), [*(_ignored(suspect, anchor) for suspect in suspects), step]
    suspects = (*suspects, reading)
    found: list[Found] = []
    if len(suspects) > SUSPECTS:
        found.append(Ignored("unexplained", suspects[0], anchor))
        suspects = suspects[1:]
    chain = _chain(suspects, channel)
    if chain is None:
        return anchor, suspects, found
    jump = _jump(anchor, suspects[0], channel)
    return suspects[-1], (), [*found, jump, *chain]


def exchanged(anchor: Counted, suspects: tuple[Counted, ...], exchange: Exchange, channel: Channel) -> tuple[Counted, list[Found]]:
    """Fold a declared exchange in: the new anchor, and what was found out. What the old register could not reach is unexplained."""
    final = Counted(exchange.at, exchange.old_final)
    step = connect(anchor, final, channel.at(exchange.at - 1)) or Step("unexplained", anchor, final, None)
    ignored = [_ignored(suspect, anchor) for suspect in suspects]
    return Counted(exchange.at, exchange.new_initial), [*ignored, step, Exchanged(exchange, anchor)]


def _jump(anchor: Counted, first: Counted, channel: Channel) -> Step:
    """A register that fell to what it can have shown since it began at zero was reset; every other jump is unexplained."""
    since_zero = connect(Counted(anchor.read_at, 0), first, channel.at(first.read_at))
    if first.value < anchor.value and since_zero is not None:
        return Step("reset", anchor, first, first.value)
    return Step("unexplained", anchor, first, None)


def _chain(suspects: tuple[Counted, ...], channel: Channel) -> list[Step] | None:
    """The steps between suspects that all connect to each other; None while they are too few or do not."""
    if len(suspects) < SUSPECTS:
        return None
    chain = [connect(a, b, channel.at(b.read_at)) for a, b in pairwise(suspects)]
    return None if None in chain else [step for step in chain if step is not None]


def _ignored(suspect: Counted, anchor: Counted) -> Ignored:
    return Ignored("dip" if suspect.value < anchor.value else "spike", suspect, anchor)
