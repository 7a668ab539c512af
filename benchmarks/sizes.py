"""How much of everything: enough for steady figures, about a minute, or just enough to see that it runs.

Quick does what full does, less often: a ratio is only the same where tables are as deep, batches as many, meters as known as there.
What no target looks at it leaves out, or makes small.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the scenarios do; the defaults are the full benchmark, under ten minutes on two cores."""

    meters: int = 20_000
    stored_rows: int = 2_000_000
    """In the table before anything is measured."""
    rows: int = 4
    """Of scenarios that are held against each other."""
    inner_rows: int = 2
    """Of these, in the middle, as many have also what takes long for its worth."""
    extras: bool = True
    """Whether scenarios also run what is only shown beside them."""
    messages: int = 200_000
    """Of one reading, a run of null and single."""
    paho_messages: int = 100_000
    aiomqtt_messages: int = 40_000
    batch_messages: int = 30_000
    """Of twenty readings, a run of batch20."""
    copy_rows: int = 200_000
    latency_messages: int = 120_000
    backlog_messages: int = 300_000
    settle_channels: int = 20_000
    settle_readings: int = 60
    """Readings a channel, one a second, that all channels' current hour holds."""
    deep_channels: int = 400
    deep_readings: int = 3_000
    """The same for the fewer channels whose hour is full."""
    rounds: int = 5
    rounds_seconds: float = 20
    """No further pair of rounds is begun after so long."""
    backlog_channels: int = 1_000
    backlog_days: int = 45
    backlog_hours: int = 50_000
    """Channel-hours a round of the backlog; as many as the service's settings have."""
    backlog_seconds: float = 60
    """As much of the backlog as is settled in so long."""
    fleets: tuple[int, ...] = (1_000, 20_000, 200_000, 1_000_000)
    fleet_repeats: int = 5
    fleet_messages: int = 40_000
    fleet_rate: float = 8_000
    institutions: int = 1_788
    """Of the city, with CITY=1."""


SIZES: Final = {
    "full": Sizes(),
    "quick": Sizes(
        rows=3, inner_rows=1, extras=False, messages=60_000, paho_messages=30_000, aiomqtt_messages=5_000, batch_messages=20_000,
        latency_messages=16_000, backlog_messages=100_000, settle_channels=1_000, deep_channels=200, deep_readings=1_200,
        rounds=6, rounds_seconds=4, backlog_channels=80, backlog_hours=4_000, backlog_seconds=10,
        fleets=(1_000, 20_000), fleet_repeats=2, fleet_messages=8_000, institutions=60,
    ),
    "tiny": Sizes(
        meters=50, stored_rows=1_000, rows=1, inner_rows=1, messages=500, paho_messages=500, aiomqtt_messages=200,
        batch_messages=50, copy_rows=500, latency_messages=200, backlog_messages=500, settle_channels=20, settle_readings=5,
        deep_channels=3, deep_readings=20, rounds=1, backlog_channels=5, backlog_days=2, fleets=(10, 20), fleet_repeats=1,
        fleet_messages=200, fleet_rate=1_000, institutions=2,
    ),
}  # fmt: skip
