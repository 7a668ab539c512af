"""What travels along intake's line: messages as they came, and what each comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from ingest.metering.calendar import Instant


class Message(NamedTuple):
    """A message as it came. `generation` is the connection that delivered it, `packet_id` 0 where nothing is acknowledged."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int
    generation: int
    received_at: Instant


new_message: Final[Callable[[tuple[str, bytes, int, bool, int, int, Instant]], Message]] = partial(tuple.__new__, Message)
"""A Message of its seven values, for the same reason as `new_row`."""


class Row(NamedTuple):
    """One register reading as it is stored; rows sort in key order."""

    channel: int
    read_at: Instant
    value: int
    received_at: Instant


new_row: Final[Callable[[tuple[int, Instant, int, Instant]], Row]] = partial(tuple.__new__, Row)
"""A Row of its four values. Measured: 0.13 µs, `Row(...)` 0.26 µs."""


class SessionRow(NamedTuple):
    """One statement about a charging session as it is stored; energies in thousandths of a kWh."""

    meter: int
    session: str
    connector: int
    started_at: Instant
    start_register: int
    stopped_at: Instant | None
    stop_register: int | None
    session_energy: int | None
    received_at: Instant


@dataclass(slots=True)
class Rejected:
    """Why a message is kept in quarantine: the first failing reading decides the reason."""

    stage: str
    reason: str
    detail: str
    failing: list[int] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Assessed:
    """What one message comes to, before the database is asked what it holds already."""

    message: Message
    rows: list[Row] = field(default_factory=list)
    sessions: Sequence[SessionRow] = ()
    rejected: Rejected | None = None


class Outcome(NamedTuple):
    """What became of a message (`stored`, `duplicate` or `rejected`), and how many of its register readings went which way."""

    message: str
    stored: int = 0
    duplicate: int = 0
    disputed: int = 0
