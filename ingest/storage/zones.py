"""The database must see the local days of a zone as we do: it rolls up by its own time zone files, the fold goes by ours."""

from datetime import date
from typing import Final

import psycopg

from ingest.metering.calendar import FIRST_DAY, LAST_DAY, calendar, instant
from ingest.storage.connection import Connection

MIDNIGHTS: Final = """
    SELECT metering.local_midnight(day::date, %s)
    FROM generate_series(%s::date, %s::date, interval '1 day') AS day ORDER BY day
"""


async def unlike(connection: Connection, timezone: str) -> str:
    """What the database lacks or sees otherwise in a zone, in words for whoever imports it; empty where all days agree."""
    parameters = (timezone, date.fromordinal(FIRST_DAY), date.fromordinal(LAST_DAY))
    try:
        async with connection.transaction():
            rows = await (await connection.execute(MIDNIGHTS, parameters)).fetchall()
    except psycopg.errors.InvalidParameterValue:
        return f"time zone {timezone!r} is not known to the database: use its present name, such as Asia/Shanghai"
    for number, (ours, (theirs,)) in enumerate(zip(calendar(timezone).midnights, rows, strict=True)):
        if instant(theirs) != ours:
            day = date.fromordinal(FIRST_DAY + number)
            return f"time zone {timezone!r} is not supported: the database begins {day} at another instant (tzdata of another age?)"
    return ""
