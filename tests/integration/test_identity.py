"""A broker that checks nobody's topics: what intake refuses by itself, and what it cannot know. docs/gateways.md has the table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.stack import Mosquitto, Stack
from schemas.topics import gateway_readings
from tests.databases import Database
from tests.published import at, institution_code, publish, reading, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import own_broker, running_service

STRANGER = "stranger"


@pytest.fixture
def open_broker(stack: Stack) -> Iterator[Mosquitto]:
    """Passwords, and no access list: every user may publish everything."""
    with own_broker(stack.programs, users={STRANGER: "chalk"}) as broker:
        configuration = broker.directory / "mosquitto.conf"
        lines = configuration.read_text().splitlines(keepends=True)
        configuration.write_text("".join(line for line in lines if not line.startswith("acl_file")))
        broker.start()
        yield broker


@pytest.fixture
async def codes(database: Database, tmp_path: Path) -> tuple[str, str]:
    """Two institutions with a meter E1 under G1 and E2 under G2 each."""
    both = institution_code(), institution_code()
    meters = [meter(code, of, gateway=gateway) for of in both for code, gateway in (("E1", "G1"), ("E2", "G2"))]
    await import_files(database, write_files(tmp_path / "registry", map(institution, both), meters))
    return both


def batch(second: int, meter_code: str = "E1", **more: Any) -> bytes:
    """A gateway's batch of one reading."""
    one = {"medium": "electricity", "meter": meter_code, "read_at": at(second).isoformat(), "energy_import_kwh": 1.0, **more}
    return json.dumps({"readings": [one]}).encode()


async def test_intake_refuses_by_itself_whoever_contradicts_topic_payload_or_registry(
    open_broker: Mosquitto, database: Database, tmp_path: Path, codes: tuple[str, str]
) -> None:
    """Another gateway's meter, another institution or meter than the topic's, a gateway nobody registered: kept, none stored."""
    ours, theirs = codes
    forged = [
        (gateway_readings(ours, "G2"), batch(1)),
        (gateway_readings(ours, "G9"), batch(2)),
        (gateway_readings(ours, "G1"), batch(3, institution=theirs)),
        (topic(ours), reading(4, institution=theirs)),
        (topic(ours), reading(5, meter="E2")),
    ]
    async with running_service(database, open_broker, tmp_path) as service:
        for to, payload in forged:
            await publish(open_broker, to, [payload], user=STRANGER)
        await service.counted(rejected=len(forged))
    assert [("identity_mismatch", len(forged))] == await database.rows(
        "SELECT reason, count(*) FROM metering.quarantine GROUP BY reason"
    )
    assert [(0,)] == await database.rows("SELECT count(*) FROM metering.reading")


async def test_what_contradicts_nothing_is_stored_whoever_sent_it_so_the_broker_must_check(
    open_broker: Mosquitto, database: Database, tmp_path: Path, codes: tuple[str, str]
) -> None:
    """A message does not say who published it. This is the hole that a broker without an access list leaves, not a promise."""
    ours, theirs = codes
    async with running_service(database, open_broker, tmp_path) as service:
        await publish(open_broker, topic(theirs), [reading(1)], user=STRANGER)
        await publish(open_broker, gateway_readings(ours, "G1"), [batch(2)], user=STRANGER)
        await service.counted(stored=2)
