"""The writer against a real database: outcomes, what is kept and marked, two writers at once, query plans."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from ingest.errors import Refused
from ingest.intake import AcceptWindow, assess
from ingest.messages import Assessed, Message, Row, SessionRow
from ingest.metering.calendar import HOUR_US, instant
from ingest.storage.connection import Connection
from ingest.storage.quarantine.replay import EVERYTHING, replay, waiting
from ingest.storage.registry import load_registry
from ingest.storage.writer import WARY_BATCHES, Writer, quarantine_key
from tests.databases import Database
from tests.integration.writing import START, conflicts, marks, readings, rejected, said, written
from tests.registries import import_files, institution, meter, write_files

WINDOW = AcceptWindow(back_us=45 * 24 * HOUR_US, ahead_us=HOUR_US // 6)
MAX_PAYLOAD_BYTES = 256 * 1024


async def test_a_mark_says_from_when_to_when_its_hours_have_changed(database: Database, either: Writer) -> None:
    """Only what is new or newly disputed counts: settlement need not look before it, nor behind it."""
    await written(either, said((1, 0.25, 10)))
    await database.run("DELETE FROM metering.mark")
    await written(either, said((1, 0.875, 40), (1, 0.25, 10), (1, 0.5, 20), (1, 0.75, 30), (1, 1.25, 50), (2, 0.5, 1)))

    hour, quarter = START // HOUR_US, HOUR_US // 4
    since, until = [START + 2 * quarter, START + 5 * quarter, START + 2 * quarter], [
        START + 7 * quarter // 2, START + 5 * quarter, START + 2 * quarter]  # fmt: skip
    assert [([1, 1, 2], [hour, hour + 1, hour], since, until)] == await database.rows(
        "SELECT channel, utc_hour, from_us, until_us FROM metering.mark"
    )


# Outcomes


async def test_new_readings_are_stored_and_repeated_ones_are_duplicates(database: Database, either: Writer) -> None:
    """Outcomes come in the order of the messages; a value that is there is a duplicate, in the same batch and in a later one."""
    first = await written(either, said((1, 0, 10)), said((1, 1, 20), (2, 0, 5)), said((1, 0, 10)))
    again = await written(either, said((1, 1, 20), (2, 1, 6)), said((2, 0, 5)))

    assert [("stored", 1, 0, 0), ("stored", 2, 0, 0), ("duplicate", 0, 1, 0)] == first
    assert [("stored", 1, 1, 0), ("duplicate", 0, 1, 0)] == again
    assert [(1, 0, 10), (1, 1, 20), (2, 0, 5), (2, 1, 6)] == await readings(database)
    assert [] == await conflicts(database)


async def test_another_value_under_a_stored_key_is_a_dispute_kept_once(database: Database, either: Writer) -> None:
    """Each distinct other value is a row of its own, the stored one never changes; the same dispute again is a duplicate."""
    await written(either, said((1, 0, 10)))
    disputed = await written(either, said((1, 0, 11)), said((1, 0, 12)), said((1, 0, 11)), said((1, 0, 10)))
    again = await written(either, said((1, 0, 12), (1, 0, 11)))

    assert [("stored", 0, 0, 1), ("stored", 0, 0, 1), ("duplicate", 0, 1, 0), ("duplicate", 0, 1, 0)] == disputed
    assert [("duplicate", 0, 2, 0)] == again
    assert [(1, 0, 10)] == await readings(database)
    assert [(1, 0, 11), (1, 0, 12)] == await conflicts(database)


async def test_two_values_for_one_key_within_a_batch_are_a_dispute(database: Database, either: Writer) -> None:
    """One is stored, the other kept beside it; every reading has exactly one outcome."""
    outcomes = await written(either, said((1, 0, 10)), said((1, 0, 11)), said((1, 0, 10)))

    assert [("stored", 1, 0, 0), ("stored", 0, 0, 1), ("duplicate", 0, 1, 0)] == outcomes
    assert [(1, 0, 10)] == await readings(database)
    assert [(1, 0, 11)] == await conflicts(database)


async def test_of_two_values_in_one_batch_the_one_that_came_first_is_stored(database: Database, either: Writer) -> None:
    """As it would be in two batches, whichever is greater, and in one message too."""
    assert [("stored", 1, 0, 1), ("stored", 0, 0, 1)] == await written(either, said((1, 0, 11), (1, 0, 12)), said((1, 0, 10)))
    assert ([(1, 0, 11)], [(1, 0, 10), (1, 0, 12)]) == (await readings(database), await conflicts(database))


async def test_a_dispute_over_a_stored_zero_is_one(database: Database, either: Writer) -> None:
    """A register that stands at nothing is a value as any other."""
    await written(either, said((1, 0, 0)))
    assert [("stored", 1, 0, 1), ("duplicate", 0, 1, 0)] == await written(either, said((1, 0, 5), (2, 0, 0)), said((1, 0, 0)))
    assert ([(1, 0, 0), (2, 0, 0)], [(1, 0, 5)]) == (await readings(database), await conflicts(database))


async def test_a_rejected_message_is_rejected_whatever_became_of_its_good_readings(database: Database, either: Writer) -> None:
    """The message is kept, its good readings are stored, and counted as readings."""
    outcomes = await written(either, rejected(b"a", (1, 0, 10)), rejected(b"b", (1, 0, 10)), rejected(b"c"))
    assert [("rejected", 1, 0, 0), ("rejected", 0, 1, 0), ("rejected", 0, 0, 0)] == outcomes
    assert [(1, 0, 10)] == await readings(database)


async def test_known_keys_make_the_writer_look_first_in_the_next_batches_and_then_no_more(
    database: Database, writer: Writer
) -> None:
    """Both paths store the same, whichever is taken: through all the wary batches, and beyond them."""
    await writer.write([said((1, 0, 0))])
    for hour in range(1, WARY_BATCHES + 3):
        assert [("stored", 1, 1, 0)] == await written(writer, said((1, hour - 1, hour - 1), (1, hour, hour)))
        assert [("stored", 1, 0, 0)] == await written(writer, said((2, hour, hour)))
    assert [(1, hour, hour) for hour in range(WARY_BATCHES + 3)] == (await readings(database))[: WARY_BATCHES + 3]


async def test_the_extremes_of_a_register_and_of_time_are_stored_exactly(database: Database, either: Writer) -> None:
    """Binary COPY carries every integer below 2^52, negative ones, and instants to the microsecond, before 2000 too."""
    instants = [instant(datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) for year in (1989, 2026, 2090)]
    values = [-(2**52) + 1, 0, 2**52 - 1]
    message = said().message
    await either.write([Assessed(message, [Row(2**31 - 1, at, value, at) for at, value in zip(instants, values, strict=True)])])
    rows = await database.rows("SELECT read_at, value, received_at FROM metering.reading WHERE channel <> 99 ORDER BY read_at")
    assert [(at, value, at) for at, value in zip(instants, values, strict=True)] == [
        (instant(at), value, instant(received)) for at, value, received in rows
    ]


async def test_an_empty_batch_and_a_batch_without_readings_commit(database: Database, writer: Writer) -> None:
    """Nothing to store is no fault, and marks nothing."""
    assert [] == await written(writer)
    assert [("duplicate", 0, 0, 0)] == await written(writer, said())
    assert [] == await marks(database)


# Marks


async def test_marks_are_exactly_the_channel_hours_of_what_changed(database: Database, either: Writer) -> None:
    """New readings and new disputes, each hour once a batch, one row a transaction; duplicates mark nothing."""
    half = START + HOUR_US // 2
    await either.write([said((1, 0, 10), (1, 1, 20), (2, 1, 5)), Assessed(said().message, [Row(1, half, 15, START)])])
    await either.write([said((1, 0, 10), (2, 1, 5))])
    await either.write([said((1, 0, 10), (2, 1, 6), (2, 2, 7))])
    await either.write([said((2, 1, 6))])
    assert [[(1, 0), (1, 1), (2, 1)], [(2, 1), (2, 2)]] == await marks(database)


async def test_readings_and_their_mark_commit_together_or_not_at_all(database: Database, either: Writer) -> None:
    """A transaction that fails at its last statement leaves no reading, conflict or quarantine; written again, it leaves all."""
    await either.write([said((1, 0, 10))])
    await database.run("REVOKE INSERT ON metering.mark FROM meterwarden_writer")
    batch = [said((1, 1, 20)), said((1, 0, 11)), rejected(b"bad")]
    with pytest.raises(Refused, match="42501"):
        await either.write(batch)
    assert ([(1, 0, 10)], []) == (await readings(database), await conflicts(database))
    assert [(0,)] == await database.rows("SELECT count(*) FROM metering.quarantine")
    await database.run("GRANT INSERT ON metering.mark TO meterwarden_writer")
    assert [("stored", 1, 0, 0), ("stored", 0, 0, 1), ("rejected", 0, 0, 0)] == await written(either, *batch)
    assert [(1, 0), (1, 1)] == (await marks(database))[-1]


# Charging sessions and quarantine


async def test_a_statement_about_a_session_is_stored_once_and_a_new_one_beside_it(database: Database, writer: Writer) -> None:
    """The start, the same start again, and the end: two statements; a repeated one makes its message a duplicate."""
    begin = SessionRow(7, "S1", 1, START, 1000, None, None, None, START)
    end = begin._replace(stopped_at=START + HOUR_US, stop_register=3000, session_energy=2000, received_at=START + HOUR_US)
    outcomes = [
        await written(writer, Assessed(said().message, sessions=[begin]), Assessed(said().message, sessions=[begin])),
        await written(writer, Assessed(said().message, sessions=[begin._replace(received_at=START + 5)])),
        await written(writer, Assessed(said().message, sessions=[end])),
        await written(writer, Assessed(said().message, sessions=[end])),
    ]
    assert ["stored", "duplicate", "duplicate", "stored", "duplicate"] == [name for batch in outcomes for name, *_ in batch]
    assert [(1000, None), (1000, 3000)] == await database.rows(
        "SELECT start_register, stop_register FROM metering.session_statement ORDER BY stop_register NULLS FIRST"
    )


async def test_a_rejected_message_is_kept_whole_and_once_by_topic_and_payload(database: Database, writer: Writer) -> None:
    """Bytes as they came, also those no text column would take; the same payload under another topic is another message."""
    payload = bytes(range(256)) * 2
    await writer.write([rejected(payload), rejected(payload), rejected(b""), rejected(payload, topic="t/温度")])
    await writer.write([rejected(payload), rejected(b"")])
    kept = await database.rows("SELECT key, topic, payload FROM metering.quarantine")
    wanted = [Message(topic, one, 1, True, 1, 1, START) for topic, one in (("t", payload), ("t", b""), ("t/温度", payload))]
    rows = sorted((quarantine_key(one), one.topic.encode(), one.payload) for one in wanted)
    assert rows == sorted(tuple(map(bytes, row)) for row in kept)
    assert [(1, True, "decode", "wrong_type", "why", [3], ["I/x/y"])] == await database.rows(
        "SELECT DISTINCT qos, retain, stage, reason, detail, failing, wanted FROM metering.quarantine"
    )


async def test_a_replayed_message_is_judged_by_the_time_it_was_received(database: Database, writer: Writer, tmp_path: Path) -> None:
    """A meter registered months late gets its readings, though no message may be so old today; others stay where they are."""
    received_at = instant(datetime.now(UTC) - timedelta(days=400))
    read_at = datetime.now(UTC) - timedelta(days=400, minutes=5)
    before = Message("metering/I1/electricity/E1/reading", stated(read_at, 12.5), 1, False, 1, 1, received_at)
    too_old = before._replace(payload=stated(read_at - timedelta(days=60), 1.5))
    other = before._replace(topic="metering/I1/electricity/E9/reading")
    empty = await load_registry(database.settings)
    decide = partial(assess, registry=empty, window=WINDOW, max_payload_bytes=MAX_PAYLOAD_BYTES)
    await writer.write(decide([before, other, too_old]))
    assert 0 == await replayed(writer, decide)

    await import_files(database, write_files(tmp_path, [institution()], [meter()]))
    registry = await load_registry(database.settings)
    decide = partial(assess, registry=registry, window=WINDOW, max_payload_bytes=MAX_PAYLOAD_BYTES)
    assert 1 == await replayed(writer, decide)
    assert 0 == await replayed(writer, decide)
    assert [(12_500, received_at)] == [
        (value, instant(at)) for value, at in await database.rows("SELECT value, received_at FROM metering.reading")
    ]
    assert [("too_old", None), ("unknown_meter", None), ("unknown_meter", "replayed")] == await database.rows(
        "SELECT reason, resolution FROM metering.quarantine ORDER BY 1, 2 NULLS FIRST"
    )


async def replayed(writer: Writer, decide: Callable[[Sequence[Message]], list[Assessed]]) -> int:
    """How many of the messages that wait for nothing any more are resolved by a replay."""
    found, _ = await writer.in_transaction(partial(waiting, EVERYTHING))
    return (await replay(writer, decide, found)).resolved


def stated(read_at: datetime, energy_kwh: float) -> bytes:
    """A reading's payload."""
    return json.dumps({"read_at": read_at.isoformat(), "energy_import_kwh": energy_kwh}).encode()


