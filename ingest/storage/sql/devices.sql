-- What devices keep silent. Named queries, as in queries.sql.

-- name: silent_places
-- Institutions that miss something, those that miss most first. A meter is silent without a reading taken within six hours, or three of
-- its intervals where these are longer: one probe of the key a register, in the chunks of a week. One never heard has as long from
-- its registration: an import is no outage. Not judged are meters read so seldom that a week says nothing, and chargers: one that
-- nobody uses may say nothing.
WITH registered AS (
    SELECT version.meter, version.institution, version.gateway, meter.medium, meter.registered_at,
           greatest(interval '6 hours', make_interval(secs => 3 * version.interval_s)) AS patience
    FROM metering.meter_version AS version JOIN metering.meter USING (meter)
    WHERE version.valid_from <= %(now)s AND %(now)s < version.valid_to
), heard AS (
    SELECT registered.institution, registered.patience, coalesce(max(newest.read_at), registered.registered_at) AS heard_at
    FROM registered
    LEFT JOIN metering.channel USING (meter)
    LEFT JOIN LATERAL (
        SELECT reading.read_at FROM metering.reading
        WHERE reading.channel = channel.channel AND reading.read_at > %(now)s - interval '7 days'
        ORDER BY reading.read_at DESC LIMIT 1  -- not EXISTS: the key is walked backwards, whatever the planner knows of the chunks
    ) AS newest ON true
    WHERE registered.medium <> 'charger' AND registered.patience <= interval '7 days'
    GROUP BY registered.meter, registered.institution, registered.patience, registered.registered_at
), meters AS (
    SELECT institution, count(*) AS expected,
           count(*) FILTER (WHERE heard_at <= %(now)s - patience) AS silent
    FROM heard GROUP BY institution
), gateways AS (
    SELECT institution, count(*) AS offline
    FROM (SELECT DISTINCT institution, gateway FROM registered WHERE gateway IS NOT NULL) AS gateway
    CROSS JOIN LATERAL (
        SELECT status.status FROM metering.gateway_status AS status
        WHERE status.institution = gateway.institution AND status.gateway = gateway.gateway
        ORDER BY status.connected_at DESC, status.status LIMIT 1
    ) AS newest
    WHERE newest.status = 'offline'
    GROUP BY institution
)
SELECT institution.code, region.code, coalesce(meters.expected, 0), coalesce(meters.silent, 0), coalesce(gateways.offline, 0)
FROM meters FULL JOIN gateways USING (institution)
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
WHERE meters.silent > 0 OR gateways.offline > 0
ORDER BY meters.silent DESC NULLS LAST, gateways.offline DESC NULLS LAST, institution.code
LIMIT %(most)s
