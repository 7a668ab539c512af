"""What became of each message of a batch, once the database has said what it held already. Pure."""

from collections.abc import Sequence
from functools import lru_cache

from ingest.messages import Assessed, Outcome, Row, SessionRow
from ingest.metering.calendar import Instant

Key = tuple[int, Instant]
"""Channel and instant."""


def outcomes(
    batch: Sequence[Assessed],
    new: set[Row],
    disputed: set[tuple[int, Instant, int]],
    new_sessions: set[SessionRow],
) -> list[Outcome]:
    """Each message's outcome, in order; the first that brings a row is the one that stored it. Uses up the sets."""
    decided = []
    for assessed in batch:
        before = len(new)
        new.difference_update(assessed.rows)
        kept = before - len(new)
        disputes = len(disputed)
        if disputed and kept < len(assessed.rows):
            disputed.difference_update([row[:3] for row in assessed.rows])
        disputes -= len(disputed)
        decided.append(_outcome(assessed, new_sessions, kept, len(assessed.rows) - kept - disputes, disputes))
    return decided


def outcomes_of_new(batch: Sequence[Assessed], new_sessions: set[SessionRow]) -> list[Outcome]:
    """Each message's outcome, in order, where every reading of the batch was new."""
    decided = []
    for assessed in batch:
        kept = len(assessed.rows)
        plainly = kept and assessed.rejected is None
        decided.append(_stored(kept) if plainly else _outcome(assessed, new_sessions, kept))
    return decided


@lru_cache(1024)  # one object for all the messages that went the usual way
def _stored(kept: int) -> Outcome:
    return Outcome("stored", kept)


def _outcome(assessed: Assessed, new_sessions: set[SessionRow], kept: int, duplicates: int = 0, disputes: int = 0) -> Outcome:
    fresh = kept or disputes or _is_new(assessed, new_sessions)
    message = "rejected" if assessed.rejected else "stored" if fresh else "duplicate"
    return Outcome(message, kept, duplicates, disputes)


def _is_new(assessed: Assessed, new_sessions: set[SessionRow]) -> bool:
    """Whether a message's session statement was stored, by this message and not an equal one before it."""
    new = [session for session in assessed.sessions if session in new_sessions]
    new_sessions.difference_update(new)
    return bool(new)
