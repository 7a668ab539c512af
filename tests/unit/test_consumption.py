"""Settlement of one channel: exact sums, order-free steps, incremental runs equal to a rebuild."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.metering.bookings import Event
from ingest.metering.calendar import HOUR_US, Calendar, Day, Instant, calendar, month, period, year
from ingest.metering.channel import FIRST_GAP_LIMIT_US, SECOND_GAP_LIMIT_US, Channel, Exchange, Version
from ingest.metering.consumption import Settled, settle
from ingest.metering.profile import LIKE_DAYS_BACK_US, shares
from ingest.metering.resume import Start, State, folded_until
from ingest.metering.steps import Counted, Fold, Step, advance, exchanged
from ingest.metering.tallies import DayTally, Tally

SHANGHAI = calendar("Asia/Shanghai")
MODULUS = 1_000_000
MINUTE_US = 60_000_000


def channel(
    zone: Calendar, *, scale: int = 1000, change_at: Instant | None = None, exchanges: tuple[Exchange, ...] = ()
) -> Channel:
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
        days = {self.channel.calendar.day(at) for at in changed}
        start = self.start(min(changed))
        goes_on = start is not None and start.day == max(self.states)
        self.went_on += goes_on
        stored = {} if goes_on else self.states
        newest = None if not self.states else self.states[max(self.states)]
        later = [Counted(at, value) for at, value in sorted(readings.items()) if start is None or at > start.after]
        end = folded_until(max(changed), newest, self.channel.calendar.day_start(max(days) + 1))
        history = {} if start is None else {
            at: amount for at, amount in self.measured().items() if at < self.channel.calendar.hour(start.state.anchor.read_at)
        }  # fmt: skip
        settled = settle(self.channel, start, [one for one in later if one.read_at < end], stored, max(days), history)
        if not settled.converged and max(stored, default=0) > max(days):
            end = folded_until(max(changed), newest)
            settled = settle(self.channel, start, [one for one in later if one.read_at < end], stored, max(days), history)
        self.apply(settled)
        return settled.converged

    def start(self, changed_from: Instant) -> Start | None:
        """Within the newest day, where nothing up to its last reading has changed; else behind the last day before the change."""
        newest = max(self.states, default=None)
        if newest is not None and (start := Start.within(newest, self.states[newest], changed_from)) is not None:
            return start
        before = [day for day in self.states if day < self.channel.calendar.day(changed_from)]
        return Start.behind(max(before), self.states[max(before)], self.channel.calendar) if before else None

    def apply(self, settled: Settled) -> None:
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
    """Up to two exchanges that an operator declares, which may fit the readings or not."""
    ats = sorted(draw(st.sets(st.integers(START, START + 20 * 24 * HOUR_US), max_size=2)))
    return tuple(Exchange(at, draw(st.integers(0, MODULUS - 1)), draw(st.integers(0, 1000))) for at in ats)


zones = st.sampled_from(["Asia/Shanghai", "Europe/Berlin"])  # the latter has days of 23 and 25 hours
change_instants = st.one_of(st.none(), st.integers(START, START + 20 * 24 * HOUR_US))


@given(histories(), st.data(), zones, change_instants, declared())
@settings(max_examples=300, deadline=None)
def test_any_order_and_batching_gives_the_rows_of_a_rebuild(readings, shuffle, zone, change_at, exchanges) -> None:
    """However readings arrive, and whether those still to be settled are there already, the rows equal those of a rebuild."""
    of = channel(calendar(zone), change_at=change_at, exchanges=exchanges)
    rebuilt = Rows(of)
    rebuilt.settle(readings, set(readings))
    arriving = shuffle.draw(st.permutations(list(readings.items())))
    rows, seen, is_backlog = Rows(of), {}, shuffle.draw(st.booleans())
    while arriving:
        size = shuffle.draw(st.integers(1, len(arriving)))
        batch, arriving = dict(arriving[:size]), arriving[size:]
        seen |= batch
        rows.settle(readings if is_backlog else seen, set(batch))

    assert rebuilt == rows


@given(histories(), st.data(), zones, change_instants, declared())
@settings(max_examples=200, deadline=None)
def test_readings_marked_in_their_order_go_on_from_the_newest_state(readings, pick, zone, change_at, exchanges) -> None:
    """Whether the later ones are there already, as in a backlog, or not: the rows of a rebuild, and no reading is folded twice."""
    of = channel(calendar(zone), change_at=change_at, exchanges=exchanges)
    rebuilt, rows, seen = Rows(of), Rows(of), {}
    rebuilt.settle(readings, set(readings))
    arriving, batches, is_backlog = list(readings.items()), 0, pick.draw(st.booleans())
    while arriving:
        size = pick.draw(st.integers(1, 4))
        batch, arriving = dict(arriving[:size]), arriving[size:]
        seen |= batch
        batches += 1
        rows.settle(readings if is_backlog else seen, set(batch))

    assert rebuilt == rows
    assert rows.went_on == batches - 1


@given(histories(), zones, declared(), change_instants)
@settings(max_examples=200, deadline=None)
def test_an_exchange_or_ratio_entered_late_equals_one_known_from_the_start(readings, zone, exchanges, change_at) -> None:
    """What is declared afterwards is settled again from its time on, and leaves the rows it would have made at once."""
    before, after = channel(calendar(zone)), channel(calendar(zone), change_at=change_at, exchanges=exchanges)
    late, at_once = Rows(before), Rows(after)
    late.settle(readings, set(readings))
    late.channel = after
    late.settle(readings, {exchange.at for exchange in exchanges})
    if change_at is not None:  # the registry marks everything from a changed version on
        late.settle(readings, {change_at, *(at for at in readings if at > change_at)})
    at_once.settle(readings, set(readings))

    assert late == at_once


@st.composite
def decided(draw: st.DrawFn, readings: dict[Instant, int]) -> dict[Instant, int | None]:
    """Up to four edits: of readings there are, or of instants without any; None takes a reading away."""
    instants = st.one_of(st.sampled_from(sorted(readings)), st.integers(START, max(readings) + 24 * HOUR_US))
    values = st.one_of(st.none(), st.sampled_from(sorted(readings.values())), st.integers(0, MODULUS - 1))
    return draw(st.dictionaries(instants, values, min_size=1, max_size=4))


@given(histories(), st.data(), zones, declared())
@settings(max_examples=200, deadline=None)
def test_an_edit_entered_late_equals_one_known_from_the_start(readings, pick, zone, exchanges) -> None:
    """One after the other, settled in between: the rows are those of readings that were always so."""
    of = channel(calendar(zone), exchanges=exchanges)
    edits = pick.draw(decided(readings))
    late, at_once, edited = Rows(of), Rows(of), dict(readings)
    late.settle(readings, set(readings))
    for at, value in edits.items():
        edited = {key: one for key, one in {**edited, at: value}.items() if one is not None}
        late.settle(edited, {at})
    at_once.settle(edited, set(edited))

    assert at_once == late


@given(histories(), zones, declared())
@settings(max_examples=150, deadline=None)
def test_an_exchange_that_is_withdrawn_leaves_no_trace(readings, zone, exchanges) -> None:
    """Marked up to the last reading: only a reading after the exchange shows that it is gone, and that may be days later."""
    never, withdrawn = Rows(channel(calendar(zone))), Rows(channel(calendar(zone), exchanges=exchanges))
    withdrawn.settle(readings, set(readings))
    withdrawn.channel = never.channel
    if exchanges:
        withdrawn.settle(readings, {*(exchange.at for exchange in exchanges), max(readings)})
    never.settle(readings, set(readings))

    assert withdrawn == never


@given(histories(), st.data(), zones)
@settings(max_examples=150, deadline=None)
def test_a_reading_that_becomes_disputed_leaves_no_trace(readings, pick, zone) -> None:
    """Taking a reading away gives the rows that never knew it."""
    of = channel(calendar(zone))
    gone = pick.draw(st.sampled_from(sorted(readings)))
    rows, without = Rows(of), Rows(of)
    rows.settle(readings, set(readings))
    rest = {at: value for at, value in readings.items() if at != gone}
    rows.settle(rest, {gone})
    if rest:
        without.settle(rest, set(rest))

    assert without == rows


@given(histories(), zones, declared())
@settings(max_examples=200, deadline=None)
def test_periods_add_up_to_the_register_exactly(readings, zone, exchanges) -> None:
    """Hours + unallocated = day, days + unallocated = month ... = what the counted steps advanced, times the ratio."""
    zone = calendar(zone)
    of = channel(zone, scale=1500, exchanges=exchanges)
    rows = Rows(of)
    rows.settle(readings, set(readings))
    by_day: dict[Day, int] = {}
    for hour, tally in rows.hours.items():
        by_day[zone.day(hour)] = by_day.get(zone.day(hour), 0) + tally.amount
    for day, tally in rows.days.items():
        assert tally.own.amount == by_day.get(day, 0) + tally.unallocated
    total = sum(tally.own.amount + tally.month.amount + tally.year.amount for tally in rows.days.values())

    assert sum(step.advance or 0 for step in _steps(of, readings)) * 1500 == total


@given(histories(), zones, declared())
@settings(max_examples=200, deadline=None)
def test_quality_of_every_period_is_what_its_own_readings_prove(readings, zone, exchanges) -> None:
    """Sums of the stored parts equal the definition, applied to each period directly."""
    zone = calendar(zone)
    of = channel(zone, exchanges=exchanges)
    rows = Rows(of)
    rows.settle(readings, set(readings))
    shaped = {(event.from_at, event.to_at) for event in rows.events.values() if event.kind == "like_days"}
    steps = [(step, (step.start.read_at, step.end.read_at) in shaped) for step in _steps(of, readings)]
    for hour, tally in rows.hours.items():
        assert _proved(steps, hour, hour + HOUR_US, hours=True) == (tally.measured_us, tally.estimated_us)
    days = {day: (tally.own.measured_us, tally.own.estimated_us) for day, tally in rows.days.items() if tally.own}
    for day, proved in days.items():
        assert _proved(steps, zone.day_start(day), zone.day_start(day + 1), splits=_year_edges(zone)) == proved
    for kind in ("month", "year"):
        for first, end in {period(kind, day) for day in rows.days}:
            inside = [tally for day, tally in rows.days.items() if first <= day < end]
            parts = [tally.own for tally in inside] + [tally.month for tally in inside]
            parts += [tally.year for tally in inside] if kind == "year" else []
            proved = sum(part.measured_us for part in parts), sum(part.estimated_us for part in parts)
            expected = _proved(steps, zone.day_start(first), zone.day_start(end), splits=_year_edges(zone))
            assert expected == proved


def _year_edges(zone: Calendar) -> list[Instant]:
    return [zone.year_start(number) for number in range(2025, 2032)]


def _steps(of: Channel, readings: dict[Instant, int]) -> list[Step]:
    fold, steps = None, []
    for at, value in sorted(readings.items()):
        if fold is None:
            fold = Fold.on(Counted(at, value))
            continue
        for exchange in [one for one in of.exchanges if fold.anchor.read_at < one.at <= at]:
            fold, found = exchanged(fold, exchange, of)
            steps += [step for step in found if isinstance(step, Step)]
        fold, found = advance(fold, Counted(at, value), of)
        steps += [step for step in found if isinstance(step, Step)]
    return steps


def _proved(steps, start: Instant, end: Instant, *, hours: bool = False, splits: list[Instant] = ()) -> tuple[int, int]:
    """Measured and estimated time of a period, from the design's definition and the counted steps alone."""
    measured = estimated = 0
    for step, shaped in steps:
        a, b = step.start.read_at, step.end.read_at
        overlap = max(min(b, end) - max(a, start), 0)
        if not overlap or step.advance is None or step.kind == "reset":
            continue
        straddles = step.since < start or b > end
        duration = b - a
        if step.kind != "catch_up" and duration <= 2 * HOUR_US:
            measured += overlap
        elif step.kind != "catch_up" and (duration <= FIRST_GAP_LIMIT_US or shaped):
            measured, estimated = (measured, estimated + overlap) if straddles else (measured + overlap, estimated)
        elif not hours:
            is_year = start in splits and end in splits
            across = any(step.since < edge < b for edge in splits)
            for p, q in pairwise([a, *(edge for edge in splits if a < edge < b), b]):  # each year's part in what holds it whole
                since = step.since if p == a else p
                if q <= end and (since >= start or (is_year and p >= start)):  # a year holds what began before it all the same
                    measured, estimated = (measured, estimated + q - p) if across else (measured + q - p, estimated)
    return measured, estimated


