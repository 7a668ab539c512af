"""Whatever the order, and however late: incremental rounds leave the rows of a rebuild."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.metering.calendar import HOUR_US, Instant, calendar
from tests.unit.histories import MODULUS, START, Rows, channel, declared, histories, zones

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
