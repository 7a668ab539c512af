"""Memory does not grow with the backlog: a process holds its window, whatever waits at the broker."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.stack import Stack, free_port
from simulators.load import EPOCH, INSTITUTION, Load, meter_code
from tests.databases import Database
from tests.faults.backlog import publish_fast
from tests.faults.conftest import Note
from tests.faults.health import has_received, memory_of, unready
from tests.proxy import Proxy
from tests.registries import import_files, institution, meter, write_files
from tests.running import eventually, own_broker, running_service

WAITING = 1_000_000
USUAL = 5_000
"""Messages of a batch, by default."""
METERS = 2_000
MOST_MIB = 20
DRAIN_SECONDS = 900


async def test_a_million_waiting_messages_are_drained_in_the_memory_of_one_batch_and_twenty_mebibytes(
    stack: Stack, database: Database, tmp_path: Path, note: Note
) -> None:
    """From idle (connected, registry loaded, one batch handled) through the whole drain, with the default settings."""
    meters = [meter(meter_code(number), INSTITUTION, register_digits=9) for number in range(1, METERS + 1)]
    await import_files(database, write_files(tmp_path / "registry", [institution(INSTITUTION)], meters))
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    with own_broker(stack.programs) as broker:
        broker.start()
        async with (
            Proxy(broker.port, free_port()) as link,
            running_service(database, broker, tmp_path, broker_port=link.port) as service,
        ):
            await publish_fast(broker, Load(USUAL, 1, METERS, start - timedelta(days=1)).published())
            await service.counted(stored=USUAL)
            async with memory_of(service) as memory:
                await link.refuse()
                await unready(service)
                assert WAITING == await publish_fast(broker, Load(WAITING, 1, METERS, start).published())
                waited = len(memory)
                await link.resume()
                await eventually(lambda: has_received(service, USUAL + 1), "drains")
                began = time.monotonic()
                await eventually(lambda: has_received(service, USUAL + WAITING), "drained", DRAIN_SECONDS)
                await service.counted(stored=USUAL + WAITING)
                rate = WAITING / (time.monotonic() - began)
            await service.ready()
        assert Counter(right=USUAL + WAITING) == await account(database)
    idle, before, most = memory[0], max(memory[:waited]), max(memory)
    note(f"idle {idle:.1f} MiB, while they waited {before:.1f}, while they were drained {most:.1f}; {rate:,.0f} messages/s")
    assert most - idle < MOST_MIB


async def account(database: Database) -> Counter[str]:
    """How many stored readings show what the load published for their instant, how many do not; and what else there is."""
    [(right, wrong, conflicts, quarantined)] = await database.rows(
        """SELECT count(*) FILTER (WHERE value = due), count(*) FILTER (WHERE value <> due),
                  (SELECT count(*) FROM metering.conflict), (SELECT count(*) FROM metering.quarantine)
           FROM (SELECT value, 1000 * extract(epoch FROM read_at - %s)::bigint + 250 AS due FROM metering.reading) AS stored""",
        EPOCH,
    )
    return Counter(right=right, wrong=wrong, conflicts=conflicts, quarantined=quarantined)
