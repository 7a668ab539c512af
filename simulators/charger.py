"""A charger as the registry knows it, and its charging sessions."""

from dataclasses import dataclass
from datetime import date
from typing import Final

FAST_KW: Final = (60, 120)
SLOW_KW: Final = (7,)


@dataclass(frozen=True, slots=True)
class Session:
    """One charge: its energy starts at zero with every session, the charger's lifetime register goes on."""

    session: str
    connector: int
    started_s: int
    stopped_s: int
    start_micro: int
    """The lifetime register when it began, in micro-kWh."""
    energy_micro: int

    @property
    def stop_micro(self) -> int:
        """The lifetime register when it ended."""
        return self.start_micro + self.energy_micro


@dataclass(frozen=True, slots=True)
class Charger:
    """What the registry says about a charger; its meter has the same code. `sessions` are those that touch the month."""

    institution: str
    code: str
    fast: bool
    commissioned_on: date
    rated_kw: int
    access: str
    sessions: tuple[Session, ...] = ()