def test_a_rollover_is_consumption() -> None:
    """A register that wraps from 999,990 to 5 has advanced 15, not minus 999,985."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    rows.settle({START: 999_990, START + HOUR_US: 5})

    assert {START: Tally(15_000, HOUR_US, 0)} == rows.hours
    assert ["rollover"] == [event.kind for event in rows.events.values()]


def test_three_readings_that_agree_move_a_bad_anchor() -> None:
    """A false first reading does not make every good one after it look wrong."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    readings = {START: 900_000, **{START + n * HOUR_US: 100 + n for n in range(1, 5)}}
    rows.settle(readings, set(readings))

    assert ["reset"] == [event.kind for event in rows.events.values()]
    assert 101_000 == sum(tally.unallocated for tally in rows.days.values()), "what the register shows since it began at zero"
    assert [1000, 1000, 1000] == [tally.amount for _, tally in sorted(rows.hours.items())]


def test_a_jump_to_another_height_is_unexplained_and_counts_nothing() -> None:
    """Higher, or lower than the register can have come since zero: an operator must say what happened."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    readings = {START: 500, **{START + n * HOUR_US: 400_000 + n for n in range(1, 5)}}
    rows.settle(readings, set(readings))

    assert ["unexplained"] == [event.kind for event in rows.events.values()]
    assert 3_000 == sum(tally.own.amount for tally in rows.days.values())


def test_a_declared_exchange_counts_both_registers_and_none_of_the_jump() -> None:
    """Old final less last reading, and first reading less new initial: each over its own time."""
    at = START + 90 * MINUTE_US
    of = channel(SHANGHAI, exchanges=(Exchange(at, 520, 3),))
    rows = Rows(of)
    rows.settle({START: 500, START + 2 * HOUR_US: 13, START + 3 * HOUR_US: 23})

    assert ["exchange"] == [event.kind for event in rows.events.values()]
    assert [13_000, 17_000, 10_000] == [tally.amount for _, tally in sorted(rows.hours.items())]
    assert all(tally.measured_us == HOUR_US for tally in rows.hours.values())


def test_an_exchange_whose_old_register_cannot_have_reached_its_final_value_is_unexplained() -> None:
    """The operator may have mistyped: nothing is counted up to the exchange, and the event holds both values."""
    of = channel(SHANGHAI, exchanges=(Exchange(START + HOUR_US, 900_000, 0),))
    rows = Rows(of)
    rows.settle({START: 500, START + 2 * HOUR_US: 10})

    assert ["exchange", "unexplained"] == sorted(event.kind for event in rows.events.values())
    assert [10_000] == [tally.amount for tally in rows.hours.values()]


def test_a_silence_of_a_day_takes_the_shape_of_like_days() -> None:
    """A week of days with one busy hour: the silent day's amount falls to that hour, and adds up exactly."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    value, readings = 0, {start: 0}
    for hour in range(8 * 24):
        value += 100 if hour % 24 == 9 else 1
        readings[start + (hour + 1) * HOUR_US] = value
    silent = start + 8 * 24 * HOUR_US
    readings[silent + 24 * HOUR_US] = value + 247
    rows = Rows(of)
    rows.settle(readings, set(readings))
    hours = [rows.hours[silent + hour * HOUR_US] for hour in range(24)]

    assert ["like_days"] == [event.kind for event in rows.events.values()]
    assert 247_000 == sum(tally.amount for tally in hours)
    assert 201_000 == hours[9].amount
    assert {2_000} == {tally.amount for number, tally in enumerate(hours) if number != 9}
    assert all(tally.estimated_us == HOUR_US for tally in hours)
    assert 24 * HOUR_US == rows.days[SHANGHAI.day(silent)].own.measured_us, "the register proves the day"


