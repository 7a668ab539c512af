"""What the writer works out by itself: the order in which rows are locked, and what became of each message."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.messages import Assessed, Message, Outcome, Rejected, Row, SessionRow
from ingest.storage.outcomes import outcomes, outcomes_of_new
from ingest.storage.readings import CHUNK_US, in_lock_order
from ingest.storage.writer import first_of_each_key, rows_in_order

MESSAGE = Message("t", b"", 1, False, 1, 1, 0)
SESSION = SessionRow(1, "S", 1, 0, 0, None, None, None, 0)

keys = st.sets(st.tuples(st.integers(1, 5), st.integers(-2 * CHUNK_US, 2 * CHUNK_US)), max_size=12)


@given(keys)
def test_rows_are_locked_chunk_by_chunk_and_in_key_order_within_one(some: set[tuple[int, int]]) -> None:
    """As every worker locks them: two that write the same keys never wait for each other in a circle."""
    rows = [Row(channel, at, 7, 0) for channel, at in sorted(some)]

    assert sorted(rows, key=lambda row: (row.read_at // CHUNK_US, row)) == list(in_lock_order(rows))


@given(st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(-2, 2), st.integers(0, 2)), max_size=4), max_size=5))
def test_rows_come_in_key_order_and_the_first_of_each_key_is_the_first_that_came(some: list[list[tuple[int, int, int]]]) -> None:
    """Messages in their order, readings in theirs."""
    batch = [Assessed(MESSAGE, [Row(*one, place) for place, one in enumerate(message)]) for message in some]
    came: dict[tuple[int, int], Row] = {}
    for row in (row for assessed in batch for row in assessed.rows):
        came.setdefault((row.channel, row.read_at), row)
    rows = rows_in_order(batch)

    assert sorted(row for assessed in batch for row in assessed.rows) == sorted(rows)
    assert [came[key] for key in sorted(came)] == list(first_of_each_key(rows))


@given(keys, st.lists(st.sampled_from(["rows", "rejected", "both", "session", "nothing"]), max_size=8))
def test_where_all_is_new_outcomes_are_those_that_look_at_every_row(some: set[tuple[int, int]], kinds: list[str]) -> None:
    """The short way for the usual batch says nothing else than the long one."""
    rejected, left = Rejected("decode", "wrong_type", "why"), [Row(*key, 7, 0) for key in some]
    batch = []
    for kind in kinds:
        rows = [left.pop() for _ in range(min(2, len(left)))] if kind in ("rows", "both") else []
        refused = rejected if kind in ("rejected", "both") else None
        batch.append(Assessed(MESSAGE, rows, [SESSION] if kind == "session" else (), refused))
    stored = {row for assessed in batch for row in assessed.rows}

    assert outcomes(batch, stored, set(), {SESSION}) == outcomes_of_new(batch, {SESSION})


def test_a_session_statement_is_new_once() -> None:
    """The second message that brings it is a duplicate."""
    batch = [Assessed(MESSAGE, sessions=[SESSION]) for _ in range(2)]

    assert [Outcome("stored"), Outcome("duplicate")] == outcomes_of_new(batch, {SESSION})
