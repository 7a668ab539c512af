"""The difference of registry files and database, applied in one transaction.

What the files no longer hold stays in the database: readings refer to it. End it with `valid_to`. A quota row's numbers never
change under its code, because verdicts name it; a correction is a new row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ingest.storage.connection import Connection
from ingest.storage.levels import judge_again
from ingest.storage.registry_checks import Files, RegistryFault
from ingest.storage.registry_lines import begin, end
from ingest.storage.registry_tables import TABLES, Table
from ingest.storage.sums import plan_sums
from ingest.storage.zones import unlike
from schemas.registers import REGISTERS

Record = dict[str, Any]
CHANNEL_DECIMALS: Final = 3


@dataclass(slots=True)
class Difference:
    """What an import adds and changes, as lines a person can read; `kept` is in the database only."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.added or self.changed)


MARK_CHANGED: Final = """
    -- Everything a registry change can touch: the days of an institution from one on to its last reading and the day before today,
    -- for the silent; without such a day also all that its readings hold. Days of the meter's own medium: each has its first day.
    INSERT INTO metering.mark (channel, utc_hour)
    SELECT array_agg(channel), array_agg(utc_hour) FROM (
        SELECT channel.channel, floor(extract(epoch FROM hour) / 3600)::int AS utc_hour
        FROM unnest(%(institution)s::text[], %(since)s::date[]) AS touched (code, since)
        JOIN metering.institution USING (code)
        JOIN metering.region USING (region)
        JOIN metering.meter_version AS version USING (institution)
        JOIN metering.channel USING (meter)
        JOIN metering.meter USING (meter)
        CROSS JOIN LATERAL (
            SELECT metering.local_midnight(greatest(touched.since, min(day)), region.timezone) AS at
            FROM metering.institution_day
            WHERE institution_day.institution = institution.institution AND institution_day.medium = meter.medium
            HAVING count(*) > 0
            UNION ALL SELECT NULL LIMIT 1
        ) AS first
        CROSS JOIN LATERAL (
            SELECT min(read_at) AS hour FROM metering.reading WHERE reading.channel = channel.channel AND touched.since IS NULL
            UNION SELECT max(read_at) FROM metering.reading WHERE reading.channel = channel.channel
            UNION SELECT least(first.at, now() - interval '1 day')
            UNION SELECT now() - interval '1 day'
            UNION SELECT metering.local_midnight(known.day, region.timezone) + interval '12 hours'
            FROM (SELECT unnest(ARRAY[min(day), max(day)]) AS day FROM metering.institution_day
                  WHERE institution_day.institution = institution.institution AND institution_day.medium = meter.medium) AS known
        ) AS hours
        WHERE channel.kind = 'cumulative' AND hour IS NOT NULL AND (touched.since IS NULL OR hour >= first.at)
        GROUP BY 1, 2
    ) AS marks
    HAVING count(*) > 0
"""

MARK_SESSIONS: Final = """
    -- what a charger or its meter is held against may have changed
    INSERT INTO metering.charging_due (meter, connector, session)
    SELECT DISTINCT statement.meter, statement.connector, statement.session
    FROM metering.session_statement AS statement
    JOIN metering.meter_version USING (meter)
    JOIN metering.institution USING (institution)
    WHERE institution.code = ANY (%s)
"""

MOVED: Final = """
    -- institutions that would go to a region of another time zone after something of them was derived
    SELECT institution.code, before.timezone, after.timezone
    FROM unnest(%(institution)s::text[], %(region)s::text[]) AS line (code, region)
    JOIN metering.institution USING (code)
    JOIN metering.region AS before ON before.region = institution.region
    JOIN metering.region AS after ON after.code = line.region AND after.timezone <> before.timezone
    WHERE EXISTS (
        SELECT FROM metering.meter_version AS version JOIN metering.channel USING (meter)
        WHERE version.institution = institution.institution
          AND (EXISTS (SELECT FROM metering.day_state AS state WHERE state.channel = channel.channel)
               OR EXISTS (SELECT FROM metering.charging_session AS session WHERE session.meter = channel.meter)))
    ORDER BY 1
"""


