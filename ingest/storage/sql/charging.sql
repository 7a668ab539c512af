-- Charging: what its part of a round reads and writes, and what the status subscription stores.

-- name: take_charging_due
-- The oldest, deleted and returned in one statement.
WITH oldest AS (SELECT due FROM metering.charging_due ORDER BY due LIMIT %(most)s)
DELETE FROM metering.charging_due AS due USING oldest WHERE due.due = oldest.due
RETURNING due.meter, due.connector, due.session

-- name: charging_due_waiting
SELECT count(*) FROM metering.charging_due

-- name: changed_charger_days
-- Days of chargers' registers that this round changed.
SELECT DISTINCT channel.meter, changed.day
FROM changed_day AS changed
JOIN metering.channel ON channel.channel = changed.channel AND channel.register = 'energy_import_kwh'
JOIN metering.meter ON meter.meter = channel.meter AND meter.medium = 'charger'

-- name: chargers
-- What sessions are held against, with every version of the meter; a charger not in chargers.csv has its meter's capacity.
SELECT meter.meter, region.timezone, coalesce(charger.rated_kw, version.rated_capacity), version.valid_from, version.ratio_milli,
       version.quantum_milli, version.register_digits, version.interval_s
FROM metering.meter
JOIN metering.meter_version AS version USING (meter)
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
LEFT JOIN metering.charger USING (meter)
WHERE meter.meter = ANY (%s)
ORDER BY meter.meter, version.valid_from

-- name: session_statements
SELECT statement.meter, statement.connector, statement.session, statement.started_at, statement.start_register,
       statement.stopped_at, statement.stop_register, statement.session_energy
FROM unnest(%(meter)s::int[], %(connector)s::smallint[], %(session)s::text[]) AS key (meter, connector, session)
CROSS JOIN LATERAL (
    SELECT * FROM metering.session_statement AS statement
    WHERE statement.meter = key.meter AND statement.session = key.session AND statement.connector = key.connector OFFSET 0
) AS statement

-- name: stored_sessions
SELECT session.meter, session.connector, session.session, session.started_at, session.ends_at
FROM unnest(%(meter)s::int[], %(connector)s::smallint[], %(session)s::text[]) AS key (meter, connector, session)
JOIN metering.charging_session AS session USING (meter, connector, session)

-- name: sessions_around
-- The sessions of a connector that start within a span, the last ones before it and the first ones after it.
SELECT session.meter, session.connector, session.session, session.started_at, session.ends_at
FROM unnest(%(meter)s::int[], %(connector)s::smallint[], %(from)s::timestamptz[], %(until)s::timestamptz[])
     AS span (meter, connector, begins, ends)
CROSS JOIN LATERAL (
    SELECT * FROM metering.charging_session AS session
    WHERE session.meter = span.meter AND session.connector = span.connector
      AND session.started_at >= span.begins AND session.started_at <= span.ends
    UNION ALL
    (SELECT * FROM metering.charging_session AS session
     WHERE session.meter = span.meter AND session.connector = span.connector AND session.started_at < span.begins
       AND concat_ws('/', session.meter, session.connector, session.session) <> ALL (%(without)s::text[])
     ORDER BY session.started_at DESC FETCH FIRST 1 ROW WITH TIES)
    UNION ALL
    (SELECT * FROM metering.charging_session AS session
     WHERE session.meter = span.meter AND session.connector = span.connector AND session.started_at > span.ends
       AND concat_ws('/', session.meter, session.connector, session.session) <> ALL (%(without)s::text[])
     ORDER BY session.started_at FETCH FIRST 1 ROW WITH TIES)
) AS session

-- name: upsert_session
INSERT INTO metering.charging_session AS there
    (meter, connector, session, started_at, ends_at, stopped_at, start_register, stop_register, energy, state, quality, reason,
     billable, statements)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (meter, connector, session) DO UPDATE
SET started_at = excluded.started_at, ends_at = excluded.ends_at, stopped_at = excluded.stopped_at,
    start_register = excluded.start_register, stop_register = excluded.stop_register, energy = excluded.energy,
    state = excluded.state, quality = excluded.quality, reason = excluded.reason, billable = excluded.billable,
    statements = excluded.statements
WHERE there.* IS DISTINCT FROM excluded.*

-- name: delete_session_findings
DELETE FROM metering.charging_finding AS finding
USING unnest(%(meter)s::int[], %(connector)s::smallint[], %(session)s::text[]) AS key (meter, connector, session)
WHERE finding.meter = key.meter AND finding.connector = key.connector AND finding.session = key.session

