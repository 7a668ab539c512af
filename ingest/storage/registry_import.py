"""The difference of registry files and database, applied in one transaction.

What the files no longer hold stays in the database: readings refer to it. End it with `valid_to`. A quota row's numbers never
change under its code, because verdicts name it; a correction is a new row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, LiteralString

from ingest.storage.connection import Connection
from ingest.storage.registry_csv import Files, RegistryFault
from ingest.storage.registry_lines import begin, end
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


@dataclass(frozen=True, slots=True)
class Table:
    """How one file meets its table: its key columns, what is there, and how a record is written."""

    name: str
    key: tuple[str, ...]
    select: LiteralString
    upsert: LiteralString


TABLES: Final = (
    Table(
        "regions",
        ("region",),
        "SELECT code AS region, name, timezone FROM metering.region",
        """INSERT INTO metering.region (code, name, timezone) VALUES (%(region)s, %(name)s, %(timezone)s)
           ON CONFLICT (code) DO UPDATE SET name = excluded.name, timezone = excluded.timezone""",
    ),
    Table(
        "institutions",
        ("institution",),
        """SELECT i.code AS institution, i.name, r.code AS region, class, sub_class, climate_zone, heating_type
           FROM metering.institution AS i JOIN metering.region AS r USING (region)""",
        """INSERT INTO metering.institution (code, name, region, class, sub_class, climate_zone, heating_type)
           SELECT %(institution)s, %(name)s, region, %(class)s, %(sub_class)s, %(climate_zone)s, %(heating_type)s
           FROM metering.region WHERE code = %(region)s
           ON CONFLICT (code) DO UPDATE SET name = excluded.name, region = excluded.region, class = excluded.class,
               sub_class = excluded.sub_class, climate_zone = excluded.climate_zone, heating_type = excluded.heating_type""",
    ),
    Table(
        "denominators",
        ("institution", "denominator", "valid_from"),
        """SELECT i.code AS institution, kind AS denominator, value, valid_from, nullif(valid_to, 'infinity') AS valid_to, source
           FROM metering.denominator JOIN metering.institution AS i USING (institution)""",
        """INSERT INTO metering.denominator (institution, kind, value, valid_from, valid_to, source)
           SELECT institution, %(denominator)s, %(value)s, %(valid_from)s, coalesce(%(valid_to)s::date, 'infinity'), %(source)s
           FROM metering.institution WHERE code = %(institution)s
           ON CONFLICT (institution, kind, valid_from) DO UPDATE SET value = excluded.value, valid_to = excluded.valid_to,
               source = excluded.source""",
    ),
    Table(
        "meters",
        ("institution", "medium", "meter", "valid_from"),
        """SELECT i.code AS institution, m.medium, m.code AS meter, v.valid_from, nullif(v.valid_to, 'infinity') AS valid_to,
               gateway, role, parent, sub_item, ratio_milli, rated_capacity, register_digits, quantum_milli, interval_s,
               (SELECT string_agg(register, ' ' ORDER BY register) FROM metering.channel WHERE channel.meter = m.meter) AS registers
           FROM metering.meter_version AS v
           JOIN metering.meter AS m USING (meter) JOIN metering.institution AS i USING (institution)""",
        """WITH known AS (
               SELECT m.meter FROM metering.meter AS m
               JOIN metering.meter_version AS v USING (meter) JOIN metering.institution AS i USING (institution)
               WHERE i.code = %(institution)s AND m.medium = %(medium)s AND m.code = %(meter)s LIMIT 1
           ), added AS (
               INSERT INTO metering.meter (medium, code) SELECT %(medium)s, %(meter)s WHERE NOT EXISTS (SELECT FROM known)
               RETURNING meter
           ), channels AS (
               INSERT INTO metering.channel (meter, register, kind, unit, decimals)
               SELECT meter, register, kind, unit, 3
               FROM (TABLE known UNION ALL TABLE added) AS meter
               CROSS JOIN unnest(%(channel_registers)s::text[], %(channel_kinds)s::text[], %(channel_units)s::text[])
                   AS wanted (register, kind, unit)
               ON CONFLICT (meter, register) DO NOTHING
           )
           INSERT INTO metering.meter_version (meter, valid_from, valid_to, institution, gateway, role, parent, sub_item,
               ratio_milli, rated_capacity, register_digits, quantum_milli, interval_s)
           SELECT meter, %(valid_from)s, coalesce(%(valid_to)s::timestamptz, 'infinity'), institution, %(gateway)s, %(role)s,
               %(parent)s, %(sub_item)s, %(ratio_milli)s, %(rated_capacity)s, %(register_digits)s, %(quantum_milli)s, %(interval_s)s
           FROM (TABLE known UNION ALL TABLE added) AS meter, metering.institution WHERE institution.code = %(institution)s
           ON CONFLICT (meter, valid_from) DO UPDATE SET valid_to = excluded.valid_to, gateway = excluded.gateway,
               role = excluded.role, parent = excluded.parent, sub_item = excluded.sub_item, ratio_milli = excluded.ratio_milli,
               rated_capacity = excluded.rated_capacity, register_digits = excluded.register_digits,
               quantum_milli = excluded.quantum_milli, interval_s = excluded.interval_s""",
    ),
    Table(
        "virtual_meters",
        ("institution", "medium", "meter", "valid_from"),
        """SELECT i.code AS institution, medium, v.code AS meter, formula, role, parent, sub_item, valid_from,
               nullif(valid_to, 'infinity') AS valid_to
           FROM metering.virtual_meter AS v JOIN metering.institution AS i USING (institution)""",
        """INSERT INTO metering.virtual_meter (institution, medium, code, formula, role, parent, sub_item, valid_from, valid_to)
           SELECT institution, %(medium)s, %(meter)s, %(formula)s, %(role)s, %(parent)s, %(sub_item)s, %(valid_from)s,
               coalesce(%(valid_to)s::date, 'infinity')
           FROM metering.institution WHERE code = %(institution)s
           ON CONFLICT (institution, medium, code, valid_from) DO UPDATE SET formula = excluded.formula, role = excluded.role,
               parent = excluded.parent, sub_item = excluded.sub_item, valid_to = excluded.valid_to""",
    ),
    Table(
        "pv_rules",
        ("institution", "valid_from"),
        """SELECT i.code AS institution, rule AS pv_rule, valid_from, nullif(valid_to, 'infinity') AS valid_to, source
           FROM metering.pv_rule JOIN metering.institution AS i USING (institution)""",
        """INSERT INTO metering.pv_rule (institution, rule, valid_from, valid_to, source)
           SELECT institution, %(pv_rule)s, %(valid_from)s, coalesce(%(valid_to)s::date, 'infinity'), %(source)s
           FROM metering.institution WHERE code = %(institution)s
           ON CONFLICT (institution, valid_from) DO UPDATE SET rule = excluded.rule, valid_to = excluded.valid_to,
               source = excluded.source""",
    ),
    Table(
        "exchanges",
        ("institution", "medium", "meter", "register", "exchanged_at"),
        """SELECT DISTINCT ON (e.channel, e.exchanged_at) i.code AS institution, m.medium, m.code AS meter, c.register,
               e.exchanged_at, e.old_final * 10::numeric ^ -c.decimals AS old_final,
               e.new_initial * 10::numeric ^ -c.decimals AS new_initial, e.author, e.reason
           FROM metering.exchange AS e JOIN metering.channel AS c USING (channel) JOIN metering.meter AS m USING (meter)
           JOIN metering.meter_version AS v
             ON v.meter = m.meter AND e.exchanged_at >= v.valid_from AND e.exchanged_at < v.valid_to
           JOIN metering.institution AS i USING (institution)
           ORDER BY e.channel, e.exchanged_at, e.version DESC""",
        """INSERT INTO metering.exchange (channel, exchanged_at, version, old_final, new_initial, author, reason)
           SELECT c.channel, %(exchanged_at)s, coalesce((SELECT max(version) FROM metering.exchange AS e
                                                         WHERE e.channel = c.channel AND e.exchanged_at = %(exchanged_at)s), 0) + 1,
               %(old_final)s * 10 ^ c.decimals, %(new_initial)s * 10 ^ c.decimals, %(author)s, %(reason)s
           FROM metering.channel AS c JOIN metering.meter AS m USING (meter)
           JOIN metering.meter_version AS v
             ON v.meter = m.meter AND %(exchanged_at)s >= v.valid_from AND %(exchanged_at)s < v.valid_to
           JOIN metering.institution AS i USING (institution)
           WHERE i.code = %(institution)s AND m.medium = %(medium)s AND m.code = %(meter)s AND c.register = %(register)s""",
    ),
    Table(
        "chargers",
        ("institution", "charger"),
        """SELECT i.code AS institution, m.code AS charger, site, supply, rated_kw, connectors, commissioned_on, access
           FROM metering.charger JOIN metering.meter AS m USING (meter)
           JOIN LATERAL (SELECT institution FROM metering.meter_version AS v WHERE v.meter = m.meter
                         ORDER BY valid_from DESC LIMIT 1) AS v ON true
           JOIN metering.institution AS i USING (institution)""",
        """INSERT INTO metering.charger (meter, site, supply, rated_kw, connectors, commissioned_on, access)
           SELECT DISTINCT m.meter, %(site)s, %(supply)s, %(rated_kw)s::numeric, %(connectors)s::smallint,
               %(commissioned_on)s::date, %(access)s
           FROM metering.meter AS m
           JOIN metering.meter_version AS v USING (meter) JOIN metering.institution AS i USING (institution)
           WHERE i.code = %(institution)s AND m.medium = 'charger' AND m.code = %(charger)s
           ON CONFLICT (meter) DO UPDATE SET site = excluded.site, supply = excluded.supply, rated_kw = excluded.rated_kw,
               connectors = excluded.connectors, commissioned_on = excluded.commissioned_on, access = excluded.access""",
    ),
    Table(
        "quotas",
        ("quota",),
        """SELECT quota, standard, edition, table_no AS "table", jurisdiction, class, sub_class, climate_zone, heating_type,
               indicator, unit, period_kind, guide_value AS guide, benchmark_value AS benchmark,
               constraint_value AS "constraint", valid_from, nullif(valid_to, 'infinity') AS valid_to, source, confidence, sample,
               excludes
           FROM metering.quota""",
        """INSERT INTO metering.quota (quota, standard, edition, table_no, jurisdiction, class, sub_class, climate_zone,
               heating_type, indicator, unit, period_kind, guide_value, benchmark_value, constraint_value, valid_from, valid_to,
               source, confidence, sample, excludes)
           VALUES (%(quota)s, %(standard)s, %(edition)s, %(table)s, %(jurisdiction)s, %(class)s,
               %(sub_class)s, %(climate_zone)s, %(heating_type)s, %(indicator)s, %(unit)s, %(period_kind)s, %(guide)s,
               %(benchmark)s, %(constraint)s, %(valid_from)s, coalesce(%(valid_to)s::date, 'infinity'), %(source)s,
               %(confidence)s, %(sample)s, %(excludes)s)
           ON CONFLICT (quota) DO UPDATE SET valid_to = excluded.valid_to""",
    ),
    Table(
        "factors",
        ("factor_set", "item"),
        "SELECT factor_set, item, unit, kgce_per_unit, source, confidence FROM metering.factor",
        """INSERT INTO metering.factor VALUES (%(factor_set)s, %(item)s, %(unit)s, %(kgce_per_unit)s, %(source)s, %(confidence)s)
           ON CONFLICT (factor_set, item) DO UPDATE SET unit = excluded.unit, kgce_per_unit = excluded.kgce_per_unit,
               source = excluded.source, confidence = excluded.confidence""",
    ),
)

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