def test_a_silence_found_out_days_later_follows_its_like_days_when_they_change() -> None:
    """Between two suspects: it is booked when a third one shows that the register was reset, on another local day."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    hourly = {start + hour * HOUR_US: 50_000 + 100 * hour for hour in range(8 * 24)}
    silent = start + 8 * 24 * HOUR_US
    suspects = {silent + 2 * HOUR_US: 5, silent + 22 * HOUR_US: 2_405, silent + 25 * HOUR_US: 2_500}
    late = start + (24 + 9) * HOUR_US
    readings = hourly | suspects
    rows, at_once = Rows(of), Rows(of)
    rows.settle({at: value for at, value in readings.items() if at != late}, set(readings))
    moved = readings | {late: hourly[late] + 60}
    rows.settle(moved, {late})
    at_once.settle(moved, set(moved))

    assert ["like_days", "reset"] == sorted(event.kind for event in rows.events.values())
    assert at_once == rows


def test_a_ratio_that_changes_in_a_silence_bends_the_register_and_not_the_profile() -> None:
    """Like days say what was consumed; behind a ratio seven times as high the register moves a seventh for the same."""
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    silent = start + 8 * 24 * HOUR_US
    of = channel(SHANGHAI, change_at=silent + 12 * HOUR_US)
    readings = {start + hour * HOUR_US: 70 * hour for hour in range(8 * 24 + 1)}
    readings[silent + 24 * HOUR_US] = readings[silent] + 12 * 70 + 12 * 10
    rows = Rows(of)
    rows.settle(readings, set(readings))

    assert {70_000} == {tally.amount for tally in rows.hours.values()}


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**12), min_size=1).filter(any))
def test_shares_add_up_to_the_whole(advance: int, weights: list[int]) -> None:
    """Whatever the weights; nobody without weight gets anything."""
    found = shares(advance, weights)

    assert advance == sum(found)
    assert all(share >= 0 and (weight or not share) for share, weight in zip(found, weights, strict=True))


def test_a_register_that_stood_still_and_caught_up_has_lost_nothing() -> None:
    """A day frozen, then more at once than an hour can bring: no spike and no unexplained jump, the day has it all, unallocated."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal())
    frozen = {start + hour * HOUR_US: 100 for hour in range(12)}
    running = {start + hour * HOUR_US: 10_000 * hour for hour in range(12, 16)}
    rows = Rows(of)
    rows.settle(frozen | running)

    assert [("catch_up", 119_900_000)] == [(event.kind, event.amount) for event in rows.events.values()]
    (day,) = rows.days.values()
    assert (149_900_000, 119_900_000) == (day.own.amount, day.unallocated)
    assert 15 * HOUR_US == day.own.measured_us
    assert start + 11 * HOUR_US not in rows.hours or not rows.hours[start + 11 * HOUR_US].amount


