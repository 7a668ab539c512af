"""`meterwarden quarantine` against a real database: any bytes can be found, read, replayed, deleted and exported."""

import base64
import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.intake import AcceptWindow, assess
from ingest.messages import Message
from ingest.metering.calendar import HOUR_US, instant
from ingest.storage.registry import load_registry
from ingest.storage.writer import Writer
from schemas.topics import charger_session, gateway_readings
from tests.databases import Database
from tests.published import RECENT, at, expected, reading, readings, stored, topic
from tests.registries import import_files, institution, meter, write_files

ESC, CSI = "\x1b", "\x9b"
HOSTILE = {
    "NUL": b'{"read_at": "\0"}',
    "no UTF-8": b"\xff\xfe\x80 garbage",
    "ANSI": b"\x1b[2J\x1b]0;title\x07\x1b[31mred",
    "C1": "\x9b31m\u202e right to left".encode(),
    "Chinese": "电表".encode(),
    "large": b'{"readings": [' + b"1," * 100_000,
    "empty": b"",
}
WINDOW = AcceptWindow(45 * 24 * HOUR_US, HOUR_US // 6)
Run = Callable[..., Result]


@pytest.fixture
def run(database: Database) -> Run:
    """The command with the writer's environment, in a thread of its own, as it starts a loop of its own; more settings by name."""

    def quarantine(*arguments: object, stdin: str = "", **settings: object) -> Result:
        environment: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("METERWARDEN_"))
        environment |= {"METERWARDEN_DATABASE__URL": database.writer_url, "LC_ALL": "C.UTF-8"}
        environment |= {name: str(value) for name, value in settings.items()}
        command = partial(CliRunner().invoke, main, ["quarantine", *map(str, arguments)], stdin, environment)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(command).result(300)

    return quarantine


def done(result: Result) -> str:
    """What a command said that succeeded, and that nothing in it could move a terminal's cursor."""
    assert result.exit_code == 0, result.output
    assert not re.search(r"[^\n\t -~\xa0-\u2029\u202f-\U0010ffff]", result.stdout), "control characters"
    return result.stdout


def refused(result: Result) -> str:
    """What a command said that did not succeed, without a traceback."""
    assert result.exit_code != 0, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    return result.stderr


async def reject(database: Database, *messages: tuple[str, bytes], received_at: datetime | None = None) -> None:
    """Messages through intake's own decision, numbered in their order: a transaction each, as received at an instant."""
    registry = await load_registry(database.settings)
    arrived = instant(received_at or RECENT + timedelta(hours=1))
    batch = [Message(to, payload, 1, False, 1, 1, arrived) for to, payload in messages]
    writer = Writer(database.settings)
    for assessed in assess(batch, registry, WINDOW, 256 * 1024):
        await writer.write([assessed])
    await writer.close()


@pytest.fixture
async def code(database: Database, tmp_path: Path) -> str:
    """An institution with meter E1 under gateway G1."""
    await register(database, tmp_path)
    return "I1"


async def register(database: Database, tmp_path: Path, *meters: dict[str, Any]) -> None:
    """E1 and more meters of I1."""
    directory = tmp_path / f"registry-{len(list(tmp_path.iterdir()))}"
    await import_files(database, write_files(directory, [institution("I1")], [meter(of="I1"), *meters]))


async def keep_raw(database: Database, to: bytes, payload: bytes, detail: str = "", wanted: tuple[str, ...] = ()) -> int:
    """A row as no broker would deliver it: a topic of any bytes, words with control characters."""
    rows = await database.rows(
        """INSERT INTO metering.quarantine
               (key, topic, payload, qos, retain, received_at, stage, reason, detail, failing, wanted)
           VALUES (sha256(%s::bytea || %s::bytea), %s, %s, 1, false, %s, 'decode', 'malformed_json', %s, '{}', %s)
           RETURNING quarantine""",
        to, payload, to, payload, RECENT, detail, list(wanted),
    )  # fmt: skip
    return int(rows[0][0])


async def states(database: Database) -> list[tuple[str, str]]:
    """Reason and resolution of every message, in order."""
    return [tuple(row) for row in await database.rows(  # type: ignore[misc]
        "SELECT reason, coalesce(resolution, 'open') FROM metering.quarantine ORDER BY quarantine")]  # fmt: skip


