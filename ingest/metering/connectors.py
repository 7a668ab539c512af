"""The sessions of one connector held against each other: two cars cannot hold it, nothing is billed twice. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ingest.metering.sessions import CLOCK_SLACK_US, Charger, Finding, Session


def judge(sessions: Iterable[Session], charger: Charger) -> list[Session]:
    """The sessions of one connector held against each other, in order."""
    ordered = sorted(sessions, key=lambda session: session.order)
    overlaps = _overlaps(ordered)
    judged = []
    for number, session in enumerate(ordered):
        found = [Finding("overlap", {"sessions": overlaps[number]})] if overlaps[number] else []
        if number:
            found += _below_previous(ordered[number - 1], session, charger)
        if session.stopped_at is None and number + 1 < len(ordered):
            following = ordered[number + 1]
            found.append(Finding("never_stopped", {"next": following.session, "started_at": following.started_at}))
            session = replace(session, ends_at=min(session.ends_at, following.started_at))
        judged.append(replace(session, findings=(*session.findings, *found)))
    return judged


def _overlaps(ordered: Sequence[Session]) -> list[list[str]]:
    """The names of those that each one shares more than a moment of the connector with; an open one's end is not known."""
    found: list[set[str]] = [set() for _ in ordered]
    for number, one in enumerate(ordered):
        if one.stopped_at is None:
            continue
        for later in range(number + 1, len(ordered)):
            other = ordered[later]
            if other.started_at >= one.ends_at - CLOCK_SLACK_US:
                break
            if other.stopped_at is not None and other.ends_at > one.started_at + CLOCK_SLACK_US:
                found[number].add(other.session)
                found[later].add(one.session)
    return [sorted(names) for names in found]


def _below_previous(previous: Session, session: Session, charger: Charger) -> Iterator[Finding]:
    """A register below where the session before left it would be counted twice; a session counter starts at zero each time."""
    if previous.quality != "measured" or session.quality != "measured" or not session.start_register or not previous.stop_register:
        return
    version = charger.at(session.started_at)
    assert previous.stopped_at is not None
    if session.start_register >= previous.stop_register:
        return
    if version.modulus is not None:
        advance = (session.start_register - previous.stop_register + version.modulus) * version.ratio_milli
        if advance <= charger.most_micro(session.started_at - previous.stopped_at + CLOCK_SLACK_US):
            return
    evidence = {"previous": previous.session, "stop_register": previous.stop_register, "start_register": session.start_register}
    yield Finding("below_previous", evidence)
