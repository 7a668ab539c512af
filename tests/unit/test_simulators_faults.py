"""Faults: seeded, at their rates, and the truth stays what it is."""

import hashlib
import itertools
from collections import Counter
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import faults, fleet, malformed, mishaps, run, stream
from simulators.faults import Rates
from simulators.gateway import Outages
from simulators.messages import Fate, Message, Outcome
from simulators.mishaps import Kind, Mishap, Struck
from simulators.month import HOUR_SECONDS, Month
from simulators.scenario import Scenario

MONTH = Month(2026, 2)
FLEET = fleet.build(10, 5, MONTH)
OF_MESSAGES = ("drop", "duplicates", "late", "reorder", "retained", "malformed", "garbage", "identity_mismatch", "conflict")
RATES = st.builds(Rates, **{name: st.floats(0, 1) for name in OF_MESSAGES})


@cache
def good() -> tuple[Message, ...]:
    return tuple(message for message in stream.messages(run.build(FLEET, Scenario(), 5)) if message.is_good)


def digest(messages: list[Message]) -> str:
    """One hash over everything that is published, in order."""
    whole = hashlib.sha256()
    for message in messages:
        whole.update(b"%d\0%s\0%d\0%s\0" % (message.send_at_s, message.topic.encode(), message.retain, message.payload))
    return whole.hexdigest()


def content(messages: list[Message] | tuple[Message, ...]) -> Counter[tuple[str, bytes]]:
    return Counter((message.topic, message.payload) for message in messages)


def test_the_same_seed_publishes_the_same_bytes() -> None:
    """Byte for byte, in the same order, every fault included; another seed publishes others."""
    rates = Rates(**dict.fromkeys(OF_MESSAGES, 0.05), clock_skew=0.3, dip=0.01, spike=0.01)
    scenario = Scenario(rates=rates, outages=Outages(0.1, blackout=0.5))

    def published(seed: int) -> str:
        of = fleet.build(6, seed, MONTH)
        return digest(list(faults.inject(stream.messages(run.build(of, scenario, 4)), rates, seed, of.codes)))

    assert published(3) == published(3)
    assert published(3) != published(4)


@given(RATES, st.integers(0, 99))
def test_faults_never_alter_the_truth(rates: Rates, seed: int) -> None:
    """Whatever the rates, every good message is still in the stream, sent or dropped, and with the same readings."""
    before = good()[:300]
    after = list(faults.inject(before, rates, seed, FLEET.codes))
    kept = [message for message in after if message.outcome in (Outcome.STORED, Outcome.DROPPED)]
    assert set(content(kept)) == set(content(before))
    assert {reading for message in kept for reading in message.readings} == {each for one in before for each in one.readings}
    assert not any(message.readings for message in after if message.outcome is Outcome.REJECTED)
    assert all(message.reason is not None for message in after if message.outcome is Outcome.REJECTED)


@given(RATES, st.integers(0, 99))
def test_a_contradiction_follows_what_it_contradicts(rates: Rates, seed: int) -> None:
    """So that the value kept as the reading is the one the ledger says; of a dropped message nothing follows."""
    seen: set[tuple[int, int]] = set()
    for message in faults.inject(good()[:300], rates, seed, FLEET.codes):
        keys = {(device.number, at) for device, at, _ in message.readings}
        if message.outcome is Outcome.DISPUTED:
            assert keys <= seen
        elif message.outcome is Outcome.STORED:
            seen |= keys


def test_dropped_messages_are_marked_and_nothing_else() -> None:
    """At the rate; no other fault strikes them."""
    after = list(faults.inject(good(), Rates(drop=0.1, duplicates=1.0), 1, FLEET.codes))
    dropped = [message for message in after if message.outcome is Outcome.DROPPED]
    assert 0.05 < len(dropped) / len(good()) < 0.15
    assert max(content(dropped).values()) == 1
    assert {message.fate for message in dropped} == {Fate.DROPPED}


def test_late_messages_are_held_back_one_to_48_hours() -> None:
    """And no message is lost or doubled by it; what is sent stays in order of the simulated clock."""
    sent = list(faults.late(good(), 0.3, Random(1)))
    due = {(message.topic, message.payload): message.send_at_s for message in good()}
    held = [message.send_at_s - due[message.topic, message.payload] for message in sent]
    assert content(sent) == content(good())
    assert set(held) <= {hours * HOUR_SECONDS for hours in range(49)}
    assert max(held) > 40 * HOUR_SECONDS
    assert [message.send_at_s for message in sent] == sorted(message.send_at_s for message in sent)


def test_reordered_messages_let_later_ones_of_their_sender_pass() -> None:
    """At most five, and none is lost."""
    sent = list(faults.reorder(good(), 0.2, Random(1)))
    assert content(sent) == content(good())
    for sender in FLEET.codes:
        before = [message.payload for message in good() if message.sender == sender]
        after = [message.payload for message in sent if message.sender == sender]
        assert before != after
        assert max(after.index(payload) - at for at, payload in enumerate(before)) <= faults.MOST_PASSED_BY


def test_a_duplicate_has_the_same_bytes_and_follows_the_first() -> None:
    """The rate is met; half come at once, half hours later."""
    sent = list(faults.duplicates(good(), 0.1, Random(2)))
    counts = content(sent)
    again = [message for message in sent if counts[message.topic, message.payload] == 2][1::2]
    assert set(counts.values()) == {1, 2}
    assert 0.08 < (len(sent) - len(good())) / len(good()) < 0.12
    assert again


