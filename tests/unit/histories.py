"""One channel settled as the service does it, its rows kept as the database keeps them, and histories to settle."""

from datetime import date

from hypothesis import strategies as st

from ingest.metering.calendar import HOUR_US, Calendar, Day, Instant, calendar
from ingest.metering.channel import SECOND_GAP_LIMIT_US, Channel, Exchange, Version
from ingest.metering.consumption import Settled, settle
from ingest.metering.events import Event
from ingest.metering.kept import clipped, folded_from, history_until
from ingest.metering.profile import LIKE_DAYS_BACK_US
from ingest.metering.resume import Start, State, folded_until
from ingest.metering.steps import Counted
from ingest.metering.tallies import DayTally, Tally

SHANGHAI = calendar("Asia/Shanghai")
MODULUS = 1_000_000
MINUTE_US = 60_000_000


def channel(
    zone: Calendar, *, scale: int = 1000, change_at: Instant | None = None, exchanges: tuple[Exchange, ...] = ()
) -> Channel:
    """An hourly channel of six digits; from `change_at` on at a ratio seven times as high."""

    def version(valid_from: Instant, scale: int) -> Version:
        return Version(valid_from, scale, cap_per_hour=20_000, quantum=1, modulus=MODULUS, interval_us=HOUR_US)

    versions = [version(0, scale)]
    if change_at is not None:
        versions.append(version(change_at, scale * 7))
    return Channel(1, zone, tuple(versions), exchanges)


class Rows:
    """Derived rows of one channel, kept as the database keeps them."""

    def __init__(self, of: Channel) -> None:
        self.channel = of
        self.hours: dict[Instant, Tally] = {}
        self.days: dict[Day, DayTally] = {}
        self.states: dict[Day, State] = {}
        self.events: dict[tuple[Instant, Instant, str], Event] = {}
        self.went_on = 0
        self.floor: Day | None = None
        """The first day that may be settled, where older readings are no longer kept."""

    def forget(self) -> None:
        """As a rebuild does: everything derived from readings that are kept."""
        begin = 0 if self.floor is None else self.channel.calendar.day_start(self.floor)
        self.hours = {at: tally for at, tally in self.hours.items() if at < begin}
        self.days = {day: tally for day, tally in self.days.items() if day < (self.floor or 0)}
        self.states = {day: state for day, state in self.states.items() if day < (self.floor or 0)}
        self.events = {key: event for key, event in self.events.items() if key[0] < begin}

    def settle(self, readings: dict[Instant, int], changed: set[Instant] | None = None) -> None:
        """Rounds after what is at `changed` (None: all) came in: the second and later ones for silences whose like days changed."""
        changed = set(readings) if changed is None else changed
        while changed:
            before = self.measured()
            converged = self.round(readings, changed)
            hours = {at for at, _ in before.items() ^ self.measured().items()}
            changed = {at for event in self.events.values() if converged and _is_stale(event, hours) for at in
                       (event.from_at, event.found_at)}  # fmt: skip

    def measured(self) -> dict[Instant, int]:
        """What like days are made of."""
        return {at: tally.amount for at, tally in self.hours.items() if tally.measured_us == HOUR_US}

    def round(self, readings: dict[Instant, int], changed: set[Instant]) -> bool:
        """One round; whether it stopped before the last reading."""
        days = {day for at in changed if (day := self.channel.calendar.day(at)) >= (self.floor or 0)}
        if not days:
            return True
        start = self.start(min(changed))
        goes_on = start is not None and start.day == max(self.states)
        self.went_on += goes_on
        stored = {} if goes_on else self.states
        newest = None if not self.states else self.states[max(self.states)]
        begin = folded_from(self.channel.calendar, start, self.floor) or 0
        later = [Counted(at, value) for at, value in sorted(readings.items()) if at >= begin]
        end = folded_until(max(changed), newest, self.channel.calendar.day_start(max(days) + 1))
        until = 0 if start is None else history_until(self.channel.calendar, start, self.floor)
        history = {at: amount for at, amount in self.measured().items() if at < until}

        def settled_until(end: Instant) -> Settled:
            readings = [one for one in later if one.read_at < end]
            return settle(self.channel, start, readings, stored, max(days), history, self.floor)

        settled = settled_until(end)
        if not settled.converged and max(stored, default=0) > max(days):
            settled = settled_until(folded_until(max(changed), newest))
        self.apply(clipped(settled, self.channel.calendar, self.floor))
        return settled.converged

    def start(self, changed_from: Instant) -> Start | None:
        """Within the newest day, where nothing up to its last reading has changed; else behind the last day before the change."""
        newest = max(self.states, default=None)
        if newest is not None and (start := Start.within(newest, self.states[newest], changed_from)) is not None:
            return start
        first = max(self.channel.calendar.day(changed_from), self.floor or 0)
        before = [day for day in self.states if day < first]
        return Start.behind(max(before), self.states[max(before)], self.channel.calendar) if before else None

    def apply(self, settled: Settled) -> None:
        """What a round derived, in place of what it says it replaces; AssertionError where it writes beside that."""
        replaced, before = settled.replaced, [set(rows) for rows in (self.hours, self.days, self.states, self.events)]
        _replace(self.hours, settled.hours, lambda at: _within(at, replaced.hour_from, replaced.hour_until))
        _replace(self.days, settled.days, lambda day: _within(day, replaced.day_from, replaced.day_until))
        after = None if replaced.state_after is None else replaced.state_after + 1
        _replace(self.states, settled.states, lambda day: _within(day, after, replaced.state_until))
        events = [((event.found_at, event.from_at, event.kind), event) for event in settled.events]
        assert len(events) == len(dict(events))
        _replace(self.events, events, lambda key: _within(key[0], replaced.found_from, replaced.found_until))
        if replaced.only_adds:
            after = [set(rows) for rows in (self.hours, self.days, self.states, self.events)]
            assert all(old <= new for old, new in zip(before, after, strict=True)), "a row that the new ones do not replace"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and vars(self) | {"went_on": 0} == vars(other) | {"went_on": 0}

    __hash__ = None  # type: ignore[assignment]


