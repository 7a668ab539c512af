"""The channels that settlement folds, with their versions in valid time and their exchanges, kept between rounds."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from ingest.metering.calendar import Calendar, calendar, instant
from ingest.metering.channel import BELIEVED_TIMES_RATED, Channel, Exchange, Version
from ingest.storage import binary
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES

MICROSECONDS: Final = 1_000_000
MOST_KEPT: Final = 50_000
"""Channels kept between rounds: a round's worth. Of a larger fleet the others are asked for in every round."""


class Channels:
    """The channels of one database. What is kept stands as long as the registry does: every change of it raises its version.

    Measured, 20,000 channels a round: to ask for them anew took 1.9 us of the server's CPU a channel, and some of ours.
    """

    def __init__(self) -> None:
        """Knowing none."""
        self._registry_version: int | None = None
        self._kept: dict[int, Channel | None] = {}

    async def among(self, connection: Connection, numbers: Collection[int]) -> dict[int, Channel]:
        """The cumulative channels among some, as the open transaction sees them."""
        cursor = await connection.execute(QUERIES["registry_version"])
        version = (await cursor.fetchall())[0][0]
        if version != self._registry_version:
            self._registry_version, self._kept = version, {}
        kept = self._kept
        new = [number for number in numbers if number not in kept]
        found = await _cumulative(connection, new) if new else {}
        for number in new[: max(MOST_KEPT - len(kept), 0)]:
            kept[number] = found.get(number)
        for number in numbers:
            if channel := kept.get(number):
                found[number] = channel
        for number, exchanges in (await _exchanges(connection, found)).items():
            found[number] = replace(found[number], exchanges=tuple(exchanges))
        return found


async def _cumulative(connection: Connection, numbers: Collection[int]) -> dict[int, Channel]:
    cursor = await connection.execute(QUERIES["settling_channels"], [binary.ints(list(numbers))])
    versions: dict[int, list[Version]] = defaultdict(list)
    zones: dict[int, Calendar] = {}
    for channel, timezone, decimals, valid_from, ratio, capacity, quantum, digits, interval_s in await cursor.fetchall():
        zones[channel] = calendar(timezone)
        versions[channel].append(_version(decimals, valid_from, ratio, capacity, quantum, digits, interval_s))
    return {channel: Channel(channel, zones[channel], tuple(found)) for channel, found in versions.items()}


async def _exchanges(connection: Connection, channels: Collection[int]) -> dict[int, list[Exchange]]:
    cursor = await connection.execute(QUERIES["settling_exchanges"], [binary.ints(list(channels))])
    found: dict[int, list[Exchange]] = defaultdict(list)
    for channel, *exchange in await cursor.fetchall():
        found[channel].append(Exchange(*exchange))
    return found


@lru_cache(maxsize=10_000)
def _version(
    decimals: int, valid_from: datetime, ratio: int, capacity: Decimal, quantum: int, digits: int | None, interval_s: int
) -> Version:
    """Registry values in the channel's integers; the capacity is on the primary side, the register behind the ratio."""
    resolution = 10**decimals
    cap = capacity * BELIEVED_TIMES_RATED * 1000 / ratio * resolution
    return Version(
        valid_from=instant(valid_from),
        scale=ratio * 10 ** (3 - decimals),
        cap_per_hour=int(cap.to_integral_value(rounding="ROUND_CEILING")),
        quantum=max(quantum * resolution // 1000, 1),
        modulus=None if digits is None else 10**digits * resolution,
        interval_us=interval_s * MICROSECONDS,
    )
