"""Where settlement may write: no hour or day that begins before the raw readings that are still kept.

Before that instant nothing can be derived again, so what stands there stays. Months and years are sums of the days stored, which
are all there.
"""

from ingest.metering.calendar import Calendar, Day, Instant
from ingest.metering.consumption import Settled


def first_day(calendar: Calendar, raw_kept_since: Instant | None) -> Day | None:
    """The first local day that begins when readings are kept; None where all of them are."""
    if raw_kept_since is None or raw_kept_since <= calendar.midnights[0]:
        return None
    day = calendar.day(raw_kept_since)
    return day if calendar.day_start(day) == raw_kept_since else day + 1


def clipped(settled: Settled, calendar: Calendar, first: Day | None) -> Settled:
    """A channel's rows and the range they replace, without what lies before the first day that may be written."""
    if first is None:
        return settled
    begin, range_ = calendar.day_start(first), settled.replaced
    return settled._replace(
        hours=[row for row in settled.hours if row[0] >= begin],
        days=[row for row in settled.days if row[0] >= first],
        replaced=range_._replace(
            hour_from=_later(range_.hour_from, begin),
            day_from=_later(range_.day_from, first),
            state_after=_later(range_.state_after, first - 1),
            found_from=_later(range_.found_from, begin),
        ),
    )


def _later(from_: int | None, least: int) -> int:
    return least if from_ is None else max(from_, least)