@pytest.mark.parametrize("what", ["a reading", "a rejected message"])
async def test_a_batch_that_is_there_already_is_committed_as_if_it_were_new(writer: Writer, what: str) -> None:
    """A transaction that writes nothing waits for no standby; the one that stored it may have been cut short in that wait."""
    batch = [said((1, 0, 10))] if what == "a reading" else [rejected(b"bad")]
    await writer.write(batch)

    async def again(connection: Connection) -> bool:
        await writer.write_within(connection, batch)
        ((number,),) = await (await connection.execute("SELECT pg_current_xact_id_if_assigned()")).fetchall()
        return number is not None

    assert await writer.in_transaction(again)


@pytest.mark.parametrize(("chosen", "used"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply"), ("local", "local")])
async def test_a_commit_is_on_disk_however_the_server_is_tuned(database: Database, writer: Writer, chosen: str, used: str) -> None:
    """`synchronous_commit = off` answers a commit before it is on disk: an acknowledgement would promise too much."""
    await database.run(f"ALTER DATABASE {database.name} SET synchronous_commit = '{chosen}'")

    async def shown(connection: Connection) -> str:
        ((setting,),) = await (await connection.execute("SHOW synchronous_commit")).fetchall()
        return str(setting)

    assert used == await writer.in_transaction(shown)