def _is_stale(event: Event, hours: set[Instant]) -> bool:
    """Whether a silence was filled, or could not be, by like days that have changed."""
    if event.kind not in ("like_days", "unallocated") or event.to_at - event.from_at > SECOND_GAP_LIMIT_US:
        return False
    return any(event.from_at - LIKE_DAYS_BACK_US <= hour < event.from_at for hour in hours)


def _within(at: int, start: int | None, end: int | None) -> bool:
    return (start is None or at >= start) and (end is None or at < end)


def _replace(rows: dict, new: list, inside) -> None:
    for key in [key for key in rows if inside(key)]:
        del rows[key]
    for key, row in new:
        assert inside(key), "a row outside the range it replaces"
        assert key not in rows
        rows[key] = row


START = SHANGHAI.day_start(date(2025, 12, 27).toordinal())


@st.composite
def histories(draw: st.DrawFn) -> dict[Instant, int]:
    """Readings over a year's end: ordinary steps, silences of all lengths, falls, jumps, resets and rollovers.

    Some begin with two weeks of hourly readings, so that silences have like days.
    """
    at, value, readings = START, draw(st.integers(0, MODULUS - 1)), {}
    for hour in range(draw(st.sampled_from([0, 0, 8, 15])) * 24):
        at += HOUR_US
        value = (value + (hour * 7919) % 400) % MODULUS
        readings[at] = value
    for _ in range(draw(st.integers(1, 40))):
        gap = draw(st.sampled_from([7, 15, 60, 60, 60, 61, 119, 121, 200, 360, 361, 1500, 4000, 20000]))
        at += gap * MINUTE_US + draw(st.sampled_from([0, 0, 0, 1, 999_999]))
        match draw(st.integers(0, 12)):
            case 11 | 12:
                shown = next(reversed(readings.values()), value)  # it stands still, and catches up some time
                value = (value + draw(st.integers(0, 20_000)) * gap // 60) % MODULUS
            case 10:
                value = shown = draw(st.integers(0, 50))  # it began at zero again
            case 0:
                shown = draw(st.integers(0, MODULUS - 1))  # a reading that may not fit at all
            case 1:
                value = shown = draw(st.integers(0, MODULUS - 1))  # the register itself has jumped
            case _:
                value = shown = (value + draw(st.integers(0, 20_000)) * gap // 60) % MODULUS
        readings[at] = shown
    return readings


@st.composite
def declared(draw: st.DrawFn) -> tuple[Exchange, ...]:
    """Up to two exchanges that an operator declares, which may fit the readings or not; many at a full hour, as readings are."""
    full_hours = st.integers(1, 20 * 24).map(lambda hours: START + hours * HOUR_US)
    ats = sorted(draw(st.sets(full_hours | st.integers(START, START + 20 * 24 * HOUR_US), max_size=2)))
    return tuple(Exchange(at, draw(st.integers(0, MODULUS - 1)), draw(st.integers(0, 1000))) for at in ats)


zones = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu"])
"""The second has days of 23 and 25 hours, the hours of the third begin at a quarter to."""