def ids(run: Run, *arguments: object) -> list[int]:
    """The numbers that a filter lists."""
    return [json.loads(line)["id"] for line in done(run("list", "--json", *arguments)).splitlines()]


# Any bytes


@pytest.mark.parametrize("kind", HOSTILE)
async def test_any_payload_and_topic_can_be_listed_shown_exported_replayed_and_deleted(
    database: Database, run: Run, kind: str
) -> None:
    """Nothing of a message reaches the terminal but printable characters, and its bytes come out of an export as they were."""
    payload, to = HOSTILE[kind], b"metering/\x1b[2J/\xff\0/\xc2\x9b"
    number = await keep_raw(database, to, payload, f"bad {ESC}[31m {CSI} \u202e", (f"I1/{ESC}/E1",))
    table = done(run("list"))
    assert "\\x1b[2J" in table
    assert "\\u202e" in table
    assert f"payload ({len(payload):,} bytes" in done(run("show", number))
    exported = json.loads(done(run("export", "-")))
    assert (to, payload) == tuple(base64.b64decode(exported[name]) for name in ("topic_base64", "payload_base64"))
    assert "still rejected: 1" in done(run("replay"))
    assert [number] == ids(run)
    assert "deleted: 1 messages" in done(run("purge", number, "--because", "test", "--yes"))
    assert [] == ids(run, "--state", "all")


async def test_the_view_of_readers_shows_a_topic_that_is_no_text(database: Database) -> None:
    """One such row does not take the others with it."""
    await keep_raw(database, b"\xff/\0", b"")
    await keep_raw(database, "metering/机构".encode(), b"")
    assert [("\\377/\\000",), ("metering/机构",)] == await database.rows("SELECT topic FROM meterwarden.quarantine ORDER BY id")


# Filters


async def test_the_meter_filter_finds_its_topics_what_wanted_it_and_gateways_batches_that_name_it(
    database: Database, run: Run, code: str
) -> None:
    """Its own topics, sessions too; batches of its gateway by what is in them, whether it is JSON or not; and nothing else."""
    item = {"read_at": at(0).isoformat(), "energy_import_kwh": "bad", "medium": "electricity"}
    batch = partial(gateway_readings, code)
    escaped = json.dumps({"readings": [{**item, "meter": "E_7"}]}).replace("E_7", "\\u0045_7").encode()
    messages = {
        "own": (topic(code, "E_7"), b"{"),
        "prefix": (topic(code, "E_77"), b"{"),
        "wildcard": (topic(code, "EX7"), b"{"),
        "named": (batch("G1"), json.dumps({"readings": [{**item, "meter": "E1"}, {**item, "meter": "E_7"}]}).encode()),
        "escaped": (batch("G2"), escaped),
        "torn": (batch("G3"), b'{"readings": [{"medium": "electricity", "meter": "E_7", "rea'),
        "other medium": (batch("G1"), json.dumps({"readings": [{**item, "medium": "water", "meter": "E_7"}]}).encode()),
        "only mentioned": (batch("G1"), json.dumps({"readings": [{**item, "meter": "E_77", "note": "E_7"}]}).encode()),
        "other institution": (gateway_readings("I2", "G1"), json.dumps({"readings": [{**item, "meter": "E_7"}]}).encode()),
        "session": (charger_session(code, "E_7"), b"{"),
    }
    await reject(database, *messages.values())
    wanted = await keep_raw(database, b"elsewhere", b"", wanted=("I1/electricity/E_7/energy_export_kwh",))
    number = dict(zip(messages, ids(run), strict=False))
    assert sorted([number[name] for name in ("own", "named", "escaped", "torn")] + [wanted]) == ids(
        run, "--meter", "I1/electricity/E_7"
    )
    assert [number["torn"], number["session"]] == ids(run, "--meter", "I1/charger/E_7")  # a torn batch names no medium any more
    assert [number["other institution"]] == ids(run, "--institution", "I2")
    assert [] == ids(run, "--institution", "I_")


