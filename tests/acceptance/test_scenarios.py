"""Every shipped scenario through the service as its users run it: ledger and database agree, every difference has a reason."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.stack import Mosquitto, Stack
from simulators import fleet, ledger, registry, scenario
from simulators.month import Month
from tests.conftest import Database
from tests.registries import import_files
from tests.running import Service, balances, eventually, own_broker, running_service

INSTITUTIONS, DAYS, SEED = 4, 3, 7
SETTINGS = {"settlement__enabled": True, "settlement__round_seconds": 0.2, "intake__accept_days_back": 75}
"""The last closed month begins up to 62 days ago."""
SETTLED_SECONDS = 300.0


async def simulate(*arguments: object) -> tuple[int, str, str]:
    """`meterwarden simulate …` as a process: status, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingest", "simulate", *(str(each) for each in arguments),
        env=dict(os.environ), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def is_settled(service: Service, database: Database, due: int) -> bool:
    """So many messages have come, and nothing waits in intake or for settlement: of the broker's queue nobody else tells."""
    metrics = await service.metrics()
    marks = await database.rows("SELECT EXISTS (SELECT FROM metering.mark UNION ALL SELECT FROM metering.charging_due)")
    return metrics["messages_received_total"] >= due and metrics["messages_in_flight"] == 0 and marks == [(False,)]


def due_of(path: Path) -> int:
    """How many messages a ledger's stream has for intake; states of gateways and chargers are read elsewhere."""
    with ledger.read(path) as connection:
        ((number,),) = connection.execute("SELECT sum(published) FROM message WHERE outcome NOT IN ('status', 'dropped')")
    return int(number)


async def published(service: Service, database: Database, broker: Mosquitto, directory: Path, *options: object) -> None:
    """Publish a scenario with a ledger in `directory`, and wait until everything has come and is settled."""
    password_file = directory / "simulator.password"
    password_file.write_text(broker.password("simulator"), encoding="utf-8")
    at = ("--port", broker.port, "--username", "simulator", "--password-file", password_file)
    status, _, errors = await simulate("publish", *options, *at, "--ledger", directory / "ledger")
    assert status == 0, errors
    due = due_of(directory / "ledger")
    await eventually(lambda: is_settled(service, database, due), f"{due} received and settled", SETTLED_SECONDS)


@pytest.mark.parametrize("name", scenario.shipped())
async def test_ledger_and_database_agree(name: str, stack: Stack, database: Database, tmp_path: Path) -> None:
    """Messages, readings, hours, months, quarantine, flags; no difference is left without a reason.

    On a broker of its own: what one scenario leaves retained would come to the next one's service as well.
    """
    month = Month.last_closed(datetime.now(UTC))
    registry.write(fleet.build(INSTITUTIONS, SEED, month), tmp_path / "registry")
    await import_files(database, tmp_path / "registry")
    of = ("--institutions", INSTITUTIONS, "--seed", SEED, "--month", month, "--scenario", name, "--days", DAYS)
    with own_broker(stack.programs) as broker:  # another scenario's would still hold what its faulty clients left retained
        broker.start()
        async with running_service(database, broker, tmp_path, **SETTINGS) as service:
            await published(service, database, broker, tmp_path, *of)
            status, output, lines = await simulate(
                "verify", "--ledger", tmp_path / "ledger", "--database-url", database.reader_url, "--json", "--explain"
            )
            metrics = await service.metrics()

    figures: dict[str, Any] = json.loads(output)
    assert [] == figures["problems"], lines
    assert (status, figures["unexplained"]) == (0, 0)
    assert figures["largest_difference_display_steps"] <= 1
    assert figures["sessions_expected"] == figures["sessions_found"] > 0
    assert balances(metrics)
    assert metrics["messages_received_total"] == figures["published"] + figures["repeated"]
    assert len(lines.splitlines()) == sum(figures["explained"].values())
    assert name != "quiet" or not figures["explained"]
    assert name != "quiet" or [] == await database.rows("SELECT * FROM meterwarden.charging_finding")
    assert name != "hostile" or figures["explained"]
