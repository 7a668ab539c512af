"""Where settlement may write: no hour or day that begins before the raw readings that are still kept.

Before that instant nothing can be derived again, so what stands there stays. Months and years are sums of the days stored, which
are all there.
"""

from ingest.metering.calendar import Calendar, Day, Instant
from ingest.metering.consumption import Settled
from ingest.metering.resume import Start


def first_day(calendar: Calendar, raw_kept_since: Instant | None) -> Day | None:
    """The first local day that begins when readings are kept; None where all of them are."""
    if raw_kept_since is None or raw_kept_since <= calendar.midnights[0]:
        return None
    day = calendar.day(raw_kept_since)
    return day if calendar.day_start(day) == raw_kept_since else day + 1


def folded_from(calendar: Calendar, start: Start | None, first: Day | None) -> Instant | None:
    """After the start; readings from before the first day that may be written count no more, but for those in its state."""
    begin = None if start is None else start.after + 1
    if first is None:
        return begin
    least = calendar.day_start(first)
    return least if begin is None else max(begin, least)


def history_until(calendar: Calendar, start: Start, first: Day | None) -> Instant:
    """Before it a fold finds the hours of like days as they stand; from there on, but in the anchor's hour, it writes them itself.

    Where the step after the state crosses the first day's beginning and is changed, the hours before that stay as written.
    Were the fold to share out a later silence by what they would be now, a rebuild would come to other hours than the rounds did.
    """
    anchors_hour = calendar.hour(start.state.anchor.read_at)
    return anchors_hour if first is None else max(anchors_hour, calendar.day_start(first))


def clipped(settled: Settled, calendar: Calendar, first: Day | None) -> Settled:
    """A channel's rows, which replace nothing before the first day that may be written."""
    if first is None:
        return settled
    begin, range_ = calendar.day_start(first), settled.replaced
    return settled._replace(
        replaced=range_._replace(
            hour_from=_later(range_.hour_from, begin),
            day_from=_later(range_.day_from, first),
            state_after=_later(range_.state_after, first - 1),
            found_from=_later(range_.found_from, begin),
        ),
    )


def _later(from_: int | None, least: int) -> int:
    return least if from_ is None else max(from_, least)
