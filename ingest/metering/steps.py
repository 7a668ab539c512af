"""Readings -> steps: the fold that says which readings count.

The fold holds an anchor (the last counted reading), since when it has stood still, and at most three suspects. A reading that
connects to the anchor becomes the anchor, and the suspects before it were dips or spikes. One that does not joins the suspects;
three suspects in a row that connect to each other show that the register itself has jumped, and the fold re-anchors on them. A
register that stood still and then shows what may have passed since it stopped has caught up. A declared exchange ends the old
register at its last value and re-anchors on the new one's first. Readings come in order of `read_at`, and nothing else enters: no
clock, no order of arrival. So any permutation of the same readings gives the same steps.
"""

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


class Fold(NamedTuple):
    """Where the fold stands: the anchor, the first reading in a row that showed the anchor's value, and the suspects."""

    anchor: Counted
    still_since: Instant
    suspects: tuple[Counted, ...] = ()

    @classmethod
    def on(cls, anchor: Counted) -> "Fold":
        """Anchored on a reading that nothing is known before."""
        return cls(anchor, anchor.read_at)


StepKind = Literal["normal", "rollover", "catch_up", "reset", "unexplained"]
IgnoredKind = Literal["dip", "spike", "unexplained"]


class Step(NamedTuple):
    """From one counted reading to the next. `advance` is what the register advanced by; None: nobody can say.

    A reset register has advanced by at least what it shows since it began at zero; what came before the reset is lost. One that
    caught up has advanced by what passed since it stood still, at `still_since`.
    """

    kind: StepKind
    start: Counted
    end: Counted
    advance: int | None
    still_since: Instant | None = None

    @property
    def since(self) -> Instant:
        """When the earliest of what the step advanced by may have passed."""
        return self.start.read_at if self.still_since is None else self.still_since


class Ignored(NamedTuple):
    """A reading that does not count, and the anchor it did not connect to."""

    kind: IgnoredKind
    reading: Counted
    anchor: Counted


class Exchanged(NamedTuple):
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


def advance(fold: Fold, reading: Counted, channel: Channel) -> tuple[Fold, list[Found]]:
    """Fold one more reading in: where the fold stands then, and what was found out."""
    anchor, _, suspects = fold
    step = connect(anchor, reading, channel.at(reading.read_at))
    if step is not None:
        return _connected(fold, step, channel)
    suspects = (*suspects, reading)
    found: list[Found] = []
    if len(suspects) > SUSPECTS:
        found.append(_given_up(suspects[0], anchor))
        suspects = suspects[1:]
    chain = _chain(suspects, channel) if len(suspects) == SUSPECTS else None
    if chain is None:
        return fold._replace(suspects=suspects), found
    return _followed(suspects[0], chain), [*found, _jump(fold, chain, channel), *chain]


def exchanged(fold: Fold, exchange: Exchange, channel: Channel) -> tuple[Fold, list[Found]]:
    """Fold a declared exchange in. What the old register could not reach is unexplained."""
    anchor, _, suspects = fold
    final = Counted(exchange.at, exchange.old_final)
    step = connect(anchor, final, channel.at(exchange.at - 1)) or Step("unexplained", anchor, final, None)
    ignored = [_ignored(suspect, anchor) for suspect in suspects]
    return Fold.on(Counted(exchange.at, exchange.new_initial)), [*ignored, step, Exchanged(exchange, anchor)]


def _connected(fold: Fold, step: Step, channel: Channel) -> tuple[Fold, list[Found]]:
    """The reading at the end of a step from the anchor counts. Suspects before it do too where the register caught up with them."""
    if fold.suspects:
        chain = _chain((*fold.suspects, step.end), channel)
        caught_up = _caught_up(fold, fold.suspects[0], channel)
        if chain is not None and caught_up is not None:
            return _followed(fold.suspects[0], chain), [caught_up, *chain]
    stands_still = step.end.value == fold.anchor.value
    after = Fold(step.end, fold.still_since if stands_still else step.end.read_at)
    return after, [*(_ignored(suspect, fold.anchor) for suspect in fold.suspects), step] if fold.suspects else [step]


def _jump(fold: Fold, chain: list[Step], channel: Channel) -> Step:
    """The step to the first of a chain that does not connect to the anchor.

    A register that stood still may have caught up, if it moves on: one that stands still again up there may as well show a wrong
    value for a while. One that fell to what it can have shown since it began at zero was reset. All else is unexplained.
    """
    anchor, first = fold.anchor, chain[0].start
    caught_up = _caught_up(fold, first, channel)
    if caught_up is not None and chain[-1].end.value != first.value:
        return caught_up
    since_zero = connect(Counted(anchor.read_at, 0), first, channel.at(first.read_at))
    if first.value < anchor.value and since_zero is not None:
        return Step("reset", anchor, first, first.value)
    return Step("unexplained", anchor, first, None)


def _caught_up(fold: Fold, first: Counted, channel: Channel) -> Step | None:
    """The step of a register that stood still, to a reading it can have reached since then; it may have rolled over."""
    since = connect(Counted(fold.still_since, fold.anchor.value), first, channel.at(first.read_at))
    if since is None or fold.still_since == fold.anchor.read_at:
        return None
    return Step("catch_up", fold.anchor, first, since.advance, fold.still_since)


def _chain(readings: tuple[Counted, ...], channel: Channel) -> list[Step] | None:
    """The steps between readings that all connect to each other; None where they do not."""
    chain = [connect(a, b, channel.at(b.read_at)) for a, b in pairwise(readings)]
    return None if None in chain else [step for step in chain if step is not None]


def _followed(first: Counted, chain: list[Step]) -> Fold:
    """The fold at the end of a chain of steps."""
    still_since = first.read_at
    for step in chain:
        still_since = still_since if step.end.value == step.start.value else step.end.read_at
    return Fold(chain[-1].end, still_since)


def _given_up(suspect: Counted, anchor: Counted) -> Ignored:
    """The oldest of too many suspects. At the instant of a declared exchange it is no riddle: the declared value counts."""
    return _ignored(suspect, anchor) if suspect.read_at == anchor.read_at else Ignored("unexplained", suspect, anchor)


def _ignored(suspect: Counted, anchor: Counted) -> Ignored:
    return Ignored("dip" if suspect.value < anchor.value else "spike", suspect, anchor)
