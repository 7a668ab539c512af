"""Forget everything derived; marks on every channel let the settler derive it again from the stored readings."""

from typing import Final

from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected

DERIVED: Final = (
    "day_state", "consumption_hour", "consumption_day", "consumption_month", "consumption_year", "channel_event", "institution_day",
    "quota_level", "tick", "channel_digest", "vee_signal", "vee_tick",
)  # fmt: skip
"""Every table that settlement alone fills."""


async def forget_and_mark(settings: DatabaseSettings) -> int:
    """Empty the derived tables and mark every channel with readings, in one transaction; returns how many. Raises Unavailable."""
    async with connected(settings) as connection:
        for table in DERIVED:
            await connection.execute(f"DELETE FROM metering.{table}")  # noqa: S608 - names from this file
        await connection.execute("DELETE FROM metering.vee_due")
        await connection.execute("DELETE FROM metering.finding WHERE state_at IS NULL")
        await connection.execute("UPDATE metering.finding SET found = false")  # what people made of them is not derived
        cursor = await connection.execute(
            """INSERT INTO metering.mark (channel, utc_hour)
               SELECT ARRAY[channel, channel],
                      ARRAY[floor(extract(epoch FROM min(read_at)) / 3600), floor(extract(epoch FROM max(read_at)) / 3600)]::int[]
               FROM metering.reading GROUP BY channel"""
        )
        await connection.commit()
    return cursor.rowcount
