"""Channels with main meters under institutions with quotas, and readings with their marks, put in by SQL."""

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.metering.calendar import instant

METERS_EACH: Final = 11
"""Of an institution: a main meter and ten below it, about the mean of a city."""
MARKED_ROWS: Final = 5_000
"""Channels of a mark: a batch of intake."""

FLEET: Final = (
    "INSERT INTO metering.region (code, name, timezone) VALUES ('BENCH', 'bench', 'Asia/Shanghai')",
    """INSERT INTO metering.institution (code, name, region, class)
       SELECT 'I' || n, 'bench', region, 'office' FROM metering.region, generate_series(1, %(institutions)s::int) AS n""",
    """INSERT INTO metering.denominator (institution, kind, value, valid_from, source)
       SELECT institution, 'floor_area_m2', 5000, '2020-01-01', 'sample' FROM metering.institution""",
    """INSERT INTO metering.quota (quota, standard, edition, table_no, jurisdiction, class, indicator, unit, period_kind,
           constraint_value, valid_from, source, confidence, sample)
       SELECT 'sample-' || kind, 'sample', '1', '1', 'sample', 'office', 'electricity_per_area', 'kWh/m2', kind, 1000, '2020-01-01',
              'sample, invented', 'sample', true
       FROM unnest(ARRAY['month', 'year']) AS kind""",
    "INSERT INTO metering.meter (medium, code) SELECT 'electricity', 'E' || n FROM generate_series(1, %(channels)s::int) AS n",
    """INSERT INTO metering.channel (meter, register, kind, unit, decimals)
       SELECT meter, 'energy_import_kwh', 'cumulative', 'kWh', 3 FROM metering.meter ORDER BY meter""",
    """INSERT INTO metering.meter_version (meter, valid_from, institution, role, ratio_milli, rated_capacity, register_digits,
           quantum_milli, interval_s)
       SELECT meter, '2020-01-01', 1 + (meter - 1) / %(each)s::int,
              CASE WHEN (meter - 1) %% %(each)s::int = 0 THEN 'main' ELSE 'sub' END, 1000, 100, 9, 1, 900
       FROM metering.meter""",
    "ANALYZE",
)
READINGS: Final = """
    INSERT INTO metering.reading (read_at, value, received_at, channel)
    SELECT at, extract(epoch FROM at - '2020-01-01+00')::bigint * 3, at, channel
    FROM generate_series(%(first)s::timestamptz, %(until)s::timestamptz - interval '1 us', %(step)s::interval) AS at,
         generate_series(%(low)s::int, %(high)s::int) AS channel
"""
MARKS: Final = """
    INSERT INTO metering.mark (channel, utc_hour, from_us, until_us)
    SELECT array_agg(channel), array_agg(hour), array_agg(greatest(%(first_us)s::bigint, hour * 3600000000::bigint)),
           array_agg(least(%(until_us)s::bigint, (hour + 1) * 3600000000::bigint) - 1)
    FROM unnest(%(hours)s::int[]) AS hour, generate_series(%(low)s::int, %(high)s::int) AS channel
    GROUP BY hour, channel / %(rows)s::int ORDER BY hour
"""
ENDS: Final = """
    INSERT INTO metering.mark (channel, utc_hour)
    SELECT ARRAY[channel, channel], ARRAY[span.hours[1], span.hours[cardinality(span.hours)]]
    FROM (SELECT %(hours)s::int[] AS hours) AS span, generate_series(%(low)s::int, %(high)s::int) AS channel
"""


async def register(owner: AsyncConnection[Any], channels: int) -> None:
    """Channels 1, 2, ... as many as asked for, in an empty registry."""
    given = {"channels": channels, "institutions": -(-channels // METERS_EACH), "each": METERS_EACH}
    for statement in FLEET:
        await owner.execute(statement, given if "%(" in statement else None)


async def add_readings(
    owner: AsyncConnection[Any], channels: range, first: datetime, until: datetime, step: timedelta, *, marks: str = MARKS
) -> None:
    """One reading a channel and step, all channels at an instant before the next one, and the marks of the hours they are in.

    `MARKS` are as intake leaves them: hour after hour, a batch each, with the instants of its readings. `ENDS` marks first and last
    hour of a channel together, which is enough to have all between settled at once.
    """
    given = {"low": channels.start, "high": channels.stop - 1, "first": first, "until": until, "step": step, "rows": MARKED_ROWS}
    hours = list(range(int(first.timestamp()) // 3600, int((until - step).timestamp()) // 3600 + 1))
    async with owner.transaction():
        await owner.execute(READINGS, given)
        instants = {"first_us": instant(first), "until_us": instant(until)}
        await owner.execute(marks, {**given, **instants, "hours": hours})
