"""Forget everything derived; marks on every channel let the settler derive it again from the stored readings."""

from typing import Final

from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected
from ingest.storage.levels import judge_again
from ingest.storage.queries import QUERIES

DERIVED: Final = {
    "day_state": "day", "consumption_hour": "hour", "consumption_day": "day", "channel_event": "found_at",
    "institution_day": "day", "quota_level": "day", "charging_session": "started_at",
    "charging_finding": "found_at", "channel_digest": "day", "vee_signal": "day", "vee_tick": "day",
}  # fmt: skip
"""Every table that is derived from readings, and the column that says when."""
INSTANTS: Final = frozenset({"hour", "found_at", "started_at"})

FIRST_DAY: Final = """
    -- the first day that begins, in every region, when raw readings are kept: what was derived before cannot be derived again
    SELECT coalesce(max(first.day), '-infinity')::text,
           coalesce(max(metering.local_midnight(first.day, timezone)), '-infinity')::text
    FROM metering.region
    JOIN metering.retention ON isfinite(raw_kept_since)
    CROSS JOIN LATERAL (SELECT (raw_kept_since AT TIME ZONE timezone)::date AS day) AS local
    CROSS JOIN LATERAL (SELECT local.day + (metering.local_midnight(local.day, timezone) < raw_kept_since)::int) AS first (day)
"""
MARK: Final = """
    WITH span AS (
        SELECT channel, min(read_at) AS first, max(read_at) AS last
        FROM (SELECT channel, read_at FROM metering.reading UNION ALL SELECT channel, read_at FROM metering.edit) AS counted
        GROUP BY channel
    )
    INSERT INTO metering.mark (channel, utc_hour)
    SELECT ARRAY[channel, channel],
           ARRAY[floor(extract(epoch FROM coalesce(first, now() - interval '1 day')) / 3600),
                 floor(extract(epoch FROM coalesce(last, now() - interval '1 day')) / 3600)]::int[]
    FROM metering.channel LEFT JOIN span USING (channel) WHERE kind = 'cumulative'
"""


async def forget_and_mark(settings: DatabaseSettings) -> int:
    """Empty the derived tables and mark every cumulative channel, in one transaction; returns how many. Raises Unavailable.

    A channel without a reading is marked for yesterday, as its import did: its institution's days show that it is silent. Days are
    remembered until they are derived again, so that those which come out otherwise are on record.
    """
    async with connected(settings) as connection:
        await connection.execute(QUERIES["raw_kept_since"])  # holds off retention, which would drop what is to be derived again
        ((day, at),) = await (await connection.execute(FIRST_DAY)).fetchall()
        await connection.execute(
            """INSERT INTO metering.forgotten_day
               SELECT channel, day, amount, unallocated, measured_us, estimated_us FROM metering.consumption_day WHERE day >= %s
               ON CONFLICT DO NOTHING""",
            [day],
        )
        # whoever shows standings reads them all again: those that are forgotten now stand nowhere
        await connection.execute("UPDATE metering.registry_version SET version = version + 1")
        codes = await (await connection.execute("SELECT code FROM metering.institution")).fetchall()
        await judge_again(connection, {code: None for (code,) in codes})  # a silent day is no reading's
        for table, column in DERIVED.items():
            await connection.execute(
                f"DELETE FROM metering.{table} WHERE {column} >= %s",  # noqa: S608 - names from this file
                [at if column in INSTANTS else day],
            )
        await connection.execute("DELETE FROM metering.vee_due")
        await connection.execute("DELETE FROM metering.finding WHERE state_at IS NULL")
        await connection.execute("UPDATE metering.finding SET found = false")  # what people made of them is not derived
        cursor = await connection.execute(MARK)
        await connection.execute(
            """INSERT INTO metering.charging_due (meter, connector, session)
               SELECT DISTINCT meter, connector, session FROM metering.session_statement"""
        )
        await connection.commit()
    return cursor.rowcount
