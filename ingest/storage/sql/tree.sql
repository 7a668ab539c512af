-- Meters as trees: what sums are made from, and what a verdict takes off.

-- name: tree_institutions
SELECT code, institution FROM metering.institution WHERE code = ANY (%s)

-- name: tree_meters
-- Every version of every meter in local days, virtual ones with their formula, real ones with their channels.
SELECT institution.code, NULL AS formula, metering.first_day(version.valid_from, region.timezone),
       nullif(metering.first_day(version.valid_to, region.timezone), 'infinity'), passed.channel, back.channel, charger.access,
       meter.medium, meter.code, version.role, version.parent, version.sub_item
FROM metering.institution
JOIN metering.region USING (region)
JOIN metering.meter_version AS version USING (institution)
JOIN metering.meter USING (meter)
JOIN metering.channel AS passed ON passed.meter = meter.meter
 AND passed.register = CASE meter.medium WHEN 'water' THEN 'volume_m3' ELSE 'energy_import_kwh' END
LEFT JOIN metering.channel AS back ON back.meter = meter.meter AND back.register = 'energy_export_kwh'
LEFT JOIN metering.charger ON charger.meter = meter.meter
WHERE institution.code = ANY (%(codes)s)
UNION ALL
SELECT institution.code, formula, valid_from, nullif(valid_to, 'infinity'), NULL, NULL, NULL,
       medium, virtual_meter.code, role, parent, sub_item
FROM metering.institution JOIN metering.virtual_meter USING (institution)
WHERE institution.code = ANY (%(codes)s)

-- name: pv_rules
SELECT institution.code, valid_from, nullif(valid_to, 'infinity'), rule
FROM metering.pv_rule JOIN metering.institution USING (institution) WHERE code = ANY (%s)

-- name: exclusions
SELECT DISTINCT excludes FROM metering.quota WHERE excludes <> '' ORDER BY 1

-- name: sum_terms
SELECT institution, kind, medium, name, part, first_day, nullif(until_day, 'infinity'), channel, coefficient, parts
FROM metering.sum_term WHERE institution = ANY (%s)

-- name: delete_sum_term
DELETE FROM metering.sum_term
WHERE (institution, kind, medium, name, part, first_day, until_day, channel, coefficient, parts)
      = (%s, %s, %s, %s, %s, %s, %s::date, %s, %s, %s)

-- name: copy_sum_terms
COPY metering.sum_term (institution, kind, medium, name, part, first_day, until_day, channel, coefficient, parts) FROM STDIN

-- name: deductions
-- What a verdict takes off, by day: what its quota leaves out, and (as time only, since institution days hold the amount) what main
-- meters subtract. Beside how long that was known stands how long it should have been: as long as the main meter known longest, so
-- that a silence of all of them is not held against it. Days before the fold's first are summed into one.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(position)s::int[], %(institution)s::int[], %(medium)s::text[], %(excludes)s::text[], %(begins)s::date[],
                         %(first)s::date[], %(ends)s::date[], %(yearly)s::bool[])
        AS wanted (position, institution, medium, excludes, begins, first, ends, yearly)
), taken AS MATERIALIZED (
    SELECT wanted.position, term.kind, term.part, term.channel, term.coefficient, day.day::date
    FROM wanted
    JOIN metering.sum_term AS term
      ON term.institution = wanted.institution AND term.medium = wanted.medium
     AND term.first_day < wanted.ends AND term.until_day > wanted.begins
     AND (term.kind = 'excluded' AND term.name = wanted.excludes OR term.kind = 'total' AND term.coefficient < 0)
    CROSS JOIN LATERAL generate_series(
        greatest(term.first_day, wanted.begins), least(term.until_day, wanted.ends) - 1, interval '1 day') AS day
), main AS (
    SELECT wanted.position, consumption.day,
           max(consumption.measured_us + consumption.estimated_us + consumption.month_measured_us + consumption.month_estimated_us
               + CASE WHEN wanted.yearly THEN consumption.year_measured_us + consumption.year_estimated_us ELSE 0 END) AS known_us
    FROM wanted
    JOIN metering.sum_term AS term
      ON term.institution = wanted.institution AND term.medium = wanted.medium AND term.kind = 'total' AND term.coefficient > 0
     AND term.first_day < wanted.ends AND term.until_day > wanted.begins
    JOIN metering.consumption_day AS consumption
      ON consumption.channel = term.channel AND consumption.day >= greatest(term.first_day, wanted.begins)
     AND consumption.day < least(term.until_day, wanted.ends)
    WHERE wanted.position IN (SELECT position FROM taken)
    GROUP BY wanted.position, consumption.day
)
SELECT wanted.position, greatest(taken.day, wanted.first - 1) AS upto, taken.kind, taken.part,
       coalesce(sum(taken.coefficient * (consumption.amount + consumption.month_amount
                    + CASE WHEN wanted.yearly THEN consumption.year_amount ELSE 0 END)), 0)::bigint,
       coalesce(sum(consumption.measured_us + consumption.estimated_us
                    + consumption.month_measured_us + consumption.month_estimated_us
                    + CASE WHEN wanted.yearly THEN consumption.year_measured_us + consumption.year_estimated_us ELSE 0 END),
                0)::bigint,
       coalesce(sum(main.known_us), 0)::bigint,
       count(DISTINCT taken.day)
FROM taken
JOIN wanted USING (position)
LEFT JOIN main ON main.position = taken.position AND main.day = taken.day
LEFT JOIN metering.consumption_day AS consumption ON consumption.channel = taken.channel AND consumption.day = taken.day
GROUP BY wanted.position, upto, taken.kind, taken.part
ORDER BY wanted.position, upto, taken.kind, taken.part