async def apply_registry(connection: Connection, files: Files, *, dry_run: bool) -> Difference:
    """Compare, write the difference, mark what it touches and announce the new version; one transaction, undone if `dry_run`.

    Raises RegistryFault where the database forbids a change, or holds more that the files do not fit.
    """
    difference = Difference()
    touched: set[str] = set()
    recharged: set[str] = set()
    await connection.execute("LOCK TABLE metering.registry_version IN EXCLUSIVE MODE")
    zones = {line.region: line.timezone for line in files["regions"]}
    zone_of = {line.institution: zones[line.region] for line in files["institutions"]}
    for table in TABLES:
        records = [_record(table.name, line, zone_of) for line in files[table.name]]
        changes = await _compare(connection, table, records, difference)
        if table.name == "regions":
            await _refuse_zones(connection, {record["timezone"] for record in changes})
        if table.name == "institutions":
            await _refuse_moves(connection, changes)
        if changes:
            async with connection.cursor() as cursor:
                await cursor.executemany(table.upsert, changes)
        everyone = table.name in ("regions", "quotas")
        if table.name in ("virtual_meters", "pv_rules"):
            continue  # the sums they change say from which day on
        touched |= (
            set(zone_of) if changes and everyone else {record["institution"] for record in changes if "institution" in record}
        )
        if table.name in ("meters", "chargers"):
            recharged |= {record["institution"] for record in changes}
    since = await plan_sums(connection, sorted(zone_of))
    if dry_run or not (difference or since):
        await connection.rollback()
        return difference
    changed = {**since, **dict.fromkeys(touched)}
    if changed:
        await connection.execute(MARK_CHANGED, {"institution": list(changed), "since": list(changed.values())})
        await judge_again(connection, changed)
    if recharged:
        await connection.execute(MARK_SESSIONS, [sorted(recharged)])
    await connection.execute("UPDATE metering.registry_version SET version = version + 1")
    await connection.execute("NOTIFY meterwarden_registry")
    await connection.commit()
    return difference


async def _compare(connection: Connection, table: Table, records: list[Record], difference: Difference) -> list[Record]:
    """The records that are new or differ; fills in the difference."""
    cursor = await connection.execute(table.select)
    names = [column.name for column in cursor.description or ()]
    there = {_key(table, row): row for row in (dict(zip(names, values, strict=True)) for values in await cursor.fetchall())}
    changes = []
    for record in records:
        before = there.pop(_key(table, record), None)
        what = f"{table.name}: {'/'.join(str(part) for part in _key(table, record))}"
        if before is None:
            difference.added.append(what)
            changes.append(record)
        elif differing := {name: before[name] for name in names if before[name] != record[name]}:
            _refuse(table, what, differing)
            words = (f"{name} {_shown(old)} -> {_shown(record[name])}" for name, old in differing.items())
            difference.changed.append(f"{what}: {', '.join(words)}")
            changes.append(record)
    difference.kept += [f"{table.name}: {'/'.join(str(part) for part in key)}" for key in there]
    return changes


def _refuse(table: Table, what: str, differing: Mapping[str, Any]) -> None:
    if table.name == "quotas" and set(differing) - {"valid_to"}:
        columns = ", ".join(sorted(set(differing) - {"valid_to"}))
        raise RegistryFault([f"{what}: {columns} differ, but verdicts name this row: end it with valid_to and add a new code"])
    if table.name == "regions" and "timezone" in differing:
        raise RegistryFault([f"{what}: a region's time zone cannot change under its readings: add a region"])


async def _refuse_zones(connection: Connection, timezones: set[str]) -> None:
    """A zone whose days the database sees otherwise would stop settlement, or put an hour into the wrong day."""
    if mistakes := [words for timezone in sorted(timezones) if (words := await unlike(connection, timezone))]:
        raise RegistryFault(mistakes)


async def _refuse_moves(connection: Connection, institutions: list[Record]) -> None:
    """Days of one zone are none of another's: what is derived would stand beside what is derived anew."""
    moves = {name: [record[name] for record in institutions] for name in ("institution", "region")}
    if found := await (await connection.execute(MOVED, moves)).fetchall():
        what = (
            "region: days of {} are settled, which are none of {}; leave it, and register its meters anew under another institution"
        )
        raise RegistryFault([f"institutions: {code}: {what.format(before, after)}" for code, before, after in found])


def _record(name: str, line: Any, zone_of: Mapping[str, str]) -> Record:
    record: Record = line.model_dump(by_alias=True)
    if name == "virtual_meters":
        return record | {"medium": line.medium.value}
    if name != "meters":
        return record
    zone = zone_of[line.institution]
    registers = [REGISTERS[register] for register in line.register_names]
    return {
        **{key: record[key] for key in ("institution", "meter", "gateway", "role", "parent", "sub_item", "register_digits")},
        "medium": line.medium.value,
        "valid_from": begin(line, zone),
        "valid_to": None if line.valid_to is None else end(line, zone),
        "ratio_milli": int(line.ratio * 1000),
        "rated_capacity": line.capacity,
        "quantum_milli": 10 ** (CHANNEL_DECIMALS - line.register_decimals),
        "interval_s": line.interval_minutes * 60,
        "registers": " ".join(sorted(register.name for register in registers)),
        "channel_registers": [register.name for register in registers],
        "channel_kinds": [register.kind.value for register in registers],
        "channel_units": [register.unit for register in registers],
    }


def _key(table: Table, record: Record) -> tuple[Any, ...]:
    return tuple(record[name] for name in table.key)


def _shown(value: Any) -> str:
    return "(empty)" if value is None else str(value.normalize()) if isinstance(value, Decimal) else str(value)