def test_malformed_messages_follow_the_one_they_were_made_from() -> None:
    """So that the good reading in a half-bad batch is stored already; all kinds take turns."""
    sent = list(faults.extras(good(), 0.05, Random(3), malformed.KINDS, FLEET.codes))
    extra = [(before, message) for before, message in itertools.pairwise(sent) if message.reason]
    assert [message.reason for _, message in extra[: len(malformed.KINDS)]] == [kind.reason for kind in malformed.KINDS]
    assert all(before.sender == message.sender and before.reason is None for before, message in extra)


def test_a_retained_leftover_is_published_once() -> None:
    """The flag is all that changes."""
    sent = list(faults.retained(good(), 0.2, Random(4)))
    assert content(sent) == content(good())
    assert 0.1 < sum(message.retain for message in sent) / len(sent) < 0.3


def test_one_rate_does_not_move_the_faults_of_another() -> None:
    """Each layer has its own chance."""
    alone = faults.inject(good(), Rates(drop=0.1), 1, FLEET.codes)
    together = faults.inject(good(), Rates(drop=0.1, retained=0.5), 1, FLEET.codes)
    assert [message.outcome for message in alone] == [message.outcome for message in together]


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 40), st.integers(2, 200), st.integers(0, 99))
def test_outages_are_apart_and_end_within_the_time(rate: float, blackout: float, most: int, hours: int, seed: int) -> None:
    """So that every backlog is sent, and every will has a birth before it."""
    windows = Outages(rate, (1, most), blackout).windows(3, hours, seed)
    assert all(1 <= window.start < window.stop <= hours for window in windows)
    assert all(a.stop < b.start for a, b in itertools.pairwise(windows))


def test_a_backlog_comes_in_a_burst_after_birth_and_loses_nothing() -> None:
    """Will, silence, birth with a new `connected_at`, then everything collected, in order and at once."""
    quiet = run.build(FLEET, Scenario(), 5)
    dark = run.build(FLEET, Scenario(outages=Outages(blackout=1.0, blackout_from_hour=30, blackout_hours=20)), 5)
    sent = list(stream.messages(dark))
    assert content([each for each in sent if each.is_good]) == content([each for each in stream.messages(quiet) if each.is_good])
    statuses = [message for message in sent if message.outcome is Outcome.STATUS and message.sender == "XN-0001"]
    assert [b'"online"' in message.payload for message in statuses] == [True, False, True]
    born, will, again = statuses
    assert born.payload.replace(b"online", b"offline") == will.payload != again.payload.replace(b"online", b"offline")
    backlog = [message for message in sent if message.fate is Fate.BACKLOG and message.sender == "XN-0001"]
    assert len(backlog) == 20
    assert {message.send_at_s for message in backlog} == {again.send_at_s}
    assert not [m for m in sent if m.sender == "XN-0001" and will.send_at_s < m.send_at_s < again.send_at_s]


def test_clocks_stay_inside_the_accept_window() -> None:
    """At most five minutes off at first and a few seconds a day; nothing is stamped before the month begins."""
    skewed = run.build(FLEET, Scenario(rates=Rates(clock_skew=1.0)))
    readings = [reading for message in stream.messages(skewed) for reading in message.readings]
    assert all(device.is_off for device in skewed.devices)
    assert min(at for _, at, _ in readings) >= MONTH.start_s
    assert max(at for _, at, _ in readings) <= MONTH.end_s + 420


@pytest.mark.parametrize("kind", Kind)
@given(rate=st.floats(0.001, 1), seed=st.integers(0, 99))
def test_mishaps_keep_clear_of_each_other_and_of_both_ends(kind: Kind, rate: float, seed: int) -> None:
    """A single wrong value has right neighbours, so that it is certain what becomes of it."""
    planned = mishaps.plan({kind: rate}, 700, str(seed))
    ends = [(mishap.first, mishap.first + max(mishap.lasts, 1)) for mishap in planned]
    assert all(first >= mishaps.KEPT_CLEAR and last + mishaps.KEPT_CLEAR <= 702 for first, last in ends)
    assert all(b[0] - a[1] >= mishaps.KEPT_CLEAR - 1 for a, b in itertools.pairwise(ends))


STEPS = np.arange(1_000, 1_100, dtype=np.int64)


@pytest.mark.parametrize(
    ("kind", "lasts", "expected"),
    [
        (Kind.DIP, 1, [1010, 505, 1012]),
        (Kind.SPIKE, 1, [1010, 1011 + 98_989 * 500 // 1000, 1012]),
        (Kind.FREEZE, 3, [1010, 1011, 1011, 1011, 1014]),
        (Kind.UNIT_SLIP, 1, [1010, 11_000, 1012]),
        (Kind.RESET, 0, [1010, 0, 1, 2]),
        (Kind.EXCHANGE, 0, [1010, 25_000, 25_001]),
    ],
)
@pytest.mark.parametrize("cut", [5, 11, 12, 100])
def test_a_mishap_changes_what_is_shown(kind: Kind, lasts: int, expected: list[int], cut: int) -> None:
    """From its reading on, the same in however many stretches the register is read."""
    struck = Struck([Mishap(kind, 11, lasts, 500)], 100_000)
    shown = [*struck.show(0, STEPS[:cut]), *struck.show(cut, STEPS[cut:])]
    assert shown[10 : 10 + len(expected)] == expected
