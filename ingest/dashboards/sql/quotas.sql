-- name: levels
SELECT count(*) FILTER (WHERE status.level = 'exceeded') AS exceeded,
       count(*) FILTER (WHERE status.level = 'projected') AS projected,
       count(*) FILTER (WHERE status.level = 'warning') AS warning, count(*) FILTER (WHERE status.level = 'within') AS within,
       count(*) FILTER (WHERE status.level = 'not_assessable') AS not_assessable
FROM meterwarden.quota_status AS status
JOIN meterwarden.institution AS place USING (institution)
WHERE status.period_kind = @period_kind AND status.period_start = ANY (ARRAY[${period:sqlstring}]::date[])
  AND status.indicator = @indicator AND place.region = @region

-- name: ranking
SELECT status.institution, status.name, place.region_name AS region, status.indicator, status.level, status.used_ratio,
       status.projected_ratio, status.used, status.allowance, status.unit AS indicator_unit, status.missing_share, status.rating,
       to_char(status.as_of, 'YYYY-MM-DD') AS as_of, status.quota, status.sample::text AS sample
FROM meterwarden.quota_status AS status
JOIN meterwarden.institution AS place USING (institution)
WHERE status.period_kind = @period_kind AND status.period_start = ANY (ARRAY[${period:sqlstring}]::date[])
  AND status.indicator = @indicator AND place.region = @region
ORDER BY status.used_ratio DESC NULLS LAST, status.institution LIMIT 1000

-- name: levels_by_day
SELECT level.day::timestamp AT TIME ZONE place.timezone AS time, count(*) FILTER (WHERE level.level = 'exceeded') AS exceeded,
       count(*) FILTER (WHERE level.level = 'projected') AS projected, count(*) FILTER (WHERE level.level = 'warning') AS warning,
       count(*) FILTER (WHERE level.level = 'within') AS within,
       count(*) FILTER (WHERE level.level = 'not_assessable') AS not_assessable
FROM meterwarden.quota_day AS level
JOIN meterwarden.institution AS place USING (institution)
WHERE level.period_kind = @period_kind AND level.indicator = @indicator AND place.region = @region
  AND level.period_start BETWEEN date_trunc(${period_kind:sqlstring}, $__timeFrom()::timestamptz - interval '1 day')::date
                             AND ($__timeTo()::timestamptz + interval '1 day')::date
  AND @in_range(level.day)
GROUP BY 1 ORDER BY 1

-- name: level_changes
SELECT to_char(level.day, 'YYYY-MM-DD') AS day, level.institution, place.name, level.indicator, level.previous_level, level.level,
       level.used_ratio
FROM meterwarden.quota_day AS level
JOIN meterwarden.institution AS place USING (institution)
WHERE level.period_kind = @period_kind AND level.indicator = @indicator AND place.region = @region
  AND level.period_start BETWEEN date_trunc(${period_kind:sqlstring}, $__timeFrom()::timestamptz - interval '1 day')::date
                             AND ($__timeTo()::timestamptz + interval '1 day')::date
  AND @in_range(level.day) AND level.level <> level.previous_level
ORDER BY level.day DESC, level.institution LIMIT 500

-- name: not_assessable
SELECT coalesce(lacks.what, 'completeness') AS lacking, status.indicator, count(*) AS standings,
       array_to_string((array_agg(status.institution ORDER BY status.institution))[1:5], ' ') AS examples
FROM meterwarden.quota_status AS status
JOIN meterwarden.institution AS place USING (institution)
LEFT JOIN LATERAL unnest(status.missing) AS lacks (what) ON true
WHERE status.period_kind = @period_kind AND status.period_start = ANY (ARRAY[${period:sqlstring}]::date[])
  AND status.indicator = @indicator AND place.region = @region AND status.level = 'not_assessable'
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2

-- name: quotas_applied
SELECT status.quota, status.indicator, status.standard, status.edition, status."table" AS table_no, status.source,
       status.confidence, status.excludes, status.sample::text AS sample, count(*) AS standings
FROM meterwarden.quota_status AS status
JOIN meterwarden.institution AS place USING (institution)
WHERE status.period_kind = @period_kind AND status.period_start = ANY (ARRAY[${period:sqlstring}]::date[])
  AND status.indicator = @indicator AND place.region = @region
  AND status.quota IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1

-- name: period_choice
-- Made of the calendar alone, so that a long history costs nothing: 36 months, or 10 years, up to the running one.
SELECT to_char(start, 'YYYY-MM-DD') AS __value,
       to_char(start, CASE kind WHEN 'year' THEN 'YYYY' ELSE 'YYYY-MM' END) AS __text
FROM (SELECT ${period_kind:sqlstring} AS kind,
             coalesce((SELECT max(now() AT TIME ZONE timezone) FROM meterwarden.institution), now()::timestamp) AS today
     ) AS running,
     generate_series(date_trunc(kind, today) - CASE kind WHEN 'year' THEN interval '9 years' ELSE interval '35 months' END,
                     date_trunc(kind, today), CASE kind WHEN 'year' THEN interval '1 year' ELSE interval '1 month' END) AS start
ORDER BY start DESC

-- name: region_choice
SELECT DISTINCT region AS __value, region_name AS __text FROM meterwarden.institution ORDER BY region_name
