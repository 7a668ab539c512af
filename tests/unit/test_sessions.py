"""Charging sessions: a set of statements gives one session, whatever the order; nothing impossible is ever billed."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.metering.calendar import HOUR_US, calendar, instant
from ingest.metering.charger_days import RegisterDay, judge_day
from ingest.metering.connectors import judge
from ingest.metering.sessions import LONGEST_US, Charger, Finding, Session, Statement, Version, fold

START = instant(datetime(2026, 3, 2, 2, tzinfo=UTC))
MINUTE = HOUR_US // 60
KWH = 1_000_000
SLOW = Charger(calendar("Asia/Shanghai"), 7_000, (Version(0, 1000, 10, 10**9, HOUR_US),))
FAST = Charger(calendar("Asia/Shanghai"), 120_000, (Version(0, 1000, 10, None, HOUR_US),))


def started(register: int = 230_400_000, **more: Any) -> Statement:
    """A start at `START`."""
    return Statement(more.pop("at", START), register, **more)


def stopped(register: int = 230_420_000, *, minutes: int = 60, energy: int | None = None, start: int = 230_400_000) -> Statement:
    """A stop so many minutes later."""
    return Statement(START, start, START + minutes * MINUTE, register, energy)


def one(*statements: Statement, charger: Charger = FAST, name: str = "S1") -> Session:
    """The session of some statements."""
    return fold(1, name, statements, charger)


def kinds(session: Session) -> list[str]:
    """What was found, in words."""
    return sorted(finding.kind for finding in session.findings)


def test_start_and_stop_are_one_closed_session_with_the_registers_difference() -> None:
    """20 kWh between the registers at both ends."""
    session = one(started(), stopped(energy=19_950))
    assert (session.state, session.quality, session.energy, session.billable) == ("closed", "measured", 20 * KWH, True)
    assert (session.statements, kinds(session), session.reason) == (2, [], None)


def test_a_stop_alone_is_enough() -> None:
    """It repeats the start; the statement of the start may be lost."""
    assert replace(one(stopped()), statements=2) == one(started(), stopped())


def test_an_open_session_has_the_energy_of_its_newest_update_and_is_never_billed() -> None:
    """Without a stop it is open, whatever it stated."""
    session = one(started(), started(session_energy=3_000), started(session_energy=7_500))
    assert (session.state, session.energy, session.quality, session.billable) == ("open", 7_500_000, "stated", False)
    assert one(started()).energy is None


@pytest.mark.parametrize(("energy", "billed"), [(19_900, 19_900_000), (None, None), (400_000, None)])
def test_a_session_that_starts_at_zero_never_bills_the_lifetime_register(energy: int | None, billed: int | None) -> None:
    """The stated energy is billed where it is possible; 400 kWh in an hour at 120 kW is not; nothing is billed where none is."""
    session = one(started(0), stopped(start=0, energy=energy))
    assert session.energy == billed
    assert session.billable == (billed is not None)
    assert "started_at_zero" in kinds(session)
    assert session.quality == ("none" if billed is None else "stated")


def test_a_start_of_zero_that_a_later_statement_corrects_is_not_used() -> None:
    """Zero is what firmware says that knows no register."""
    session = one(started(0), stopped())
    assert (session.energy, session.billable, kinds(session)) == (20 * KWH, True, ["started_at_zero"])


def test_a_counter_of_the_session_alone_is_billed_as_it_counts() -> None:
    """From zero to 19.9 kWh is possible."""
    session = one(started(0), stopped(19_900, start=0))
    assert (session.energy, session.billable, kinds(session)) == (19_900_000, True, [])


@pytest.mark.parametrize(
    ("statements", "found", "energy"),
    [
        ([stopped(230_399_000)], ["no_energy", "register_fell"], None),
        ([stopped(230_399_000, energy=5_000)], ["register_fell"], 5_000_000),
        ([stopped(230_400_000_000, energy=5_000)], ["impossible_energy"], 5_000_000),
        ([stopped(231_000_000)], ["impossible_energy", "no_energy"], None),
        ([Statement(START, 5_000, START + HOUR_US, None, 8_000)], [], 8_000_000),
        ([Statement(START, 5_000, START + HOUR_US, None, None)], ["no_energy"], None),
        ([stopped(energy=30_000)], ["energies_disagree"], 20 * KWH),
        ([stopped(energy=900_000)], ["impossible_stated_energy"], 20 * KWH),
        ([started(session_energy=30_000), stopped()], ["below_update"], 20 * KWH),
    ],
)
def test_what_cannot_be_true_is_found_and_not_used(statements: list[Statement], found: list[str], energy: int | None) -> None:
    """Every doubt is kept with its evidence; energy comes from what is possible."""
    session = one(*statements)
    assert (kinds(session), session.energy) == (found, energy)
    assert session.billable == (energy is not None and "below_update" not in found)


def test_a_register_that_rolls_over_within_a_session_goes_on() -> None:
    """The charger's register shows six digits: 999,995 to 5 is 10 kWh."""
    session = one(started(999_995_000), stopped(5_000, start=999_995_000, minutes=120), charger=SLOW)
    assert (session.energy, session.billable, kinds(session)) == (10 * KWH, True, [])


