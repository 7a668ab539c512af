-- name: connectors_now
SELECT count(*) FILTER (WHERE state.status = 'available') AS available,
       count(*) FILTER (WHERE state.status = 'occupied') AS occupied,
       count(*) FILTER (WHERE state.status = 'charging') AS charging,
       count(*) FILTER (WHERE state.status = 'reserved') AS reserved,
       count(*) FILTER (WHERE state.status = 'unavailable') AS unavailable,
       count(*) FILTER (WHERE state.status = 'faulted') AS faulted, count(*) FILTER (WHERE state.status = 'offline') AS offline,
       count(*) FILTER (WHERE state.status = 'unknown') AS unknown
FROM meterwarden.charger_status AS state
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND state.institution = @institution AND state.site = @site AND state.connector > 0

-- name: out_of_order
SELECT state.status, state.institution, state.site, state.charger, state.connector, state.since, state.scheme, state.code
FROM meterwarden.charger_status AS state
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND state.institution = @institution AND state.site = @site
  AND state.status IN ('faulted', 'unavailable', 'offline', 'unknown')
ORDER BY state.since, state.institution, state.charger LIMIT 200

-- name: chargers_in_service
SELECT counted.year::text AS year, counted.supply, counted.access, sum(counted.chargers) AS chargers,
       sum(counted.connectors) AS connectors, sum(counted.rated_kw) AS rated_kw
FROM meterwarden.charger_count AS counted
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND counted.institution = @institution GROUP BY 1, 2, 3 ORDER BY 1 DESC NULLS FIRST, 2, 3

-- name: site_load
SELECT load.hour AS time, load.site AS metric, load.average_kw::float8 AS average_kw
FROM meterwarden.charging_site_hour AS load
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND load.institution = @institution AND load.site = @site AND $__timeFilter(load.hour)
ORDER BY 1, 2

-- name: site_occupied
SELECT load.hour AS time, load.site AS metric, load.occupied_share::float8 AS occupied_share
FROM meterwarden.charging_site_hour AS load
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND load.institution = @institution AND load.site = @site AND $__timeFilter(load.hour)
ORDER BY 1, 2

-- name: charged_by_day
SELECT load.day::timestamp AT TIME ZONE place.timezone AS time, sum(load.own_kwh)::float8 AS own,
       sum(load.public_kwh)::float8 AS public
FROM meterwarden.charging_site_day AS load
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND load.institution = @institution AND load.site = @site
  AND @in_range(load.day)
GROUP BY 1 ORDER BY 1

-- name: charged_by_month
SELECT to_char(charged.month, 'YYYY-MM') AS month, charged.access, charged.supply, sum(charged.energy_kwh) AS energy_kwh,
       sum(charged.sessions) AS sessions, sum(charged.billable_sessions) AS billable_sessions,
       sum(charged.billable_kwh) AS billable_kwh
FROM meterwarden.charging_month AS charged
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND charged.institution = @institution AND charged.month > (now() - interval '12 months')::date
GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3

-- name: sessions_by_day
SELECT (session.started_at AT TIME ZONE place.timezone)::date::timestamp AT TIME ZONE place.timezone AS time,
       count(*) FILTER (WHERE session.billable) AS billable, count(*) FILTER (WHERE NOT session.billable) AS not_billable
FROM meterwarden.charger_session AS session
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND session.institution = @institution AND session.site = @site AND $__timeFilter(session.started_at)
GROUP BY 1 ORDER BY 1

-- name: not_billed
SELECT session.state, session.reason, count(*) AS sessions, sum(session.energy_kwh) AS energy_kwh
FROM meterwarden.charger_session AS session
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND session.institution = @institution AND session.site = @site AND $__timeFilter(session.started_at)
  AND NOT session.billable
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2

-- name: sessions
SELECT session.started_at, session.stopped_at, session.institution, session.site, session.charger, session.connector,
       session.energy_kwh, session.quality, session.state, session.billable::text AS billable, session.reason
FROM meterwarden.charger_session AS session
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND session.institution = @institution AND session.site = @site AND $__timeFilter(session.started_at)
ORDER BY session.started_at DESC, session.charger LIMIT 200

-- name: charging_findings
SELECT found.kind, found.institution, found.site, count(*) AS times, count(DISTINCT found.charger) AS chargers,
       max(found.found_at) AS newest
FROM meterwarden.charging_finding AS found
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND found.institution = @institution AND found.site = @site AND $__timeFilter(found.found_at)
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 200

-- name: charger_institution_choice
SELECT DISTINCT counted.institution AS __value, concat_ws(' ', counted.institution, place.name) AS __text
FROM meterwarden.charger_count AS counted
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region ORDER BY 1

-- name: site_choice
-- What has readings in the time range, and what has ever stated a state.
SELECT load.site AS __value, load.site AS __text
FROM meterwarden.charging_site_day AS load
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND load.institution = @institution AND @in_range(load.day)
UNION
SELECT state.site, state.site
FROM meterwarden.charger_status AS state
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND state.institution = @institution AND state.site IS NOT NULL
ORDER BY 1