def test_a_standstill_over_midnight_is_caught_up_with_in_the_month() -> None:
    """Nobody knows which of the two days had how much of it."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 3, 2).toordinal()) - 2 * HOUR_US
    rows = Rows(of)
    rows.settle({start: 7, start + HOUR_US: 7, start + 3 * HOUR_US: 7, start + 4 * HOUR_US: 37_000,
                 start + 5 * HOUR_US: 37_010, start + 6 * HOUR_US: 37_020})  # fmt: skip

    assert ["catch_up"] == [event.kind for event in rows.events.values()]
    assert [0, 20_000] == [tally.own.amount for tally in rows.days.values()]
    assert 36_993_000 == sum(tally.month.amount for tally in rows.days.values())


def test_a_wrong_value_that_stands_still_as_well_is_no_catching_up() -> None:
    """A still register shown a thousandfold for some hours: nothing is counted, an operator is asked."""
    of = channel(SHANGHAI)
    values = [50] * 8 + [70_000] * 3 + [50, 50, 50, 60]
    rows = Rows(of)
    rows.settle({START + n * HOUR_US: value for n, value in enumerate(values)})

    assert ["reset", "unexplained"] == sorted(event.kind for event in rows.events.values())
    assert 60_000 == sum(tally.own.amount for tally in rows.days.values()), "10 passed, and 50 is what a reset register shows"


def test_a_single_spike_after_a_standstill_is_still_a_spike() -> None:
    """The next reading shows that the register was not there."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    rows.settle({**{START + n * HOUR_US: 50 for n in range(8)}, START + 8 * HOUR_US: 90_000, START + 9 * HOUR_US: 60})

    assert ["spike"] == [event.kind for event in rows.events.values()]
    assert 10_000 == sum(tally.own.amount for tally in rows.days.values())


