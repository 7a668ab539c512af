-- name: who
SELECT place.institution, place.name, place.region_name AS region, place.class, place.sub_class,
       place.climate_zone, place.heating_type, place.timezone
FROM meterwarden.institution AS place WHERE place.institution = @institution

-- name: standing
SELECT * FROM (
    SELECT DISTINCT ON (level.indicator, level.period_kind, level.period_start)
           to_char(level.period_start, 'YYYY-MM-DD') AS period, level.period_kind, level.indicator, level.level, level.used_ratio,
           level.projected_ratio, level.used, level.allowance, level.unit AS indicator_unit, level.missing_share,
           array_to_string(level.missing, ', ') AS lacking, to_char(level.day, 'YYYY-MM-DD') AS as_of
    FROM meterwarden.quota_day AS level
    JOIN meterwarden.institution AS place USING (institution)
    WHERE level.institution = @institution AND level.period_start > now() - interval '13 months'
    ORDER BY level.indicator, level.period_kind, level.period_start, level.day DESC
) AS newest ORDER BY period DESC, period_kind, indicator

-- name: used_ratio
SELECT level.day::timestamp AT TIME ZONE place.timezone AS time, concat_ws(' ', level.indicator, level.period_kind) AS metric,
       level.used_ratio::float8 AS used
FROM meterwarden.quota_day AS level
JOIN meterwarden.institution AS place USING (institution)
WHERE level.institution = @institution AND @in_range(level.day) AND level.used_ratio IS NOT NULL
ORDER BY 1, 2

-- name: used_by_day
SELECT used.day::timestamp AT TIME ZONE place.timezone AS time, concat_ws(' ', used.medium, used.unit) AS metric,
       used.amount::float8 AS amount
FROM meterwarden.institution_day AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium AND @in_range(used.day)
ORDER BY 1, 2

-- name: known_by_day_here
SELECT used.day::timestamp AT TIME ZONE place.timezone AS time,
       (sum(used.measured_seconds) / nullif(sum(used.expected_seconds), 0))::float8 AS measured,
       (sum(used.estimated_seconds) / nullif(sum(used.expected_seconds), 0))::float8 AS estimated,
       (sum(used.missing_seconds) / nullif(sum(used.expected_seconds), 0))::float8 AS missing
FROM meterwarden.institution_day AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium AND @in_range(used.day)
GROUP BY 1 ORDER BY 1

-- name: used_by_month
SELECT to_char(used.month, 'YYYY-MM') AS month, (sum(used.amount) FILTER (WHERE used.medium = 'electricity'))::float8 AS kwh,
       (sum(used.amount) FILTER (WHERE used.medium = 'water'))::float8 AS m3
FROM meterwarden.institution_month AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium AND used.month > now() - interval '24 months'
GROUP BY 1 ORDER BY 1

-- name: sub_items
SELECT used.day::timestamp AT TIME ZONE place.timezone AS time, used.sub_item AS metric, used.amount::float8 AS amount
FROM meterwarden.sub_item_day AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND @in_range(used.day)
ORDER BY 1, 2

-- name: used_by_hour
SELECT used.hour AS time, concat_ws(' ', used.meter, used.unit) AS metric, used.amount::float8 AS amount
FROM meterwarden.consumption_hour AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium
  AND used.meter = @meter AND used.register IN ('energy_import_kwh', 'volume_m3') AND $__timeFilter(used.hour)
  AND used.measured_seconds + used.estimated_seconds > 0
ORDER BY 1, 2

-- name: meters
SELECT used.medium, used.meter, sum(used.amount) AS amount, used.unit, sum(used.unallocated) AS unallocated,
       sum(used.estimated_seconds) / sum(used.measured_seconds + used.estimated_seconds + used.missing_seconds) AS estimated_share,
       sum(used.missing_seconds) / sum(used.measured_seconds + used.estimated_seconds + used.missing_seconds) AS missing_share
FROM meterwarden.consumption_day AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium
  AND used.register IN ('energy_import_kwh', 'volume_m3') AND @in_range(used.day)
GROUP BY used.medium, used.meter, used.unit ORDER BY missing_share DESC, used.medium, used.meter

-- name: gaps
SELECT used.day::timestamp AT TIME ZONE place.timezone AS time, concat_ws(' ', used.meter, used.unit) AS metric,
       used.amount::float8 AS amount
FROM meterwarden.gap_day AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium
  AND @in_range(used.day) AND used.amount IS NOT NULL
ORDER BY 1, 2

-- name: virtual_meters
SELECT used.day::timestamp AT TIME ZONE place.timezone AS time, concat_ws(' ', used.meter, used.unit) AS metric,
       used.amount::float8 AS amount
FROM meterwarden.virtual_day AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium
  AND @in_range(used.day) AND used.amount IS NOT NULL
ORDER BY 1, 2

-- name: findings
SELECT used.finding, used.severity, used.rule, used.medium, used.meter, to_char(used.from_day, 'YYYY-MM-DD') AS from_day,
       to_char(used.to_day, 'YYYY-MM-DD') AS to_day, used.impact, used.unit, used.impact_share, used.state, used.author, used.reason
FROM meterwarden.finding AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.from_day <= @last_day AND used.to_day >= @first_day
ORDER BY used.impact_share DESC NULLS LAST, used.finding LIMIT 200

-- name: events
SELECT used.to_at, used.kind, used.medium, used.meter, used.register, used.amount, used.unit, used.from_at
FROM meterwarden.event AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND $__timeFilter(used.to_at)
ORDER BY used.to_at DESC LIMIT 200

-- name: day_changes
SELECT used.changed_at, to_char(used.day, 'YYYY-MM-DD') AS day, used.medium, used.meter, used.register, used.old_amount,
       used.new_amount,
       used.unit
FROM meterwarden.day_change AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND $__timeFilter(used.changed_at)
ORDER BY used.changed_at DESC, used.day LIMIT 200

-- name: exchanges
SELECT used.exchanged_at, used.version, used.medium, used.meter, used.register, used.old_final, used.new_initial, used.unit,
       (used.old_final IS NULL)::text AS withdrawn, used.author, used.reason
FROM meterwarden.exchange AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND $__timeFilter(used.exchanged_at)
ORDER BY used.exchanged_at DESC, used.version DESC LIMIT 200

-- name: edits
SELECT used.read_at, used.version, used.medium, used.meter, used.register, used.value, used.unit, used.author, used.reason
FROM meterwarden.edit AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND $__timeFilter(used.read_at)
ORDER BY used.read_at DESC, used.version DESC LIMIT 200

-- name: institution_choice
SELECT place.institution AS __value, concat_ws(' ', place.institution, place.name) AS __text
FROM meterwarden.institution AS place WHERE place.region = @region ORDER BY place.institution

-- name: meter_choice
SELECT DISTINCT used.meter AS __value, used.meter AS __text
FROM meterwarden.consumption_day AS used
JOIN meterwarden.institution AS place USING (institution)
WHERE used.institution = @institution AND used.medium = @medium
  AND used.register IN ('energy_import_kwh', 'volume_m3') AND @in_range(used.day)
ORDER BY 1
