"""Periods add up to the register exactly, and claim no more than their own readings prove."""

from itertools import pairwise

from hypothesis import given, settings

from ingest.metering.calendar import HOUR_US, Calendar, Day, Instant, calendar, period
from ingest.metering.channel import FIRST_GAP_LIMIT_US, Channel
from ingest.metering.steps import Counted, Fold, Step, advance, exchanged
from tests.unit.histories import Rows, channel, declared, histories, zones


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