async def test_reasons_times_states_and_limits_narrow_what_is_listed(database: Database, run: Run, code: str) -> None:
    """A day is the machine's own; until a day includes it; the newest are kept and stand last."""
    first, second = (datetime.fromisoformat(f"2026-10-0{day}T12:00:00").astimezone() for day in (1, 2))
    await reject(database, (topic(code), b"{"), (topic(code, "E2"), reading(0)), received_at=first)
    await reject(database, (topic(code), b"[1]"), received_at=second)
    one, two, three = ids(run)
    assert [one] == ids(run, "--reason", "malformed_json")
    assert [one, three] == ids(run, "--reason", "malformed_json", "--reason", "wrong_type")
    assert [three] == ids(run, "--since", "2026-10-02") == ids(run, "--since", second.isoformat()) == ids(run, "--limit", 1)
    assert [one, two] == ids(run, "--until", "2026-10-01") == ids(run, "--until", second.isoformat())
    await database.run("UPDATE metering.quarantine SET resolved_at = now(), resolution = 'replayed' WHERE quarantine = %s", two)
    assert [[one, three], [two], [one, two, three]] == [ids(run, "--state", state) for state in ("open", "resolved", "all")]
    assert [two] == ids(run, two)
    table = done(run("list", "--state", "all", COLUMNS="100")).splitlines()
    assert all(len(line) <= 100 for line in table[:-1])
    assert table[-1].startswith("3 of 3 shown, 1 resolved")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", 9), "not in quarantine: 9"),
        (("replay", 9), "not in quarantine: 9"),
        (("list", "--meter", "E1"), "INSTITUTION/MEDIUM/METER"),
        (("list", "--since", "2026-10-01T08:00:00"), "with its offset"),
        (("list", "--reason", "bad"), "unknown_meter"),
        (("purge", "--because", "x"), "--all"),
        (("purge", "--all", "--reason", "too_old", "--because", "x"), "--all"),
        (("purge", "--all", "--because", " "), "must not be empty"),
        (("purge", "--all", "--because", "x", "--author", "cap"), "no person"),
        (("export", "/nowhere/file"), "choose a place"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(run: Run, arguments: tuple[object, ...], said: str) -> None:
    """No traceback, and nothing changed."""
    assert said in refused(run(*arguments))


def test_an_absent_database_is_answered_with_what_to_check(run: Run) -> None:
    """In the language of the terminal."""
    nowhere = "postgresql://nobody@127.0.0.1:1/x"
    assert "METERWARDEN_DATABASE__URL" in refused(run("list", METERWARDEN_DATABASE__URL=nowhere))
    assert "请检查" in refused(run("list", METERWARDEN_DATABASE__URL=nowhere, LC_ALL="zh_CN.UTF-8"))


# Replay


async def test_a_replay_resolves_what_passes_now_stores_good_readings_of_the_rest_and_twice_changes_nothing(
    database: Database, run: Run, code: str, tmp_path: Path
) -> None:
    """Resolved, still rejected by reason, skipped: the counts say it, and the second time they say that nothing is left to do."""
    items = [
        {"medium": "electricity", "meter": "E2", "read_at": at(n).isoformat(), "energy_import_kwh": n / 1000} for n in range(3)
    ]
    items[2]["energy_import_kwh"] = "bad"
    await reject(
        database,
        *((topic(code, "E2"), one) for one in readings(range(10, 15))),
        (gateway_readings(code, "G1"), json.dumps({"readings": items}).encode()),
        (topic(code), b"{"),
    )
    await register(database, tmp_path, meter("E2", code))
    assert "resolved: 5; still rejected: 2 (malformed_json 1, wrong_type 1)\n" == done(run("replay"))
    assert expected([0, 1, *range(10, 15)]) == await stored(database)
    after = await database.rows("SELECT *, xmin FROM metering.quarantine ORDER BY quarantine")
    said = done(run("replay", "--state", "all"))
    assert said == (
        "resolved: 0; still rejected: 2 (malformed_json 1, wrong_type 1); skipped, resolved already or in another's hands: 5\n"
    )
    changed = await database.rows("SELECT * FROM metering.quarantine ORDER BY quarantine")
    assert [row[:-1] for row in after] == changed
    assert expected([0, 1, *range(10, 15)]) == await stored(database)


async def test_a_wider_accept_window_for_one_replay_takes_what_was_too_old(database: Database, run: Run, code: str) -> None:
    """Judged by the time it was received: what was 50 days old then passes a window of 60 days, in any later year."""
    received = RECENT - timedelta(days=300)
    old = json.dumps({"read_at": (received - timedelta(days=50)).isoformat(), "energy_import_kwh": 1}).encode()
    await reject(database, (topic(code), old), received_at=received)
    assert "still rejected: 1 (too_old 1)" in done(run("replay"))
    assert "still rejected: 1" in done(run("replay", METERWARDEN_INTAKE__ACCEPT_DAYS_BACK=49))
    assert "resolved: 1; still rejected: 0\n" == done(run("replay", METERWARDEN_INTAKE__ACCEPT_DAYS_BACK=60))
    assert {received - timedelta(days=50): 1000} == await stored(database)


async def test_a_wider_accept_window_for_one_replay_takes_what_came_while_our_clock_was_behind(
    database: Database, run: Run, code: str
) -> None:
    """A machine that wakes up years behind rejects all as from the future; that it came then stays wrong, and costs no reading."""
    await reject(database, (topic(code), reading(0)), received_at=RECENT - timedelta(days=3000))
    assert "still rejected: 1 (time_in_future 1)" in done(run("replay"))
    assert "resolved: 1; still rejected: 0\n" == done(run("replay", METERWARDEN_INTAKE__ACCEPT_MINUTES_AHEAD=3650 * 1440))
    assert {at(0): 1000} == await stored(database)


async def test_a_row_in_another_workers_hands_is_skipped_not_waited_for(
    database: Database, run: Run, code: str, tmp_path: Path
) -> None:
    """As a replay beside a running service meets it."""
    await reject(database, *((topic(code, "E2"), one) for one in readings(range(2))))
    await register(database, tmp_path, meter("E2", code))
    writer = Writer(database.settings)

    async def hold(connection: Any) -> str:
        await connection.execute("SELECT FROM metering.quarantine ORDER BY quarantine LIMIT 1 FOR UPDATE")
        return done(run("replay"))

    assert "resolved: 1; still rejected: 0; skipped" in await writer.in_transaction(hold)
    await writer.close()
    assert "resolved: 1; still rejected: 0\n" == done(run("replay"))


# Purge and export


async def test_a_purge_asks_deletes_what_it_showed_and_leaves_a_record_nobody_can_change(
    database: Database, run: Run, code: str
) -> None:
    """Without a yes nothing goes; the record names who, why, what was asked for, and how much."""
    await reject(database, (topic(code), b"{"), (topic(code), b"[1]"), (topic(code), b"[2]"))
    purge = partial(run, "purge", "--reason", "wrong_type", "--because", "meter replaced 换表", "--author", "li")
    assert "nothing was deleted" in refused(purge(stdin="n\n"))
    assert "nothing was deleted" in refused(purge())
    assert 3 == len(ids(run))
    size = (await database.rows("SELECT sum(bytes) FROM metering.quarantine WHERE reason = 'wrong_type'"))[0][0]
    said = done(purge(stdin="y\n"))
    assert "to be deleted: 2 messages (1.1 KiB), 2 of them open: wrong_type 2" in said
    assert "deleted: 2 messages" in said
    record = "SELECT role, author, because, filter, open, resolved, bytes FROM meterwarden.quarantine_purge"
    wanted = ("meterwarden_writer", "li", "meter replaced 换表", "reason=wrong_type state=open", 2, 0, size)
    assert [wanted] == await database.rows(record)
    assert [("malformed_json", "open")] == await states(database)


async def test_an_export_holds_every_column_and_appears_only_when_it_is_whole(
    database: Database, run: Run, code: str, tmp_path: Path
) -> None:
    """One JSON object a line; a file that is there is not overwritten."""
    await reject(database, (topic(code), b"{"), (topic(code), b"\xff"))
    file = tmp_path / "quarantine.ndjson"
    assert "exported: 2 messages" in run("export", file).stderr
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    columns = {row[0] for row in await database.rows(
        """SELECT column_name FROM information_schema.columns
           WHERE table_schema = 'metering' AND table_name = 'quarantine'""")}  # fmt: skip
    given = {
        "payload_text": "payload",
        "payload_base64": "payload",
        "topic_base64": "topic",
        "payload_bytes": "bytes",
        "id": "quarantine",
    }
    assert columns - {"recorded_in"} == {given.get(name, name) for name in lines[0]}
    assert ["{", None] == [line["payload_text"] for line in lines]
    assert ["{", "/w=="] == [base64.b64decode(lines[0]["payload_base64"]).decode(), lines[1]["payload_base64"]]
    assert "exists" in refused(run("export", file))
    assert [file.name] == [path.name for path in tmp_path.glob("*ndjson*")]
