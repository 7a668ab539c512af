"""Forget everything derived; marks on every channel let the settler derive it again from the stored readings."""

from typing import Final

from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected

DERIVED: Final = (
    "day_state", "consumption_hour", "consumption_day", "consumption_month", "consumption_year", "channel_event", "institution_day",
    "quota_level", "tick", "charging_session", "charging_finding", "channel_digest", "vee_signal", "vee_tick",
)  # fmt: skip
"""Every table that settlement alone fills."""


async def forget_and_mark(settings: DatabaseSettings) -> int:
    """Empty the derived tables and mark every cumulative channel, in one transaction; returns how many. Raises Unavailable.

    A channel without a reading is marked for yesterday, as its import did: its institution's days show that it is silent.
    """
    async with connected(settings) as connection:
        for table in DERIVED:
            await connection.execute(f"DELETE FROM metering.{table}")  # noqa: S608 - names from this file
        await connection.execute("DELETE FROM metering.vee_due")
        await connection.execute("DELETE FROM metering.finding WHERE state_at IS NULL")
        await connection.execute("UPDATE metering.finding SET found = false")  # what people made of them is not derived
        cursor = await connection.execute(
            """WITH span AS (
                   SELECT channel, min(read_at) AS first, max(read_at) AS last FROM metering.reading GROUP BY channel
               )
               INSERT INTO metering.mark (channel, utc_hour)
               SELECT ARRAY[channel, channel],
                      ARRAY[floor(extract(epoch FROM coalesce(first, now() - interval '1 day')) / 3600),
                            floor(extract(epoch FROM coalesce(last, now() - interval '1 day')) / 3600)]::int[]
               FROM metering.channel LEFT JOIN span USING (channel) WHERE kind = 'cumulative'"""
        )
        await connection.execute(
            """INSERT INTO metering.charging_due (meter, connector, session)
               SELECT DISTINCT meter, connector, session FROM metering.session_statement"""
        )
        await connection.commit()
    return cursor.rowcount