def test_the_last_stop_corrects_an_earlier_one() -> None:
    """A power failure's stop, and the right one when the charger was back."""
    session = one(started(), stopped(230_405_000, minutes=20, energy=5_000), stopped(energy=20_000))
    assert (session.energy, session.billable, kinds(session)) == (20 * KWH, True, ["stop_corrected"])


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        ([stopped(230_420_000), stopped(230_421_000)], "stops_differ"),
        ([stopped(230_420_000, minutes=30), stopped(230_410_000)], "stops_differ"),
        ([started(), started(at=START + HOUR_US), stopped()], "starts_differ"),
        ([started(), stopped(start=230_401_000)], "start_registers_differ"),
        ([stopped(minutes=-5)], "stop_before_start"),
    ],
)
def test_contradictions_are_disputed_and_never_billed(statements: list[Statement], kind: str) -> None:
    """Nobody here can know which one is right."""
    session = one(*statements)
    assert (session.state, session.reason, session.billable) == ("disputed", kind, False)


def test_a_session_longer_than_the_limit_is_not_billed() -> None:
    """72 hours; it occupies its connector no longer either."""
    session = one(stopped(minutes=73 * 60))
    assert (session.reason, session.billable, session.ends_at) == ("too_long", False, START + LONGEST_US)


def at_minutes(name: str, begins: int, ends: int | None, register: int, kwh: int, start_register: int | None = None) -> Session:
    """A session between two minutes after `START`."""
    start = register if start_register is None else start_register
    stop = None if ends is None else START + ends * MINUTE
    said = Statement(START + begins * MINUTE, start, stop, None if ends is None else register + kwh * 1000)
    return fold(1, name, [said], FAST)


def test_sessions_that_share_a_connector_are_both_disputed() -> None:
    """Two cars cannot hold one connector; a minute is a matter of clocks."""
    sessions = [at_minutes("A", 0, 60, 100_000, 20), at_minutes("B", 30, 90, 120_000, 20), at_minutes("C", 89, 120, 140_000, 5)]
    judged = judge(sessions, FAST)
    assert [session.state for session in judged] == ["disputed", "disputed", "closed"]
    assert [dict(finding.evidence) for finding in judged[0].findings] == [{"sessions": ["B"]}]


def test_a_register_below_the_session_before_is_not_billed_twice() -> None:
    """Its first kWh were billed already."""
    judged = judge([at_minutes("A", 0, 60, 100_000, 20), at_minutes("B", 70, 90, 110_000, 20)], FAST)
    assert [(session.reason, session.billable) for session in judged] == [(None, True), ("below_previous", False)]


def test_an_open_session_that_another_follows_never_stopped() -> None:
    """It held the connector until then at most, and is never billed."""
    judged = judge([at_minutes("A", 0, None, 100_000, 0), at_minutes("B", 70, 90, 110_000, 20)], FAST)
    assert (judged[0].reason, judged[0].state, judged[0].ends_at) == ("never_stopped", "open", START + 70 * MINUTE)
    assert judged[1].billable


