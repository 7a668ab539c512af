"""How much of everything: enough for steady figures, about a minute, or just enough to see that it runs."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the scenarios do; the defaults are the full benchmark, under ten minutes on two cores."""

    meters: int = 20_000
    repeats: int = 3
    messages: int = 200_000
    """Of one reading, a run of null, paho and single."""
    aiomqtt_messages: int = 40_000
    batch_messages: int = 30_000
    """Of twenty readings, a run of batch20."""
    copy_rows: int = 200_000
    copy_repeats: int = 5
    latency_messages: int = 120_000
    backlog_messages: int = 300_000
    settle_channels: int = 20_000
    settle_readings: int = 60
    """Readings a channel, one a second, that all channels' current hour holds."""
    deep_channels: int = 400
    deep_readings: int = 3_000
    """The same for the fewer channels whose hour is full."""
    rounds: int = 5
    rounds_seconds: float = 10
    """No further round is begun after so long."""
    backlog_channels: int = 1_000
    backlog_days: int = 45
    backlog_seconds: float = 60
    """As much of the backlog as is settled in so long."""
    fleets: tuple[int, ...] = (1_000, 20_000, 200_000, 1_000_000)
    fleet_messages: int = 40_000
    fleet_rate: float = 8_000
    institutions: int = 1_788
    """Of the city, with CITY=1."""


SIZES: Final = {
    "full": Sizes(),
    "quick": Sizes(
        repeats=1, messages=100_000, aiomqtt_messages=10_000, batch_messages=10_000, copy_rows=100_000, copy_repeats=3,
        latency_messages=20_000, backlog_messages=100_000, settle_channels=2_000, settle_readings=30, deep_channels=50,
        deep_readings=1_200, rounds=3, rounds_seconds=3, backlog_channels=100, backlog_days=5, backlog_seconds=10,
        fleets=(1_000, 20_000), fleet_messages=16_000, institutions=60,
    ),
    "tiny": Sizes(
        meters=50, repeats=1, messages=500, aiomqtt_messages=200, batch_messages=50, copy_rows=500, copy_repeats=1,
        latency_messages=200, backlog_messages=500, settle_channels=20, settle_readings=5, deep_channels=3, deep_readings=20,
        rounds=1, backlog_channels=5, backlog_days=2, fleets=(10, 20), fleet_messages=200, fleet_rate=1_000, institutions=2,
    ),
}  # fmt: skip
