"""The quarantine's pure parts: filters, escapes, layout, hints, scans, caps."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.commands.columns import fitted, layout, width
from ingest.commands.quarantine import record
from ingest.commands.quarantine.escaped import KEPT, escaped, escaped_bytes, hex_dump
from ingest.commands.quarantine.hints import HINTS, hint
from ingest.commands.quarantine.options import moment_of
from ingest.commands.quarantine.replay import said
from ingest.errors import Reason
from ingest.storage.quarantine.caps import ANY_SIZE, ANY_TIME, Caps, Excess, Held, excess
from ingest.storage.quarantine.filters import Filter, MeterPath, names_meter
from ingest.storage.quarantine.found import CHUNK_BYTES, Found
from ingest.storage.quarantine.kept import Kept
from ingest.storage.quarantine.replay import EVERYTHING, Tally
from ingest.warden import FULL_SCAN_SECONDS, Scan

E1 = MeterPath("I1", "electricity", "E1")
NOW = datetime(2026, 10, 1, tzinfo=UTC)


# What is shown


@given(st.binary())
def test_any_bytes_are_printable_once_escaped(content: bytes) -> None:
    """On one line, whatever they are."""
    assert escaped_bytes(content).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 电表, é", "plain, 电表, é"),
        ("\x1b[31m\0\x7f\x9b", "\\x1b[31m\\x00\\x7f\\x9b"),
        ("\u202e\u2028", "\\u202e\\u2028"),
        ("\U000e0041", "\\U000e0041"),
        ("a\r\nb\tc", "a\\x0d\nb\tc"),
    ],
)
def test_what_would_move_the_terminal_is_escaped(text: str, shown: str) -> None:
    """Control characters of both sets, direction marks, separators, tags; a payload keeps its line ends and tabs."""
    assert shown == escaped(text, KEPT)


def test_a_hex_dump_has_sixteen_bytes_a_line_with_position_and_ascii() -> None:
    """As `hexdump -C` prints it."""
    assert [
        "00000000  ff fe 1b 5b 33 31 6d 20 41 42 43 44 45 46 47 48  |...[31m ABCDEFGH|",
        "00000010  00                                               |.|",
    ] == hex_dump(b"\xff\xfe\x1b[31m ABCDEFGH\0")


@given(st.text(), st.integers(1, 40))
def test_text_fits_its_column_exactly(text: str, room: int) -> None:
    """Cut or filled up, in a terminal's columns, of which a Chinese character takes two."""
    assert room == width(fitted(text, room))


def test_a_table_is_as_wide_as_the_terminal() -> None:
    """Topic and detail share what the short columns leave; neither is wider than it needs where the other has use for it."""
    row = ["1234", "2026-10-01 08:00:00", "malformed_json", "99", "t" * 100, "d" * 100]
    assert 120 == sum(layout([row], 120)) + 2 * 5
    assert [4, 19, 14, 2, 10, 61] == layout([[*row[:4], "t" * 10, row[5]]], 120)
    assert [4, 19, 14, 2, 66, 5] == layout([[*row[:5], "d" * 5]], 120)
    assert [16, 16] == layout([row], 20)[-2:]


def test_a_message_as_json_is_ascii_and_holds_its_bytes() -> None:
    """Text where it is UTF-8, base64 always."""
    message = Kept(1, b"\x01", b"\xff", "电".encode(), 3, 1, False, NOW, "decode", "wrong_type", "\x9b", [0], [], None, None)
    line = record.line(message)
    assert line.isascii()
    found = json.loads(line)
    assert (None, "/w==", "电", "55S1") == tuple(
        found[name] for name in ("topic", "topic_base64", "payload_text", "payload_base64")
    )


@pytest.mark.parametrize("language", ["C.UTF-8", "zh_CN.UTF-8"])
def test_every_reason_has_a_hint_in_both_languages(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """What to do next, with the message's own number where a command takes it."""
    monkeypatch.setenv("LC_ALL", language)
    assert set(HINTS) == set(Reason)
    for reason in [*Reason, "reason_of_another_version"]:
        text = hint(reason, 77)
        assert "{" not in text
        assert any("一" <= char <= "鿿" for char in text) == (language == "zh_CN.UTF-8")
    assert "replay 77" in hint(Reason.TOO_OLD, 77)


def test_a_replay_says_what_became_of_every_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolved, still rejected by reason, skipped."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    tally = Tally(3)
    tally.still.update({"too_old": 2, "wrong_type": 1000})
    tally.add(Tally(skipped=4))
    assert 1009 == len(tally)
    assert said(tally) == (
        "resolved: 3; still rejected: 1,002 (wrong_type 1,000, too_old 2); skipped, resolved already or in another's hands: 4"
    )


# What is looked for


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (b'{"readings": [{"medium": "electricity", "meter": "E1"}]}', True),
        (b'{"readings": [1, {"meter": "\\u0045\\u0031"}]}', True),
        (b'[{"meter": "E1", "medium": 5}]', True),
        (b'{"readings": [{"medium": "water", "meter": "E1"}]}', False),
        (b'{"readings": [{"medium": "electricity", "meter": "E11"}]}', False),
        (b'{"readings": {"meter": "E1"}}', False),
        (b'{"readings": [{"meter": "E2", "note": "E1"}]}', False),
        (b'{"readings": [{"meter": "E1", "read', True),
        (b'\xff "E1" \0', True),
        (b'\xff "E11" E1', False),
        (b"[" * 100_000, False),
        (b"", False),
        (b"null", False),
    ],
)
def test_a_batch_names_a_meter_in_one_of_its_readings_or_torn_in_quotes(payload: bytes, names: bool) -> None:
    """JSON is read; what is none is searched for the code in quotation marks."""
    assert names == names_meter(payload, E1)


