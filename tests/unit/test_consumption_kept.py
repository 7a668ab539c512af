"""Where older readings are gone: what stands before that stays, and incremental rounds leave the rows of a rebuild."""

from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.metering.calendar import HOUR_US, Day, Instant, calendar
from tests.unit.histories import MINUTE_US, MODULUS, SHANGHAI, START, Rows, channel, declared, histories, zones

change_instants = st.one_of(st.none(), st.integers(START, START + 20 * 24 * HOUR_US))


@st.composite
def weeks(draw: st.DrawFn) -> dict[Instant, int]:
    """Hourly readings within the clock's hours, so that midnight lies in a step, and silences over the midnights a week later."""
    minute, pace = draw(st.integers(0, 59)), draw(st.integers(1, 9999))
    missing = draw(st.sets(st.integers(20, 24 * 13), max_size=4))
    midnights = draw(st.sets(st.integers(8, 12), min_size=2))
    silent = {24 * day + hour for day in midnights for hour in range(-draw(st.integers(0, 8)), draw(st.integers(6, 12)))}
    readings, value = {}, 0
    for hour in range(24 * 13):
        value += (hour * pace) % 400
        if hour not in missing | silent:
            readings[START + hour * HOUR_US + minute * MINUTE_US] = value
    return readings


floors = st.integers(1, 5).map(lambda days: SHANGHAI.day(START) + days)
"""A week before the silences."""


@given(st.one_of(weeks(), weeks(), histories()), st.data(), zones, change_instants, declared())
@settings(max_examples=300, deadline=None)
def test_behind_readings_that_are_gone_whatever_comes_gives_the_rows_of_a_rebuild(
    readings, pick, zone, change_at, exchanges
) -> None:
    """The floor rises while readings come and are edited, and exchanges and a ratio are entered late; nothing before it moves."""
    rows, seen = Rows(channel(calendar(zone))), {}
    arriving = list(readings.items())
    for cut in [*sorted(pick.draw(st.lists(st.integers(0, len(arriving)), max_size=3))), len(arriving)]:
        rising = [at for at in arriving[:cut] if at[0] not in seen]
        seen |= dict(rising)
        rows.settle(seen, {at for at, _ in rising})
        if pick.draw(st.booleans()):
            _raise_floor(rows, pick.draw(floors))
            seen = {at: value for at, value in seen.items() if at >= _begin(rows)}
        if seen and pick.draw(st.booleans()):  # the first one behind the floor, mostly by what it can have been too
            at, value = min(seen), pick.draw(st.none() | st.integers(-200, 200) | st.integers(0, MODULUS))
            value = None if value is None else (seen[at] + value) % MODULUS
            seen = {key: one for key, one in {**seen, at: value}.items() if one is not None}
            rows.settle(seen, {at})
    stood = _before(rows)
    rows.channel = channel(calendar(zone), change_at=change_at, exchanges=exchanges)
    rows.settle(seen, {START, max(readings)})
    settled = deepcopy(rows)
    rows.forget()
    rows.settle(seen, {START, max(readings)})

    assert settled == rows
    assert stood == _before(rows)


def _raise_floor(rows: Rows, day: Day) -> None:
    rows.floor = max(rows.floor or 0, day)


def _begin(rows: Rows) -> Instant:
    return 0 if rows.floor is None else rows.channel.calendar.day_start(rows.floor)


def _before(rows: Rows) -> Rows:
    """What lies before the floor."""
    found = deepcopy(rows)
    found.channel = channel(rows.channel.calendar)
    found.forget()
    return found
