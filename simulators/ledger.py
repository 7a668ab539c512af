"""The oracle's memory: a SQLite file of what was truly consumed, what was sent, and which flags it should raise.

It is written beside the stream, in transactions of `BATCH` messages. `meta` says `complete = yes` only once every message was
acknowledged, so that the ledger of a broken run is not mistaken for the truth. Hours and readings are blobs (`blobs.py`): a
city's month fits.
"""

import hashlib
import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Final

from schemas.registers import Medium
from simulators import blobs, charging, quotas, registerfaults, registry
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.messages import Fate, Message, Outcome
from simulators.run import Run
from simulators.site import Institution

BATCH: Final = 5_000
CACHE_KIB: Final = 256 * 1024
"""Keys are hashes: every insert goes somewhere else in the table, and SQLite's own 2 MiB hold too little of it."""
HELD_NUMBERS: Final = 3 * 512
"""A device's readings wait in memory until so many numbers make a blob worth writing."""

SCHEMA: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE device(
    device INTEGER PRIMARY KEY, institution TEXT, medium TEXT, meter TEXT, register TEXT, role TEXT, digits INTEGER,
    decimals INTEGER, ratio_milli INTEGER, rated_tenths INTEGER, interval_s INTEGER, offset_s INTEGER, drift_ppm INTEGER,
    mishaps TEXT, UNIQUE(institution, medium, meter, register)
);
CREATE TABLE numerator(device INTEGER PRIMARY KEY, sign INTEGER NOT NULL);
CREATE TABLE virtual(
    institution TEXT, medium TEXT, meter TEXT, part TEXT, sign INTEGER NOT NULL, PRIMARY KEY(institution, medium, meter, part)
) WITHOUT ROWID;
CREATE TABLE register_fault(
    device INTEGER, kind TEXT NOT NULL, first_s INTEGER NOT NULL, last_s INTEGER NOT NULL, expected TEXT NOT NULL,
    declared TEXT NOT NULL, old_final INTEGER, new_initial INTEGER, PRIMARY KEY(device, first_s, kind)
) WITHOUT ROWID;
CREATE TABLE truth(
    device INTEGER, month TEXT, amount_micro INTEGER NOT NULL, hours BLOB NOT NULL, PRIMARY KEY(device, month)
) WITHOUT ROWID;
CREATE TABLE institution_month(
    institution TEXT, medium TEXT, month TEXT, amount_micro INTEGER NOT NULL, PRIMARY KEY(institution, medium, month)
) WITHOUT ROWID;
CREATE TABLE message(
    key BLOB PRIMARY KEY, topic TEXT NOT NULL, published INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT, fate TEXT NOT NULL,
    send_at_s INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE reading(
    device INTEGER, part INTEGER, readings INTEGER NOT NULL, columns BLOB NOT NULL, PRIMARY KEY(device, part)
) WITHOUT ROWID;
CREATE TABLE charger(
    institution TEXT, charger TEXT, rated_kw INTEGER NOT NULL, quantum_milli INTEGER NOT NULL, PRIMARY KEY(institution, charger)
) WITHOUT ROWID;
CREATE TABLE session(
    institution TEXT, charger TEXT, session TEXT, connector INTEGER NOT NULL, started_s INTEGER NOT NULL,
    stopped_s INTEGER NOT NULL, energy_micro INTEGER NOT NULL, PRIMARY KEY(institution, charger, session)
) WITHOUT ROWID;
CREATE TABLE session_statement(
    key BLOB PRIMARY KEY, institution TEXT NOT NULL, charger TEXT NOT NULL, session TEXT NOT NULL, connector INTEGER NOT NULL,
    started_s INTEGER NOT NULL, start_milli INTEGER NOT NULL, stopped_s INTEGER, stop_milli INTEGER, energy_milli INTEGER,
    published INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE expected_flag(
    institution TEXT, indicator TEXT, period_kind TEXT, period_start TEXT, medium TEXT NOT NULL, used_micro INTEGER NOT NULL,
    allowance_micro INTEGER NOT NULL, exceeded INTEGER NOT NULL,
    PRIMARY KEY(institution, indicator, period_kind, period_start)
) WITHOUT ROWID;
"""

FATES: Final = tuple(Fate)
"""Positions are the codes of `reading.columns`."""
_CODE: Final = {fate: code for code, fate in enumerate(FATES)}
Flag = tuple[str, str, str, str, str, int, int, bool]


class Ledger:
    """An open ledger. `connection` is for readers."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._held: dict[int, array[int]] = {}
        self._parts: dict[int, int] = {}

    def describe(self, entries: Mapping[str, object]) -> None:
        """Note what was simulated, such as the seed."""
        with self.connection as transaction:
            rows = [(key, str(entry)) for key, entry in entries.items()]
            transaction.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def know(self, run: Run) -> None:
        """Note the truth: devices, amounts of every hour and month, expected flags."""
        self.describe({"start_s": run.start_s, "hours": run.hours})
        with self.connection as transaction:
            transaction.executemany(f"INSERT INTO device VALUES ({'?,' * 13}?)", map(_device, run.devices))  # noqa: S608 - only marks
            rows = (row for each in run.devices for row in _faults(each, run))
            transaction.executemany("INSERT INTO register_fault VALUES (?,?,?,?,?,?,?,?)", rows)
            transaction.executemany("INSERT INTO truth VALUES (?,?,?,?)", (_truth(each, run) for each in run.devices))
            transaction.executemany("INSERT INTO charger VALUES (?,?,?,?)", _chargers(run))
            transaction.executemany("INSERT INTO session VALUES (?,?,?,?,?,?,?)", _sessions(run))
            transaction.executemany("INSERT INTO numerator VALUES (?,?)", _signs(run))
            for institution in run.fleet.institutions:
                transaction.executemany("INSERT INTO virtual VALUES (?,?,?,?,?)", _virtual(institution))
                transaction.executemany("INSERT INTO institution_month VALUES (?,?,?,?)", _totals(institution, run))
                transaction.executemany(
                    "INSERT INTO expected_flag VALUES (?,?,?,?,?,?,?,?)", flags(institution, run.fleet, run.hours)
                )

    def recorded(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The messages to publish, each noted before it is handed on; those dropped are noted and kept back."""
        stream = iter(messages)
        while batch := list(islice(stream, BATCH)):
            with self.connection as transaction:
                _record(transaction, batch)
                self._hold(batch)
                self._write_readings(transaction, HELD_NUMBERS)
            yield from (message for message in batch if message.outcome is not Outcome.DROPPED)
        with self.connection as transaction:
            self._write_readings(transaction, 1)

    def _hold(self, batch: list[Message]) -> None:
        """The hot path: a few numbers a reading."""
        held = self._held
        for message in batch:
            code = _CODE[message.fate]
            for device, read_at_s, milli in message.readings:
                try:
                    held[device.number].extend((read_at_s, milli, code))
                except KeyError:
                    held[device.number] = array("q", (read_at_s, milli, code))

    def _write_readings(self, transaction: sqlite3.Connection, least: int) -> None:
        full = [device for device, numbers in self._held.items() if len(numbers) >= least]
        transaction.executemany("INSERT INTO reading VALUES (?,?,?,?)", [self._part(device) for device in full])

    def _part(self, device: int) -> tuple[int, int, int, bytes]:
        part = self._parts[device] = self._parts.get(device, 0) + 1
        numbers = self._held.pop(device)
        return device, part, len(numbers) // 3, blobs.packed_readings(numbers)


@contextmanager
def create(path: Path) -> Iterator[Ledger]:
    """A new ledger; FileExistsError where there is one, because two runs in one ledger prove nothing."""
    path.open("xb").close()
    connection = sqlite3.connect(path)
    try:
        # The same seed writes the same ledger again: speed before safety from power cuts.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.executescript(SCHEMA)
        yield Ledger(connection)
    finally:
        connection.close()


@contextmanager
def read(path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger for reading only; temporary tables can still be made. FileNotFoundError where there is none."""
    if not path.is_file():
        raise FileNotFoundError(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def key(message: Message) -> bytes:
    """The key intake's quarantine uses: SHA-256 of topic, a zero byte, payload."""
    return hashlib.sha256(message.topic.encode() + b"\0" + message.payload).digest()


def flags(institution: Institution, fleet: Fleet, hours: int | None = None) -> Iterator[Flag]:
    """What every indicator should come to in the month or its first hours, in micro-units: over the constraint or not."""
    month = fleet.month
    starts = {"month": month.first_day, "year": f"{month.year}-01-01"}
    identity = institution.identity
    for indicator in quotas.INDICATORS:
        used_micro = _used_micro(institution, indicator.medium, hours or month.hours)
        for period_kind in registry.PERIOD_KINDS:
            allowed_milli = indicator.allowed_milli(identity.institution_class, period_kind, month)
            allowance_micro = allowed_milli * 1000 * identity.denominator(indicator.denominator)
            yield (
                *(identity.code, indicator.name, period_kind, starts[period_kind], str(indicator.medium)),
                *(used_micro, allowance_micro, used_micro > allowance_micro),
            )


def _used_micro(institution: Institution, medium: Medium, hours: int) -> int:
    """The true total that counts: of the main meters, less what is taken off."""
    meters = [meter for meter in institution.meters if meter.medium is medium]
    passed = sum(institution.sign(meter) * sum(meter.amounts_micro[:hours]) for meter in meters)
    back = ((institution.sign(meter, export=True), meter.export) for meter in meters)
    return passed + sum(sign * sum(export.amounts_micro[:hours]) for sign, export in back if export)


def _signs(run: Run) -> Iterator[tuple[int, int]]:
    of = {institution.identity.code: institution for institution in run.fleet.institutions}
    for each in run.devices:
        yield each.number, of[each.meter.institution].sign(each.meter, export=each.export is not None)


def _virtual(institution: Institution) -> Iterator[tuple[str, str, str, str, int]]:
    for code, (whole, less) in institution.virtual.items():
        for part, sign in ((whole, 1), (less, -1)):
            yield institution.identity.code, "electricity", code, part, sign


def _main_micro(institution: Institution, medium: Medium, hours: int) -> int:
    """The true total of the main meters in the simulated hours."""
    mains = (meter for meter in institution.meters if meter.medium is medium and meter.role == "main")
    return sum(int(sum(meter.amounts_micro[:hours])) for meter in mains)


def _totals(institution: Institution, run: Run) -> Iterator[tuple[str, str, str, int]]:
    for medium in Medium:
        total_micro = _main_micro(institution, medium, run.hours)
        yield institution.identity.code, str(medium), str(run.fleet.month), total_micro


def _device(of: Device) -> tuple[object, ...]:
    meter, display = of.meter, of.meter.display
    mishaps = json.dumps([[each.kind, each.first, each.lasts] for each in of.mishaps])
    return (
        *(of.number, *of.key, meter.role, display.digits, display.decimals, display.ratio_milli, meter.rated_tenths),
        *(of.interval_s, of.offset_s, of.drift_ppm, mishaps),
    )


def _chargers(run: Run) -> Iterator[tuple[object, ...]]:
    for institution in run.fleet.institutions:
        displays = {meter.code: meter.display for meter in institution.meters}
        for each in institution.chargers:
            yield each.institution, each.code, each.rated_kw, displays[each.code].milli(1)


def _sessions(run: Run) -> Iterator[tuple[object, ...]]:
    """The truth of every session, whether anything of it is published or not."""
    for of, each in charging.sessions(run):
        yield of.institution, of.code, each.session, each.connector, each.started_s, each.stopped_s, each.energy_micro


def _faults(of: Device, run: Run) -> Iterator[tuple[object, ...]]:
    """What happens to its register, and which events must be found (any of them; none: nothing)."""
    for fault in registerfaults.faults(of, run.start_s, run.hours):
        values = fault.exchange[1:] if fault.exchange else (None, None)
        yield of.number, fault.kind, fault.first_s, fault.last_s, " ".join(fault.expected), fault.declared, *values


def _truth(of: Device, run: Run) -> tuple[object, ...]:
    amounts = of.truth.amounts_micro[: run.hours]
    return of.number, str(run.fleet.month), int(sum(amounts)), blobs.packed_hours(amounts)


def _record(transaction: sqlite3.Connection, batch: list[Message]) -> None:
    """Sorted by key, which SQLite inserts fastest; a message that comes again is only counted."""
    rows = sorted((key(each), each.topic, 1, each.outcome, each.reason, each.fate, each.send_at_s) for each in batch)
    transaction.executemany("INSERT INTO message VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET published = published + 1", rows)
    statements = [
        (key(each), *astuple(each.statement), each.outcome is not Outcome.DROPPED) for each in batch if each.statement is not None
    ]
    transaction.executemany("INSERT OR IGNORE INTO session_statement VALUES (?,?,?,?,?,?,?,?,?,?,?)", statements)