def test_one_dip_and_one_spike_change_nothing() -> None:
    """A single false value is set aside as an event; consumption runs from the counted reading before to the one after."""
    of = channel(SHANGHAI)
    rows = Rows(of)
    rows.settle({START: 500, START + HOUR_US: 20, START + 2 * HOUR_US: 520, START + 3 * HOUR_US: 990_000,
                 START + 4 * HOUR_US: 540})  # fmt: skip

    assert ["dip", "spike"] == sorted(event.kind for event in rows.events.values())
    assert 40_000 == sum(tally.amount for tally in rows.hours.values())


@pytest.mark.parametrize(("zone", "day", "hours"), [("Asia/Shanghai", "2026-03-29", 24), ("Europe/Berlin", "2026-03-29", 23),
                                                    ("Europe/Berlin", "2026-10-25", 25)])  # fmt: skip
def test_local_days_have_their_true_length(zone: str, day: str, hours: int) -> None:
    """Days follow the zone's own clock changes."""
    number = date.fromisoformat(day).toordinal()
    of = calendar(zone)

    assert hours * HOUR_US == of.day_start(number + 1) - of.day_start(number)


def test_hours_start_at_the_local_full_hour() -> None:
    """In a zone of +05:45 hours start at a quarter past the UTC hour."""
    of = calendar("Asia/Kathmandu")
    start = of.day_start(date(2026, 1, 1).toordinal())

    assert start == of.hour(start)
    assert start == of.hour(start + HOUR_US - 1)
    assert 15 * MINUTE_US == start % HOUR_US


def test_a_zone_whose_full_hours_move_is_refused_by_name() -> None:
    """Lord Howe shifts by half an hour in summer: there is no fixed grid of hours."""
    with pytest.raises(ValueError, match="Australia/Lord_Howe"):
        calendar("Australia/Lord_Howe")


def test_a_month_knows_what_its_days_had_to_leave_open() -> None:
    """Three silent days inside a month are missing in the days, and measured, with their amount, in the month."""
    of = channel(SHANGHAI)
    start = SHANGHAI.day_start(date(2026, 1, 5).toordinal())
    rows = Rows(of)
    rows.settle({start: 0, start + HOUR_US: 10, start + 73 * HOUR_US: 82, start + 74 * HOUR_US: 83})
    days = list(rows.days.values())

    assert [10_000, 1_000] == [tally.own.amount for tally in days]
    assert 72_000 == sum(tally.month.amount for tally in days)
    assert 74 * HOUR_US == sum(tally.own.measured_us + tally.month.measured_us for tally in days)
    assert month(min(rows.days)) == month(max(rows.days))
    assert 2026 == year(min(rows.days))
