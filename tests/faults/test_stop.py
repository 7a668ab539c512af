"""SIGTERM while the world does not answer: the process ends in time, whatever hangs, and nothing is lost."""

from pathlib import Path

import pytest

from ingest.stack import Stack, free_port
from tests.databases import Database
from tests.faults.conftest import Judge
from tests.faults.gateway import Gateway
from tests.faults.stream import Stream
from tests.proxy import Proxy
from tests.running import Service, eventually, running_service

GRACE_SECONDS = 1


@pytest.mark.parametrize("silent", ["database", "broker", "both"])
async def test_a_stop_beside_a_silent_peer_ends_in_time_and_loses_nothing(
    stack: Stack, database: Database, tmp_path: Path, stream: Stream, judge: Judge, silent: str
) -> None:
    """No answer ever comes and no close is heard, on old connections and new ones: after the grace period the process gives up."""
    async with Proxy(stack.postgres.port, free_port()) as base, Proxy(stack.mosquitto.port, free_port()) as link:
        settings = {
            "database_port": base.port, "broker_port": link.port, "settlement__enabled": True, "canary__enabled": True,
            "shutdown_grace_seconds": GRACE_SECONDS, "database__statement_timeout_seconds": 600,
        }  # fmt: skip
        async with running_service(database, stack.mosquitto, tmp_path, **settings) as service:
            await Gateway(stack.mosquitto).publish(stream.take(500))
            await service.counted(stored=1)
            for proxy in {"database": [base], "broker": [link], "both": [base, link]}[silent]:
                proxy.go_deaf()
            await Gateway(stack.mosquitto).publish(stream.take(500))
            if silent == "database":
                await eventually(lambda: _has_in_flight(service), "a batch that waits")
            status = await service.terminate()  # long before any of them would be given up
            assert status in ((1,) if silent == "database" else (0, 1))
            await base.resume()
            await link.resume()
            await service.start()
            await service.ready()
            await eventually(lambda: service.metric('settlement_rounds_total{result="done"}'), "settling")
            await judge(database, stream, rebuilt=False)


async def _has_in_flight(service: Service) -> bool:
    return await service.metric("messages_in_flight") > 0
