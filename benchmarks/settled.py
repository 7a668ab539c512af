"""A simulated month straight through assessment, writer and settlement, without a broker: for two benchmarks and a test."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from ingest.intake import AcceptWindow, assess
from ingest.messages import Message
from ingest.metering.calendar import HOUR_US
from ingest.metering.levels import Thresholds
from ingest.settings import DatabaseSettings, IntakeSettings
from ingest.settlement import settle_round
from ingest.storage import decisions
from ingest.storage.channels import Channels
from ingest.storage.connection import Connection, connected
from ingest.storage.decisions import Grounds
from ingest.storage.registry import load_registry
from ingest.storage.registry_csv import read_files
from ingest.storage.registry_import import apply_registry
from ingest.storage.settlement import open_round
from ingest.storage.writer import Writer
from simulators import faults, ledger, registerfaults, registry, stream
from simulators.device import MILLION
from simulators.expected import Key
from simulators.messages import Outcome
from simulators.month import HOUR_SECONDS
from simulators.registerfaults import RegisterFault
from simulators.run import Run

LEDGER = "ledger.sqlite"
ROUND_HOURS = 3
LATE_DAYS = 5
"""Exchanges that are declared late are so many days late."""
WINDOW = AcceptWindow(62 * 24 * HOUR_US, HOUR_US // 6)
TrueFaults = Mapping[Key, Sequence[RegisterFault]]


async def settled(of: Run, settings: DatabaseSettings, directory: Path) -> TrueFaults:
    """Import the registry, store and settle the run some simulated hours at a time, declare exchanges; returns what truly happened.

    The ledger is `ledger.sqlite` in the directory. Charging sessions are no part of it.
    """
    async with connected(settings) as connection:
        await apply_registry(connection, read_files(_registry(of, directory)), dry_run=False)
    true_faults = {device.key: registerfaults.faults(device, of.start_s, of.hours) for device in of.devices}
    await _month(of, settings, directory / LEDGER, true_faults)
    return true_faults


def _registry(of: Run, directory: Path) -> Path:
    registry.write(of.fleet, directory / "registry")
    return directory / "registry"


async def _month(of: Run, settings: DatabaseSettings, path: Path, true_faults: TrueFaults) -> None:
    known = await load_registry(settings)
    undeclared = sorted(_declarations(true_faults), key=lambda each: each[0])
    writer = Writer(settings)
    with ledger.create(path) as book:
        book.know(of)
        messages = book.recorded(faults.inject(stream.messages(of), of.scenario.rates, of.fleet.seed, of.fleet.codes))
        async with connected(settings) as connection:
            await open_round(connection)
            channels = Channels()
            for end_s, batch in _batches(messages, of.start_s):
                await writer.write(assess(batch, known, WINDOW, IntakeSettings().max_payload_bytes))
                while undeclared and undeclared[0][0] <= end_s:
                    _, register, fault = undeclared.pop(0)
                    await _declare(settings, register, fault)
                await _settle(connection, channels, end_s)
            for _, register, fault in undeclared:
                await _declare(settings, register, fault)
            await _settle(connection, channels, end_s)
        book.describe({"complete": "yes"})
    await writer.close()


def _batches(messages: Iterable[Any], start_s: int) -> Iterator[tuple[int, list[Message]]]:
    """What goes out between two rounds."""
    kept = (message for message in messages if message.outcome is not Outcome.STATUS)
    span = ROUND_HOURS * HOUR_SECONDS
    for number, group in groupby(kept, lambda message: (message.send_at_s - start_s) // span):
        sent = [Message(each.topic, each.payload, 1, each.retain, 1, 1, each.send_at_s * MILLION) for each in group]
        yield start_s + (number + 1) * span, sent


def _declarations(true_faults: TrueFaults) -> Iterator[tuple[int, str, RegisterFault]]:
    """When each exchange is declared, and for which register."""
    for key, each in true_faults.items():
        for fault in each:
            if fault.declared in ("on_time", "late"):
                yield fault.first_s + (fault.declared == "late") * LATE_DAYS * 24 * HOUR_SECONDS, "/".join(key), fault


async def _declare(settings: DatabaseSettings, path: str, fault: RegisterFault) -> None:
    assert fault.exchange is not None
    meter, _, name = path.rpartition("/")
    at = datetime.fromtimestamp(fault.exchange.at, UTC)
    values = (Decimal(fault.exchange.old_final).scaleb(-3), Decimal(fault.exchange.new_initial).scaleb(-3))
    async with connected(settings) as connection:
        register = await decisions.register(connection, meter, name, at)
        await decisions.exchange(connection, register, at, values, Grounds("simulator", fault.declared))


async def _settle(connection: Connection, channels: Channels, now_s: int) -> None:
    while await settle_round(connection, channels, datetime.fromtimestamp(now_s, UTC), 50_000, Thresholds()):
        pass