-- name: delete_day_findings
DELETE FROM metering.charging_finding AS finding
USING unnest(%(meter)s::int[], %(begins)s::timestamptz[]) AS key (meter, begins)
WHERE finding.meter = key.meter AND finding.connector = 0 AND finding.session = '' AND finding.found_at = key.begins

-- name: insert_finding
INSERT INTO metering.charging_finding (meter, connector, session, found_at, kind, evidence) VALUES (%s, %s, %s, %s, %s, %s)

-- name: first_sessions
SELECT key.meter, first.started_at
FROM unnest(%s::int[]) AS key (meter)
CROSS JOIN LATERAL (
    SELECT started_at FROM metering.charging_session AS session WHERE session.meter = key.meter ORDER BY started_at LIMIT 1
) AS first

-- name: last_register_days
SELECT channel.meter, last.day
FROM unnest(%s::int[]) AS key (meter)
JOIN metering.channel ON channel.meter = key.meter AND channel.register = 'energy_import_kwh'
CROSS JOIN LATERAL (
    SELECT day FROM metering.consumption_day AS day WHERE day.channel = channel.channel ORDER BY day DESC LIMIT 1
) AS last

-- name: register_days
SELECT channel.meter, day.day, day.amount, day.measured_us
FROM unnest(%(meter)s::int[], %(day)s::date[]) AS key (meter, day)
JOIN metering.channel ON channel.meter = key.meter AND channel.register = 'energy_import_kwh'
JOIN metering.consumption_day AS day ON day.channel = channel.channel AND day.day = key.day

-- name: sessions_between
-- The sessions of a charger that may touch a span; none holds its connector for more than 72 hours.
SELECT session.meter, span.day, session.started_at, session.ends_at, session.energy, session.state
FROM unnest(%(meter)s::int[], %(day)s::date[], %(from)s::timestamptz[], %(until)s::timestamptz[]) AS span (meter, day, begins, ends)
CROSS JOIN LATERAL (
    SELECT * FROM metering.charging_session AS session
    WHERE session.meter = span.meter AND session.started_at >= span.begins - interval '72 hours' AND session.started_at < span.ends
      AND session.ends_at >= span.begins OFFSET 0
) AS session

-- name: insert_charger_status
-- Each distinct state once. Returns the path of those that are registered, and whether the state is new.
WITH stated AS (
    SELECT DISTINCT ON (path, connector, at, scheme, code) *
    FROM unnest(%(path)s::text[], %(connector)s::smallint[], %(at)s::timestamptz[], %(status)s::text[], %(scheme)s::text[],
                %(code)s::text[]) AS stated (path, connector, at, status, scheme, code)
), known AS (
    SELECT stated.*, meter.meter
    FROM stated
    CROSS JOIN LATERAL (
        SELECT meter.meter
        FROM metering.institution
        JOIN metering.meter_version AS version USING (institution)
        JOIN metering.meter USING (meter)
        WHERE institution.code = split_part(stated.path, '/', 1) AND meter.medium = 'charger'
          AND meter.code = split_part(stated.path, '/', 2)
          AND version.valid_from <= %(received_at)s AND version.valid_to > %(received_at)s
        LIMIT 1
    ) AS meter
), inserted AS (
    INSERT INTO metering.charger_status (meter, connector, at, status, scheme, code, received_at)
    SELECT meter, connector, at, status, scheme, code, %(received_at)s FROM known
    ON CONFLICT DO NOTHING
    RETURNING meter, connector, at, scheme, code
)
SELECT known.path, inserted.meter IS NOT NULL
FROM known LEFT JOIN inserted USING (meter, connector, at, scheme, code)

-- name: insert_gateway_status
WITH stated AS (
    SELECT DISTINCT *
    FROM unnest(%(path)s::text[], %(connected_at)s::timestamptz[], %(status)s::text[]) AS stated (path, connected_at, status)
), known AS (
    SELECT stated.*, institution.institution, split_part(stated.path, '/', 2) AS gateway
    FROM stated
    JOIN metering.institution ON institution.code = split_part(stated.path, '/', 1)
    WHERE EXISTS (
        SELECT FROM metering.meter_version AS version
        WHERE version.institution = institution.institution AND version.gateway = split_part(stated.path, '/', 2))
), inserted AS (
    INSERT INTO metering.gateway_status (institution, gateway, connected_at, status, received_at)
    SELECT institution, gateway, connected_at, status, %(received_at)s FROM known
    ON CONFLICT DO NOTHING
    RETURNING institution, gateway, connected_at, status
)
SELECT known.path, inserted.institution IS NOT NULL
FROM known LEFT JOIN inserted USING (institution, gateway, connected_at, status)
