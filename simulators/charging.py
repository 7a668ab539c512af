"""Charging sessions as chargers publish them: start, sometimes an update, stop; and the state of the connector at both ends.

Chargers have a connection of their own, beside the gateway that reads their registers. What a session states is decided by its name
and the seed alone; two faults are a charger's own: firmware that knows no register when a session starts, and a stop that is wrong.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from random import Random
from typing import Final

from schemas import topics
from schemas.charger import StatusScheme
from simulators.charger import Charger, Session
from simulators.faults import Rates
from simulators.messages import Message, Outcome, Statement
from simulators.meter import Display
from simulators.month import HOUR_SECONDS, local
from simulators.run import Run
from simulators.site import Institution

SENT_AFTER_S: Final = 2
UPDATED: Final = 0.2
"""Share of the sessions with an update halfway."""
WORDS: Final = (
    (None, "charging", "available"),
    (StatusScheme.OCPP_16, "Charging", "Available"),
    (StatusScheme.CN_PLATFORM, "3", "1"),
)
"""How chargers say that a session runs, and that their connector is free: each its maker's way."""


@dataclass(frozen=True, slots=True)
class Said:
    """Whose sessions are told: the charger's place, its display, and what may go wrong."""

    institution: str
    charger: Charger
    display: Display
    rates: Rates
    seed: int
    span: range
    """The simulated seconds."""

    def register_milli(self, micro: int) -> int:
        """What the register shows."""
        return self.display.milli(self.display.steps(micro))


def messages(run: Run) -> Iterator[Message]:
    """Every session and state of the run, in order of `send_at_s`."""
    return heapq.merge(*(_of_charger(said) for said in _chargers(run)), key=attrgetter("send_at_s"))


def sessions(run: Run) -> Iterator[tuple[Charger, Session]]:
    """The sessions that take place within the run, at least in part."""
    for said in _chargers(run):
        yield from ((said.charger, session) for session in _sessions(said))


def _chargers(run: Run) -> Iterator[Said]:
    span = range(run.start_s, run.start_s + run.hours * HOUR_SECONDS)
    for institution in run.fleet.institutions:
        displays = {meter.code: meter.display for meter in institution.meters}
        for charger in institution.chargers:
            yield Said(_code(institution), charger, displays[charger.code], run.scenario.rates, run.fleet.seed, span)


def _code(of: Institution) -> str:
    return of.identity.code


def _sessions(said: Said) -> Iterator[Session]:
    return (each for each in said.charger.sessions if each.stopped_s > said.span.start and each.started_s < said.span.stop)


def _of_charger(said: Said) -> Iterator[Message]:
    for session in _sessions(said):
        yield from sorted(_of_session(said, session), key=attrgetter("send_at_s"))


def _of_session(said: Said, session: Session) -> Iterator[Message]:
    """Its statements and states, without those that come after the run."""
    begins, ends = max(session.started_s, said.span.start), session.stopped_s
    states = [(begins, True), (ends, False)]
    for at_s, statement in _statements(said, session):
        if at_s < said.span.stop:
            yield _statement(said, max(at_s, begins), statement)
    for at_s, charging in states:
        if at_s < said.span.stop:
            yield _state(said, session.connector, at_s, charging)


def _statements(said: Said, session: Session) -> Iterator[tuple[int, Statement]]:
    """What is stated, and when."""
    rng = Random(f"session/{said.seed}/{said.institution}/{session.session}")
    is_updated, from_zero = rng.random() < UPDATED, rng.random() < said.rates.session_zero_start
    is_wrong, is_cut = rng.random() < said.rates.session_wrong_stop, rng.random() < 0.5
    started = Statement(
        said.institution, said.charger.code, session.session, session.connector, session.started_s,
        0 if from_zero else said.register_milli(session.start_micro),
    )  # fmt: skip
    halfway_s, half_micro = (session.started_s + session.stopped_s) // 2, session.energy_micro // 2
    yield session.started_s, started
    if is_updated:
        yield halfway_s, started.with_energy(half_micro // 1000)
    if is_wrong and is_cut:  # the power failed: a stop as of then, and the right one when it was back
        cut = said.register_milli(session.start_micro + half_micro)
        yield halfway_s, started.with_stop(halfway_s, cut, half_micro // 1000)
    stop = said.register_milli(session.stop_micro) * (1000 if is_wrong and not is_cut else 1)
    yield session.stopped_s, started.with_stop(session.stopped_s, stop, session.energy_micro // 1000)


def _statement(said: Said, at_s: int, of: Statement) -> Message:
    topic = topics.charger_session(said.institution, said.charger.code)
    fields = [
        f'"session":"{of.session}","connector":{of.connector}',
        f'"started_at":"{local(of.started_s).isoformat()}","start_register_kwh":{_kwh(of.start_milli)}',
    ]
    if of.stopped_s is not None:
        fields.append(f'"stopped_at":"{local(of.stopped_s).isoformat()}"')
    if of.stop_milli is not None:
        fields.append(f'"stop_register_kwh":{_kwh(of.stop_milli)}')
    if of.energy_milli is not None:
        fields.append(f'"session_energy_kwh":{_kwh(of.energy_milli)}')
    payload = ("{" + ",".join(fields) + "}").encode()
    return Message(topic, payload, said.institution, at_s + SENT_AFTER_S, (), statement=of)


def _state(said: Said, connector: int, at_s: int, charging: bool) -> Message:
    scheme, busy, free = WORDS[int(said.charger.code[-2:]) % len(WORDS)]
    word, since = busy if charging else free, local(at_s).isoformat()
    what = f'"status":"{word}"' if scheme is None else f'"scheme":"{scheme}","code":"{word}"'
    payload = f'{{"connector":{connector},{what},"since":"{since}"}}'.encode()
    topic = topics.charger_status(said.institution, said.charger.code)
    return Message(topic, payload, said.institution, at_s + SENT_AFTER_S, (), Outcome.STATUS, retain=True)


def _kwh(milli: int) -> str:
    return f"{milli // 1000}.{milli % 1000:03d}"