STATEMENTS = st.builds(
    Statement,
    st.sampled_from([START, START + MINUTE]),
    st.sampled_from([0, 5_000, 230_400_000]),
    st.none() | st.integers(-60, 6_000).map(lambda minutes: START + minutes * MINUTE),
    st.none() | st.integers(0, 300_000_000),
    st.none() | st.integers(0, 400_000),
)


@given(st.dictionaries(st.sampled_from("ABCD"), st.lists(STATEMENTS, min_size=1, max_size=5), min_size=1), st.randoms())
def test_any_order_and_repetition_of_statements_gives_the_same_sessions(
    said: dict[str, list[Statement]], rng: random.Random
) -> None:
    """A fold over sets: nothing depends on when a statement came, or how often."""

    def derived(shuffle: bool) -> list[Session]:
        sessions = []
        for name in rng.sample(sorted(said), len(said)) if shuffle else said:
            statements = said[name] + (rng.choices(said[name], k=3) if shuffle else [])
            rng.shuffle(statements)
            sessions.append(fold(1, name, statements, FAST))
        return judge(sessions, FAST)

    assert derived(False) == derived(True)


@given(st.lists(STATEMENTS, min_size=1, max_size=6))
def test_nothing_impossible_is_ever_billed(said: list[Statement]) -> None:
    """Never negative, never above the rated power with its tolerance, never without a stop."""
    session = fold(1, "S", said, FAST)
    if session.billable:
        assert session.energy is not None
        assert session.stopped_at is not None
        assert 0 <= session.energy <= FAST.most_micro(session.stopped_at - session.started_at + MINUTE) + 20_000


DAY = calendar("Asia/Shanghai").day(START)
MIDNIGHT = calendar("Asia/Shanghai").day_start(DAY)
WHOLE = 24 * HOUR_US


def session_at(hours: float, lasts: float, kwh: int) -> Session:
    """A session so many hours after midnight."""
    begins = MIDNIGHT + round(hours * HOUR_US)
    return fold(1, f"S{hours}", [Statement(begins, 100_000, begins + round(lasts * HOUR_US), 100_000 + kwh * 1000)], FAST)


def found_of_day(amount_kwh: float, sessions: list[Session], **more: int) -> list[Finding]:
    """What a day comes to."""
    register = RegisterDay(DAY, round(amount_kwh * KWH), more.get("measured", WHOLE))
    return judge_day(FAST, register, sessions, more.get("first", DAY))


@pytest.mark.parametrize(
    ("amount", "sessions", "found"),
    [
        (40, [(9, 1, 20), (14, 1, 20)], []),
        (40.7, [(9, 1, 20), (14, 1, 20)], []),
        (60, [(9, 1, 20), (14, 1, 20)], ["orphan_energy"]),
        (60, [], ["orphan_energy"]),
        (0.9, [], []),
        (0, [(9, 1, 20)], ["register_still"]),
        (10, [(9, 1, 20)], ["register_below_sessions"]),
        (0, [(23.9, 0.5, 20)], []),
        (20, [(23.9, 0.5, 20)], []),
        (45, [(23.9, 0.5, 20), (9, 1, 20)], ["orphan_energy"]),
    ],
)
def test_a_day_of_the_register_is_held_against_its_sessions(
    amount: float, sessions: list[tuple[float, float, int]], found: list[str]
) -> None:
    """What no session took, and what no register shows; around midnight only what is certain."""
    assert [finding.kind for finding in found_of_day(amount, [session_at(*each) for each in sessions])] == found


def test_a_day_that_nobody_can_judge_is_not_judged() -> None:
    """Before the first session the charger may publish none; a register that was not read all day proves nothing."""
    assert [] == found_of_day(60, [], first=DAY + 1)
    assert [] == found_of_day(60, [], measured=WHOLE - 1)
    assert [] == found_of_day(60, [fold(1, "open", [Statement(MIDNIGHT, 100_000)], FAST)])
