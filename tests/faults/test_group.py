"""From a lone worker to a group and back, under load: the new subscription holds before the old one is given up."""

import secrets
from pathlib import Path

import pytest

from ingest.stack import Stack
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import publishing
from tests.faults.health import more_published
from tests.faults.stream import Stream
from tests.running import running_service


@pytest.mark.parametrize("backwards", [False, True], ids=["into a group", "out of a group"])
async def test_a_worker_that_joins_or_leaves_a_group_misses_nothing_on_the_way(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, backwards: bool
) -> None:
    """What comes by both subscriptions is stored once; the broker's session holds the new filters alone afterwards."""
    names = ["", f"group-{secrets.token_hex(4)}"]
    before, after = reversed(names) if backwards else names
    async with running_service(database, stack.mosquitto, tmp_path, broker__share_group=before) as service:
        async with publishing(stack.mosquitto, stream, per_second=3000) as gateway:
            await more_published(gateway, 500)
            await service.terminate()
            service.environment["METERWARDEN_BROKER__SHARE_GROUP"] = after
            await service.start()
            await service.ready()
            await more_published(gateway, 500)
        await judge(database, stream)
        [(filters,)] = await database.rows("SELECT filters FROM metering.subscription")
        assert [after] * 3 == [name.split("/")[1] if name.startswith("$share") else "" for name in filters]
