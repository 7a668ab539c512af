"""The registry changes while readings stream in: each is judged by a registry of its time, and what waited is stored by itself."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from ingest.stack import Stack
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import Gateway
from tests.faults.script import Script, key_of, sent_of
from tests.faults.stream import Key, Sent
from tests.faults.workers import SETTLING, SMALL_BATCHES, all_is_settled, deadlocks, decided, workers
from tests.published import at, institution_code
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, eventually

QUICK_REPLAY: Final = {"intake__replay_seconds": 0.1}
MOVED_AT: Final = 40_000
"""The second at which meter A begins to belong to the other institution."""
A_STAGE: Final = 60
"""Rounds of messages in each stage: before, during and after a change."""
TRIALS: Final = 40

Applied = set[str]


class Case(NamedTuple):
    """A kind of message, and whether its reading is stored in the end by a registry with these changes."""

    topic: str
    reading: dict[str, Any]
    meter: str
    second: int
    is_stored: Callable[[Applied], bool]


def files(directory: Path, applied: Applied, one: str, other: str) -> Path:
    """The registry with some changes applied."""
    moved = "moved" in applied
    meters = [
        meter("A", one, valid_to=at(MOVED_AT).isoformat() if moved else ""),
        meter("B", one, ratio=3 if "ratio" in applied else 1),
        meter("C", one, gateway="G2" if "gateway" in applied else "G1"),
    ]
    if moved:
        meters.append(meter("A", other, valid_from=at(MOVED_AT).isoformat()))
    if "added" in applied:
        meters.append(meter("D", one))
    return write_files(directory, [institution(one), institution(other)], meters)


def round_of_messages(second: int, one: str, other: str) -> list[Case]:
    """One message of every kind, at a second no other round uses."""

    def own(of: str, name: str, at_second: int, is_stored: Callable[[Applied], bool]) -> Case:
        return Case(f"metering/{of}/electricity/{name}/reading", {}, name, at_second, is_stored)

    def by(gateway: str, at_second: int, is_stored: Callable[[Applied], bool]) -> Case:
        named = {"meter": "C", "medium": "electricity"}
        return Case(f"metering/{one}/gateway/{gateway}/readings", named, "C", at_second, is_stored)

    return [
        own(one, "A", second, lambda _: True),
        own(one, "A", MOVED_AT + second, lambda applied: "moved" not in applied),
        own(other, "A", MOVED_AT + 20_000 + second, lambda _: True),  # unknown until it is moved, then replayed
        own(other, "A", 20_000 + second, lambda _: False),
        own(one, "B", second, lambda _: True),
        own(one, "D", second, lambda _: True),  # unknown until it is added, then replayed
        by("G1", second, lambda applied: "gateway" not in applied),
        by("G2", 20_000 + second, lambda applied: "gateway" in applied),
    ]


def message_of(case: Case) -> tuple[Sent, Key, int]:
    """The message of a case, with its reading."""
    reading = {"read_at": at(case.second).isoformat(), "energy_import_kwh": case.second / 1000, **case.reading}
    payload = {"readings": [reading]} if case.reading else reading
    return sent_of(case.topic, payload), key_of(case.meter, case.second), case.second


async def test_a_registry_that_changes_in_mid_stream_judges_every_reading_by_its_time(
    stack: Stack, database: Database, tmp_path: Path, judge: Judge, seed: int
) -> None:
    """Before a change by the old registry, after both workers have it by the new one, in between by one of them: and once."""
    rng, script, applied = random.Random(seed), Script(), set[str]()
    one, other = institution_code(), institution_code()
    await import_files(database, files(tmp_path / "registry", applied, one, other))
    settings = {**SETTLING, **SMALL_BATCHES, **QUICK_REPLAY}
    async with workers(database, stack.mosquitto, tmp_path, 2, **settings) as pool:
        gateway, sent, seconds = Gateway(stack.mosquitto), 0, iter(range(20_000))

        async def publish() -> list[Case]:
            nonlocal sent
            cases = [case for _ in range(A_STAGE) for case in round_of_messages(next(seconds), one, other)]
            rng.shuffle(cases)
            await gateway.publish([message_of(case)[0] for case in cases])
            sent += len(cases)
            return cases

        for change in rng.sample(["added", "moved", "ratio", "gateway"], 4):
            note(script, await publish(), applied)
            await decided(pool, sent)
            before = set(applied)
            applied.add(change)
            loading = asyncio.create_task(publish())
            await asyncio.sleep(rng.random() * 0.05)  # into the stream, wherever that is
            version = len(applied) + 1
            await import_files(database, files(tmp_path / "registry", applied, one, other))
            during = await loading
            await eventually(lambda version=version: _have_version(pool, version), f"registry {version} in every worker")
            await decided(pool, sent)
            await note_as_found(database, script, during, before, applied)
        note(script, await publish(), applied)
        await judge(database, script, rebuilt=False)
        await all_is_settled(database)
        for service in pool:
            assert 0 == await service.terminate()
    await judge(database, script)
    assert 0 == await deadlocks(database)


async def _have_version(pool: list[Service], version: int) -> bool:
    return all([await one.metric("registry_version") >= version for one in pool])


def note(script: Script, cases: list[Case], applied: Applied) -> None:
    """What one registry alone can have judged; what is unknown by now and stored in the end is due as stored."""
    for case in cases:
        sent, key, value = message_of(case)
        stored = case.is_stored(applied)
        script.ledger.note(sent, [(key, value)] if stored else [], rejected=not stored)


async def note_as_found(database: Database, script: Script, cases: list[Case], before: Applied, after: Applied) -> None:
    """What either of two registries may have judged: due is what one of them did, and not both."""
    query = "SELECT key FROM metering.quarantine WHERE reason = 'identity_mismatch' AND resolved_at IS NULL"
    rejected = {bytes(key) for (key,) in await database.rows(query)}
    undecided = 0
    for case in cases:
        if case.is_stored(before) == case.is_stored(after):
            note(script, [case], after)
            continue
        undecided += 1
        sent, key, value = message_of(case)
        script.ledger.note(sent, [] if sent.key in rejected else [(key, value)], rejected=sent.key in rejected)
    assert undecided in (0, A_STAGE, 2 * A_STAGE)


async def test_a_meter_registered_while_its_readings_are_being_quarantined_leaves_none_there(
    stack: Stack, database: Database, tmp_path: Path, judge: Judge, seed: int
) -> None:
    """The import commits before, after or in the middle of the quarantining transactions of three workers."""
    rng, script, code = random.Random(seed), Script(), institution_code()
    settings = {**SMALL_BATCHES, **QUICK_REPLAY}
    await import_files(database, write_files(tmp_path / "registry", [institution(code)], [meter("M", code)]))
    async with workers(database, stack.mosquitto, tmp_path, 3, **settings) as pool:
        gateway, meters = Gateway(stack.mosquitto), [meter("M", code)]
        for trial in range(TRIALS):
            name = f"M{trial}"
            messages = [script.reading(code, name, second, second) for second in range(30)]
            place = rng.randrange(-10, len(messages))
            meters.append(meter(name, code))
            await gateway.publish(messages[: max(place, 0)])
            importing = import_files(database, write_files(tmp_path / "registry", [institution(code)], meters))
            await asyncio.gather(gateway.publish(messages[max(place, 0) :]), importing)
        await judge(database, script)
        waited = sum([await one.metric('messages_rejected_total{reason="unknown_meter"}') for one in pool])
        assert waited >= TRIALS, "hardly a reading came before its meter"
        replayed = [row for (row,) in await database.rows("SELECT resolution FROM metering.quarantine")]
    assert len(replayed) * ["replayed"] == replayed
    assert 0 < len(replayed) <= waited


async def test_the_good_reading_of_an_unknown_meter_is_stored_once_it_is_known_whatever_else_its_message_suffers_from(
    stack: Stack, database: Database, tmp_path: Path, judge: Judge
) -> None:
    """A negative value stands before the unknown meter, or after it: the message stays rejected, the meter's reading counts."""
    script, code = Script(), institution_code()
    directory = tmp_path / "registry"
    await import_files(database, write_files(directory, [institution(code)], [meter("A", code)]))
    async with workers(database, stack.mosquitto, tmp_path, 2, **QUICK_REPLAY) as pool:
        negative = {"read_at": at(0).isoformat(), "medium": "electricity", "meter": "A", "energy_import_kwh": -1}
        for second in (1, 2):
            unknown = {"read_at": at(second).isoformat(), "medium": "electricity", "meter": "B", "energy_import_kwh": 1}
            payload = {"readings": [negative, unknown] if second == 1 else [unknown, negative]}
            values = [(key_of("B", second), 1000)]
            sent = script.message(f"metering/{code}/gateway/G1/readings", json.dumps(payload).encode(), values, rejected=True)
            await Gateway(stack.mosquitto).publish([sent])
        await decided(pool, 2)
        await import_files(database, write_files(directory, [institution(code)], [meter("A", code), meter("B", code)]))
        await judge(database, script)
    reasons = "SELECT reason, wanted FROM metering.quarantine WHERE resolved_at IS NULL"
    await eventually(lambda: _are(database, reasons, [("negative_value", [])] * 2), "judged again")


async def _are(database: Database, query: str, rows: list[tuple]) -> bool:
    return rows == await database.rows(query)
