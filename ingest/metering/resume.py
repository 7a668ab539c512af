"""Where a fold is taken up again, and how far it goes.

What is newer than everything folded so far, as nearly all readings are, goes on from the newest state; what comes late restarts
from the state of the last day before it. Neither runs ahead of what was marked: readings that wait with marks of their own are left
to the round that takes those, for which they would be late otherwise.
"""

from typing import NamedTuple

from ingest.metering.calendar import Calendar, Day, Instant
from ingest.metering.steps import Counted, Fold
from ingest.metering.tallies import DayTally, Tally


class State(NamedTuple):
    """The fold after the last reading of a local day, and what the anchor's hour and day hold so far."""

    fold: Fold
    hour: Tally
    day: DayTally

    @property
    def anchor(self) -> Counted:
        """The last counted reading."""
        return self.fold.anchor

    @property
    def last_read_at(self) -> Instant:
        """When the last reading was taken that is folded in, counted or suspect."""
        return self.fold.suspects[-1].read_at if self.fold.suspects else self.fold.anchor.read_at


class Start(NamedTuple):
    """Where a fold goes on: the state of a local day, in which every reading up to and with `after` is folded in."""

    day: Day
    state: State
    after: Instant
    is_newest: bool

    @classmethod
    def behind(cls, day: Day, state: State, calendar: Calendar) -> "Start":
        """Behind the whole day."""
        return cls(day, state, calendar.day_start(day + 1) - 1, is_newest=False)

    @classmethod
    def within(cls, day: Day, state: State, changed_from: Instant) -> "Start | None":
        """Behind the newest state's last reading, if nothing up to there has changed."""
        last = state.last_read_at
        return cls(day, state, last, is_newest=True) if changed_from > last else None


def folded_until(changed_until: Instant, newest: State | None, limit: Instant | None = None) -> Instant:
    """The instant, up to `limit`, before which readings are folded: behind what changed, and behind what was folded before."""
    reached = changed_until if newest is None else max(changed_until, newest.last_read_at)
    return reached + 1 if limit is None else min(reached + 1, limit)
