"""The tables behind the registry files: how one is read as its file would say it, and how a line is written into it."""

from dataclasses import dataclass
from typing import Final, LiteralString


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
