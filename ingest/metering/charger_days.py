"""A charger's own register against its sessions, by local day: energy that nobody charged, sessions that took none. Pure.

Energy does not flow evenly within a session, so one that may have crossed midnight counts with the least and the most that it can
have taken within the day: what is found then is certain, not a matter of how it was shared out.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from ingest.metering.calendar import Day, Instant
from ingest.metering.sessions import CLOCK_SLACK_US, Charger, Finding

AGREE_PER_MILLE: Final = 20
AGREE_MICRO: Final = 1_000_000
"""Register and sessions agree within 2 %, or 1 kWh a day: standby and display steps. This project's own bounds."""
CLOCKS_US: Final = 10 * CLOCK_SLACK_US
"""The clocks of a charger and of whoever reads its register may be so far apart."""


class RegisterDay(NamedTuple):
    """What a charger's register says of a local day: its advance in millionths of a kWh, and how long that was measured."""

    day: Day
    amount: int
    measured_us: int


class Charged(Protocol):
    """What a day asks of a session."""

    @property
    def started_at(self) -> Instant: ...
    @property
    def ends_at(self) -> Instant: ...
    @property
    def energy(self) -> int | None: ...
    @property
    def state(self) -> str: ...


def reach_us(charger: Charger) -> int:
    """How far into the neighbouring days the register's value at midnight may reach: it lies between two readings."""
    return 2 * max(version.interval_us for version in charger.versions) + CLOCKS_US


def judge_day(charger: Charger, of: RegisterDay, sessions: Iterable[Charged], first_day: Day) -> list[Finding]:
    """What register and sessions of a day cannot both be right about; nothing before the first day with a session, or where the
    register was not measured throughout.
    """
    begins, ends = charger.calendar.day_start(of.day), charger.calendar.day_start(of.day + 1)
    if of.day < first_day or of.measured_us < ends - begins:
        return []
    reach = reach_us(charger)
    spans = [_bounds(charger, session, begins, ends, reach) for session in sessions]
    least, most = sum(span[0] for span in spans), sum(span[1] for span in spans)
    slack = max(of.amount * AGREE_PER_MILLE // 1000, AGREE_MICRO)
    evidence = {"register": of.amount, "sessions_least": least, "sessions_most": most, "sessions": len(spans)}
    if of.amount > most + slack:
        return [Finding("orphan_energy", {**evidence, "orphan": of.amount - most})]
    if least > of.amount + slack:
        return [
            Finding("register_still" if of.amount == 0 else "register_below_sessions", {**evidence, "lacking": least - of.amount})
        ]
    return []


def _bounds(charger: Charger, session: Charged, begins: Instant, ends: Instant, reach: int) -> tuple[int, int]:
    """The least and the most a session can have added to the register between the readings around two midnights."""
    inside = min(session.ends_at, ends + reach) - max(session.started_at, begins - reach)
    most = charger.most_micro(inside + CLOCK_SLACK_US)
    if session.state != "closed" or session.energy is None:
        return 0, most
    surely_inside = min(session.ends_at, ends - reach) - max(session.started_at, begins + reach)
    outside = max(session.ends_at - session.started_at - max(surely_inside, 0), 0)
    least = max(session.energy - charger.most_micro(outside + CLOCK_SLACK_US), 0) if outside else session.energy
    return least, min(session.energy, most)
