"""The oracle: a SQLite file of what was truly consumed, what was sent, and which flags it should raise.

It is written beside the stream, in transactions of `BATCH` messages. `meta` says `complete = yes` only once every message was
acknowledged, so that the ledger of a broken run is not mistaken for the truth.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from simulators import quotas, registry
from simulators.fleet import Fleet
from simulators.messages import Message
from simulators.meter import Meter
from simulators.month import HOUR_SECONDS
from simulators.site import Institution

BATCH: Final = 2_000

SCHEMA: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE message(
    key BLOB PRIMARY KEY, topic TEXT NOT NULL, published INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT
) WITHOUT ROWID;
CREATE TABLE reading(
    institution TEXT, medium TEXT, meter TEXT, register TEXT, read_at_us INTEGER, value_milli INTEGER NOT NULL,
    PRIMARY KEY(institution, medium, meter, register, read_at_us)
) WITHOUT ROWID;
CREATE TABLE truth_hour(
    institution TEXT, medium TEXT, meter TEXT, register TEXT, hour_us INTEGER, amount_micro INTEGER NOT NULL,
    PRIMARY KEY(institution, medium, meter, register, hour_us)
) WITHOUT ROWID;
CREATE TABLE truth_month(
    institution TEXT, medium TEXT, meter TEXT, register TEXT, month TEXT, amount_micro INTEGER NOT NULL,
    quantum_micro INTEGER NOT NULL,
    PRIMARY KEY(institution, medium, meter, register, month)
) WITHOUT ROWID;
CREATE TABLE expected_flag(
    institution TEXT, indicator TEXT, period_kind TEXT, period_start TEXT, used REAL NOT NULL, allowance REAL NOT NULL,
    exceeded INTEGER NOT NULL,
    PRIMARY KEY(institution, indicator, period_kind, period_start)
) WITHOUT ROWID;
"""

Flag = tuple[str, str, str, str, float, float, bool]


class Ledger:
    """An open ledger. `connection` is for readers."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def describe(self, entries: Mapping[str, object]) -> None:
        """Note what was simulated, such as the seed."""
        with self.connection as transaction:
            rows = [(key, str(entry)) for key, entry in entries.items()]
            transaction.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def know(self, fleet: Fleet) -> None:
        """Note the truth: amounts of every hour and month, expected flags."""
        for institution in fleet.institutions:
            with self.connection as transaction:
                for meter in institution.meters:
                    _know_meter(transaction, meter, fleet)
                transaction.executemany("INSERT INTO expected_flag VALUES (?,?,?,?,?,?,?)", flags(institution, fleet))

    def recorded(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The same messages, each noted before it is handed on."""
        stream = iter(messages)
        while batch := list(islice(stream, BATCH)):
            with self.connection as transaction:
                _record(transaction, batch)
            yield from batch


@contextmanager
def create(path: Path) -> Iterator[Ledger]:
    """A new ledger; FileExistsError where there is one, because two runs in one ledger prove nothing."""
    path.open("xb").close()
    connection = sqlite3.connect(path)
    try:
        # The same seed writes the same ledger again: speed before safety from power cuts.
        connection.execute("PRAGMA synchronous = OFF")
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


def flags(institution: Institution, fleet: Fleet) -> Iterator[Flag]:
    """What every indicator should come to, in its unit per denominator: over the constraint or not."""
    starts = {"month": fleet.month.first_day, "year": f"{fleet.month.year}-01-01"}
    identity = institution.identity
    for indicator in quotas.INDICATORS:
        used_micro = institution.main_micro(indicator.medium)
        for period_kind in registry.PERIOD_KINDS:
            allowed_milli = indicator.allowed_milli(identity.institution_class, period_kind)
            denominator = identity.denominator(indicator.denominator)
            exceeded = used_micro > allowed_milli * 1000 * denominator
            used = used_micro / 1_000_000 / denominator
            yield (
                *(identity.code, indicator.name, period_kind, starts[period_kind]),
                *(used, allowed_milli / 1000, exceeded),
            )


def _know_meter(transaction: sqlite3.Connection, meter: Meter, fleet: Fleet) -> None:
    named = (meter.institution, str(meter.medium), meter.code, meter.register)
    starts_s = range(fleet.month.start_s, fleet.month.end_s, HOUR_SECONDS)
    hours = ((*named, at * 1_000_000, amount) for at, amount in zip(starts_s, meter.amounts_micro, strict=True))
    transaction.executemany("INSERT INTO truth_hour VALUES (?,?,?,?,?,?)", hours)
    month = (*named, str(fleet.month), meter.month_micro, meter.display.quantum_micro)
    transaction.execute("INSERT INTO truth_month VALUES (?,?,?,?,?,?,?)", month)


def _record(transaction: sqlite3.Connection, batch: list[Message]) -> None:
    """Sorted by key, which SQLite inserts fastest; a message or reading that comes again is only counted."""
    sent = sorted((key(message), message.topic, message.reason) for message in batch)
    transaction.executemany(
        "INSERT INTO message VALUES (?1, ?2, 1, iif(?3 IS NULL, 'stored', 'rejected'), ?3)"
        " ON CONFLICT DO UPDATE SET published = published + 1",
        sent,
    )
    readings = sorted(reading for message in batch for reading in message.readings)
    transaction.executemany("INSERT INTO reading VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING", readings)