@given(st.binary())
def test_no_payload_makes_the_search_fail(payload: bytes) -> None:
    """Whatever a gateway sent."""
    assert names_meter(payload, E1) in (True, False)


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("2026-10-01T08:00:00+08:00", False, datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T00:00:00Z", True, datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01", False, datetime(2026, 10, 1).astimezone()),
        ("2026-12-31", True, datetime(2027, 1, 1).astimezone()),
    ],
)
def test_a_day_is_the_machines_own_and_until_includes_it(text: str, end: bool, expected: datetime) -> None:
    """A time says its offset itself."""
    assert expected == moment_of(text, end=end)


@pytest.mark.parametrize("text", ["2026-10-01T08:00:00", "yesterday", "", "2026-13-01", "9999-12-31"])
def test_a_time_without_offset_is_refused(text: str) -> None:
    """Nobody knows which instant it means; nor what lies after the end of time."""
    with pytest.raises((ValueError, OverflowError)):
        moment_of(text, end=True)


def test_a_filter_that_says_no_more_than_everything_does_not_narrow() -> None:
    """A purge wants `--all` then; only what is resolved is a filter."""
    assert [False, False] == [Filter(state="open").narrows, Filter(state="all").narrows]
    assert Filter(state="resolved").narrows
    assert Filter(reasons=("too_old",), since=NOW).narrows
    assert "reason=too_old since=2026-10-01T00:00:00+00:00 state=open" == str(Filter(reasons=("too_old",), since=NOW))
    assert "ids=1,2 meter=I1/electricity/E1 state=all" == str(Filter((1, 2), meter=E1, state="all"))


def test_chunks_hold_every_number_once_and_few_where_messages_are_large() -> None:
    """At least one each, however large."""
    found = Found()
    for number, size in enumerate([10, CHUNK_BYTES - 10, 1, 2 * CHUNK_BYTES, 5, 5]):
        found.add(number, size)
    assert [[0, 1], [2], [3], [4, 5]] == list(found.chunks())
    assert [4] == found.chunk(4, 1)
    assert [] == found.chunk(6)


# What is scanned, what goes


def test_everything_is_scanned_when_the_registry_moves_and_every_ten_minutes() -> None:
    """In between only what was recorded since."""
    scan = Scan()
    assert EVERYTHING == scan.begin(7, 1000.0)
    scan.end(7, EVERYTHING, "500", 1000.0)
    assert "500" == scan.begin(7, 1010.0)
    scan.end(7, "500", "600", 1010.0)
    assert EVERYTHING == scan.begin(8, 1020.0)
    assert ["600", EVERYTHING] == [scan.begin(7, 1000.0 + FULL_SCAN_SECONDS - 1), scan.begin(7, 1000.0 + FULL_SCAN_SECONDS)]


def test_a_scan_that_did_not_end_is_done_again() -> None:
    """With a registry that moved meanwhile the version before it counts."""
    scan = Scan()
    begun = scan.begin(7, 0.0)
    assert EVERYTHING == scan.begin(7, 1.0)
    scan.end(7, begun, "500", 0.0)
    assert EVERYTHING == scan.begin(8, 2.0)


CAPS = Caps(100 * 2**20, timedelta(days=400))


def test_what_is_resolved_goes_before_what_is_open() -> None:
    """First what is too old, then what is too much; below the caps nothing but what is too old."""
    before = NOW - CAPS.age
    too_old = [Excess(state, before, ANY_SIZE, "older than 400 days") for state in ("resolved", "open")]
    assert too_old == list(excess(Held(CAPS.bytes, None), CAPS, NOW))
    too_much = [Excess(state, ANY_TIME, 7, "more than 100 MiB") for state in ("resolved", "open")]
    assert [*too_old, *too_much] == list(excess(Held(CAPS.bytes + 7, None), CAPS, NOW))


@pytest.mark.parametrize(
    ("size", "oldest", "ratio"),
    [(0, None, 0), (CAPS.bytes // 2, None, 0.5), (CAPS.bytes // 2, NOW - timedelta(days=320), 0.8), (2 * CAPS.bytes, NOW, 2)],
)
def test_the_fill_ratio_is_the_highest_of_size_and_age(size: int, oldest: datetime | None, ratio: float) -> None:
    """Of the oldest open message: the age of the others endangers nothing."""
    assert ratio == Held(size, oldest).fill_ratio(CAPS, NOW)
