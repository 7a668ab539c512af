"""The usual round, in one pass: the same as on the way that everything else goes."""

import pytest
from hypothesis import given, settings

from ingest.metering import consumption
from ingest.metering.calendar import HOUR_US, Day, Instant, calendar
from ingest.metering.channel import Channel, Exchange
from ingest.metering.consumption import Settled, settle
from ingest.metering.resume import Start
from ingest.metering.steps import Counted
from tests.unit.histories import MINUTE_US, MODULUS, SHANGHAI, START, Rows, channel, declared, histories, zones
from tests.unit.test_consumption_order import change_instants


def both_ways(of: Channel, start: Start, readings: list[Counted], first: Day | None = None) -> tuple[Settled, Settled]:
    """As it is, and as if it did not go on from the newest state."""
    through = of.calendar.day(readings[-1].read_at)
    usual = settle(of, start, readings, {}, through, {}, first)
    other = settle(of, start._replace(is_newest=False), readings, {}, through, {}, first)
    return usual, other._replace(replaced=other.replaced._replace(only_adds=True))


@given(histories(), zones, change_instants, declared())
@settings(max_examples=200, deadline=None)
def test_every_reading_of_a_history_goes_on_the_same_both_ways(readings, zone, change_at, exchanges) -> None:
    """From the state before each of the last readings, over one and over three; with a floor in that day, after it, or without."""
    of = channel(calendar(zone), change_at=change_at, exchanges=exchanges)
    rows, seen = Rows(of), {}
    later = [Counted(*reading) for reading in readings.items()]
    for number, reading in enumerate(later):
        newest = max(rows.states, default=None)
        start = None if newest is None else Start.within(newest, rows.states[newest], reading.read_at)
        if start is not None and number >= len(later) - 40:
            for together in (1, 3):
                for first in (None, start.day, start.day + 1):
                    usual, other = both_ways(of, start, later[number : number + together], first)
                    assert other == usual
        seen[reading.read_at] = reading.value
        rows.settle(seen, {reading.read_at})


def gone_on(readings: dict[Instant, int], value: int = 1000, exchanges: tuple[Exchange, ...] = ()) -> Settled:
    """From a reading at the beginning of an hour, over some that follow."""
    rows = Rows(channel(SHANGHAI, exchanges=exchanges))
    rows.settle({START: value})
    day, state = rows.states.popitem()
    later = [Counted(*reading) for reading in readings.items()]
    start = Start.within(day, state, later[0].read_at)
    assert start is not None
    return settle(rows.channel, start, later, {}, day, {})


def test_readings_within_the_hour_are_not_folded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(consumption, "advance")
    settled = gone_on({START + 15 * MINUTE_US: 1000, START + 30 * MINUTE_US: 1200, START + HOUR_US - 1: 1201})
    assert [(tally.amount, tally.measured_us) for _, tally in settled.hours] == [(201_000, HOUR_US - 1)]
    assert settled.states[0][1].fold.still_since == START + HOUR_US - 1


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param({START + HOUR_US: 1200}, id="the hour ends"),
        pytest.param({START + MINUTE_US: 900}, id="it fell"),
        pytest.param({START + MINUTE_US: 999_000}, id="it jumped"),
        pytest.param({START + MINUTE_US: 1100, START + 2 * MINUTE_US: 0}, id="the second fell"),
    ],
)
def test_all_else_is(monkeypatch: pytest.MonkeyPatch, readings: dict[Instant, int]) -> None:
    monkeypatch.delattr(consumption, "advance")
    with pytest.raises(NameError, match="advance"):
        gone_on(readings)


def test_a_rollover_and_an_exchange_within_the_hour_are_what_they_are() -> None:
    over = gone_on({START + MINUTE_US: 5}, value=MODULUS - 5)
    assert [(tally.amount, event.kind) for (_, tally), event in zip(over.hours, over.events, strict=True)] == [(10_000, "rollover")]
    new = gone_on({START + 2 * MINUTE_US: 1010}, exchanges=(Exchange(START + MINUTE_US, 1003, 1000),))
    assert [(tally.amount, event.kind) for (_, tally), event in zip(new.hours, new.events, strict=True)] == [(13_000, "exchange")]
