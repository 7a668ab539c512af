-- name: known
SELECT sum(total.measured_seconds) / nullif(sum(total.expected_seconds), 0) AS measured,
       sum(total.estimated_seconds) / nullif(sum(total.expected_seconds), 0) AS estimated,
       sum(total.missing_seconds) / nullif(sum(total.expected_seconds), 0) AS missing
FROM meterwarden.institution_day AS total
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND total.medium = @medium AND @in_range(total.day)

-- name: known_by_day
SELECT total.day::timestamp AT TIME ZONE place.timezone AS time,
       (sum(total.measured_seconds) / nullif(sum(total.expected_seconds), 0))::float8 AS measured,
       (sum(total.estimated_seconds) / nullif(sum(total.expected_seconds), 0))::float8 AS estimated,
       (sum(total.missing_seconds) / nullif(sum(total.expected_seconds), 0))::float8 AS missing
FROM meterwarden.institution_day AS total
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND total.medium = @medium AND @in_range(total.day)
GROUP BY 1 ORDER BY 1

-- name: most_missing
SELECT total.institution, place.name, place.region_name AS region, total.medium,
       sum(total.missing_seconds) / nullif(sum(total.expected_seconds), 0) AS missing_share,
       sum(total.estimated_seconds) / nullif(sum(total.expected_seconds), 0) AS estimated_share,
       count(*) FILTER (WHERE total.missing_seconds > 0 AND total.measured_seconds + total.estimated_seconds = 0) AS silent_days
FROM meterwarden.institution_day AS total
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND total.medium = @medium AND @in_range(total.day)
GROUP BY 1, 2, 3, 4 HAVING sum(total.expected_seconds) > 0
ORDER BY missing_share DESC, total.institution LIMIT 100

-- name: findings_by_rule
SELECT found.rule, count(*) FILTER (WHERE found.severity = 'critical') AS critical,
       count(*) FILTER (WHERE found.severity = 'warning') AS warning, count(*) FILTER (WHERE found.severity = 'info') AS info
FROM meterwarden.finding AS found
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND found.medium = @medium AND found.state = 'open'
GROUP BY found.rule ORDER BY count(*) DESC, found.rule

-- name: finding_board
SELECT found.rank, found.severity, found.rule, found.institution, found.medium, found.meter,
       to_char(found.from_day, 'YYYY-MM-DD') AS from_day,
       to_char(found.to_day, 'YYYY-MM-DD') AS to_day, found.impact, found.unit, found.impact_share, found.held_back, found.finding
FROM meterwarden.finding_board AS found
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region AND found.medium = @medium
ORDER BY found.rank LIMIT 200

-- name: gateways
SELECT state.status, state.institution, place.name, state.gateway, state.connected_at, state.received_at
FROM meterwarden.gateway_status AS state
JOIN meterwarden.institution AS place USING (institution)
WHERE place.region = @region
ORDER BY state.status = 'online', state.received_at DESC, state.institution LIMIT 500

-- name: quarantine_by_reason
SELECT rejected.reason, count(*) AS messages, min(rejected.received_at) AS oldest, max(rejected.received_at) AS newest
FROM meterwarden.quarantine AS rejected WHERE rejected.resolved_at IS NULL
GROUP BY rejected.reason ORDER BY messages DESC, rejected.reason

-- name: rejected_lately
SELECT rejected.id AS message, rejected.received_at, rejected.reason, rejected.topic, rejected.detail,
       rejected.payload_bytes AS bytes
FROM meterwarden.quarantine AS rejected
WHERE rejected.resolved_at IS NULL AND $__timeFilter(rejected.received_at)
ORDER BY rejected.received_at DESC LIMIT 100

-- name: purges
SELECT gone.purged_at, gone.author, gone.because, gone.filter, gone.open, gone.resolved, gone.bytes
FROM meterwarden.quarantine_purge AS gone WHERE $__timeFilter(gone.purged_at) ORDER BY gone.purged_at DESC LIMIT 100
