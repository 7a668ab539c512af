"""How long the oldest mark has waited, from numbers alone."""

import random

from ingest.marks import STEP_SECONDS, Marks


def test_nothing_waits() -> None:
    """No mark has no age, before and after there was one."""
    marks = Marks()
    assert marks.age_seconds(None, None, 0) == 0
    assert marks.age_seconds(5, 7, 10) == 0
    assert marks.age_seconds(None, None, 500) == 0
    assert marks.age_seconds(8, 9, 600) == 0


def test_a_mark_that_stays_grows_old_whatever_comes_after_it() -> None:
    """The age is that of the oldest, however many newer ones there are."""
    marks = Marks()
    assert [marks.age_seconds(5, 5 + at, at) for at in (0, 60, 120, 3600)] == [0, 60, 120, 3600]


def test_a_backlog_that_is_worked_off_becomes_younger() -> None:
    """Once the first are settled, the age is that of the next."""
    marks = Marks()
    for at in (0, 60, 120):
        marks.age_seconds(1, at + 1, at)
    assert marks.age_seconds(2, 121, 180) == 120  # numbers up to 61 were first seen after a minute
    assert marks.age_seconds(62, 121, 180) == 60
    assert marks.age_seconds(122, 200, 180) == 0


def test_the_age_is_never_above_the_truth_and_hardly_below_it(seed: int) -> None:
    """Marks come and are settled in order, at random; each look is compared with when the oldest was truly made."""
    chance = random.Random(seed)
    marks, made_at, oldest, now = Marks(), [0.0], 0, 0.0
    for _ in range(2000):
        now += chance.uniform(0.5, 5)
        made_at += [now] * chance.randrange(4)
        oldest = min(oldest + chance.randrange(4), len(made_at))
        waiting = oldest < len(made_at)
        age = marks.age_seconds(oldest if waiting else None, len(made_at) - 1 if waiting else None, now)
        truth = now - made_at[oldest] if waiting else 0.0
        assert truth - STEP_SECONDS - 5 <= age <= truth
