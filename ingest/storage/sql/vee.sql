-- Validation of closed days: what is due, what rules read, what they found.

-- name: create_judged
CREATE TEMPORARY TABLE IF NOT EXISTS digested_range (channel int NOT NULL, first_day date NOT NULL, last_day date NOT NULL)
ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS judged_range (LIKE digested_range) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS new_digest (LIKE metering.channel_digest) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS new_signal (LIKE metering.vee_signal) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS new_finding (
    rule text NOT NULL, channel int NOT NULL, from_day date NOT NULL, to_day date NOT NULL, days int NOT NULL,
    severity text NOT NULL, impact bigint NOT NULL, evidence jsonb NOT NULL
) ON COMMIT DELETE ROWS

-- name: note_due
-- The closed days of every marked channel, and those written otherwise; what happens on a day still open is judged when it closes.
INSERT INTO metering.vee_due (channel, first_day, last_day)
SELECT marked.channel, least(changed.first, marked.first), least(greatest(changed.last, marked.last), marked.closed)
FROM unnest(%(channel)s::int[], %(first)s::date[], %(last)s::date[], %(closed)s::date[]) AS marked (channel, first, last, closed)
LEFT JOIN (SELECT channel, min(day) AS first, max(day) AS last FROM changed_day GROUP BY channel) AS changed USING (channel)
WHERE least(changed.first, marked.first) <= marked.closed

-- name: vee_tick
-- Regions whose last closed day is not on the list yet, put there for every channel with the days missed.
WITH closed AS (
    SELECT region.region, (%(now)s AT TIME ZONE timezone)::date - 1 AS day, tick.day AS before
    FROM metering.region LEFT JOIN metering.vee_tick AS tick USING (region)
), due AS (
    INSERT INTO metering.vee_tick (region, day) SELECT region, day FROM closed WHERE day > before OR before IS NULL
    ON CONFLICT (region) DO UPDATE SET day = excluded.day
    RETURNING region, day
)
INSERT INTO metering.vee_due (channel, first_day, last_day)
SELECT channel.channel, coalesce(closed.before + 1, closed.day), closed.day
FROM due
JOIN closed USING (region)
JOIN metering.institution USING (region)
JOIN metering.meter_version AS version USING (institution)
JOIN metering.channel USING (meter)
WHERE channel.kind = 'cumulative'
GROUP BY channel.channel, closed.before, closed.day

-- name: take_due
-- The channels that have waited longest, with all that is due of them and of what they are part of; at least one channel.
-- A channel costs the days it is due, and the days before that its rules look at.
WITH oldest AS (
    SELECT channel, min(due) AS due, max(last_day) - min(first_day) + 1 + %(look_back)s AS cost
    FROM (SELECT * FROM metering.vee_due ORDER BY due LIMIT 100000) AS waiting GROUP BY channel
), fitting AS (
    SELECT channel, sum(cost) OVER (ORDER BY due, channel) - cost AS before FROM oldest
)
DELETE FROM metering.vee_due USING fitting
WHERE vee_due.channel = fitting.channel AND fitting.before < %(channel_days)s
RETURNING vee_due.channel, vee_due.first_day, vee_due.last_day

-- name: due_wholes
-- What the taken channels are part of: it is judged anew where its parts are.
SELECT DISTINCT part, whole FROM metering.channel_part WHERE part = ANY (%(channel)s)

-- name: due_beside
-- Registers of the same name and institution that went on elsewhere on a day that is judged, and around which days: what is said of
-- one rests on the other. Those of an institution are sought once, however many of its channels are judged.
WITH span AS (
    SELECT DISTINCT version.institution, own.register, own.channel,
           due.first_day - 1 AS first_day, due.last_day + 2 + %(look_back)s AS end_day
    FROM unnest(%(channel)s::int[], %(first)s::date[], %(last)s::date[]) AS due (channel, first_day, last_day)
    JOIN metering.channel AS own USING (channel)
    JOIN metering.meter_version AS version USING (meter)
), looked_at AS (
    SELECT institution, register, min(first_day) AS first_day, max(end_day) AS end_day FROM span GROUP BY institution, register
), jumped AS MATERIALIZED (
    SELECT DISTINCT institution, register, other.channel, (event.found_at AT TIME ZONE 'UTC')::date AS day
    FROM looked_at
    JOIN metering.meter_version AS version USING (institution)
    JOIN metering.channel AS other USING (meter, register)
    JOIN metering.channel_event AS event USING (channel)
    WHERE event.kind IN ('unexplained', 'reset')
      AND event.found_at >= looked_at.first_day AT TIME ZONE 'UTC' AND event.found_at < looked_at.end_day AT TIME ZONE 'UTC'
)
SELECT jumped.channel, min(jumped.day) - 1, max(jumped.day) + 1
FROM span JOIN jumped USING (institution, register)
WHERE jumped.channel <> span.channel AND jumped.day >= span.first_day AND jumped.day < span.end_day
GROUP BY jumped.channel

-- name: judged_channels
-- What the registry says of some channels, in valid time. Behind a roof stands a check meter whose parent does.
SELECT channel.channel, region.timezone, (%(now)s AT TIME ZONE region.timezone)::date - 1 AS closed, version.institution, meter.code,
       meter.medium, channel.register, channel.decimals, version.valid_from, version.role, version.parent, version.ratio_milli, version.quantum_milli,
       version.register_digits, version.rated_capacity, version.interval_s, version.sub_item,
       EXISTS (SELECT FROM metering.channel AS own WHERE own.meter = channel.meter AND own.register = 'energy_export_kwh')
       OR (version.role = 'check' AND EXISTS (
               SELECT FROM metering.meter_version AS beside
               JOIN metering.meter AS parent USING (meter)
               JOIN metering.channel AS its USING (meter)
               WHERE beside.institution = version.institution AND parent.medium = meter.medium AND parent.code = version.parent
                 AND its.register = 'energy_export_kwh'))
FROM metering.channel
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version USING (meter)
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
WHERE channel.channel = ANY (%(channel)s) AND channel.kind = 'cumulative'
ORDER BY channel.channel, version.valid_from

-- name: judged_parts
SELECT whole, part, kind, greatest(valid_from, '1970-01-01'), least(valid_to, '2200-01-01')
FROM metering.channel_part WHERE whole = ANY (%(channel)s) ORDER BY whole, kind, part, valid_from

-- name: unheard
-- Main registers in force that no closed day knows anything of, nor any charging session; since when we were told of the meter.
SELECT channel.channel, (greatest(min(version.valid_from), meter.registered_at) AT TIME ZONE region.timezone)::date
FROM metering.channel
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version USING (meter)
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
WHERE channel.channel = ANY (%(channel)s) AND channel.register IN ('energy_import_kwh', 'volume_m3')
  AND NOT EXISTS (SELECT FROM metering.channel_digest AS digest WHERE digest.channel = channel.channel)
  AND NOT EXISTS (SELECT FROM metering.session_statement AS statement WHERE statement.meter = channel.meter)
GROUP BY channel.channel, meter.registered_at, region.timezone
HAVING max(version.valid_to) > metering.local_midnight((%(now)s AT TIME ZONE region.timezone)::date - 1, region.timezone)

-- name: digest_readings
-- Stored readings. Which of a disputed key's values came first is chance, and an edited one was judged already: neither is evidence.
-- OFFSET 0 keeps it an index look-up a range.
SELECT reading.*
FROM unnest(%(channel)s::int[], %(from)s::timestamptz[], %(until)s::timestamptz[]) AS span (channel, begins, ends)
CROSS JOIN LATERAL (
    SELECT channel, (extract(epoch FROM read_at) * 1000000)::bigint AS read_us, value,
           (extract(epoch FROM received_at) * 1000000)::bigint AS received_us
    FROM metering.reading AS reading
    WHERE reading.channel = span.channel AND reading.read_at >= span.begins AND reading.read_at < span.ends
      AND NOT EXISTS (
        SELECT FROM metering.conflict WHERE conflict.channel = reading.channel AND conflict.read_at = reading.read_at)
      AND NOT EXISTS (
        SELECT FROM metering.edit WHERE edit.channel = reading.channel AND edit.read_at = reading.read_at)
    OFFSET 0
) AS reading
ORDER BY 1, 2

-- name: digest_hours
SELECT hour.*
FROM unnest(%(channel)s::int[], %(from)s::timestamptz[], %(until)s::timestamptz[]) AS span (channel, begins, ends)
CROSS JOIN LATERAL (
    SELECT channel, (extract(epoch FROM hour) * 1000000)::bigint AS hour_us, amount, measured_us
    FROM metering.consumption_hour AS hour
    WHERE hour.channel = span.channel AND hour.hour >= span.begins AND hour.hour < span.ends OFFSET 0
) AS hour
ORDER BY 1, 2

-- name: digest_days
SELECT day.*
FROM unnest(%(channel)s::int[], %(first)s::date[], %(last)s::date[]) AS span (channel, first_day, last_day)
CROSS JOIN LATERAL (
    SELECT channel, day, amount, unallocated, measured_us, estimated_us FROM metering.consumption_day AS day
    WHERE day.channel = span.channel AND day.day >= span.first_day AND day.day <= span.last_day OFFSET 0
) AS day

-- name: digest_conflicts
-- Disputed keys that no edit has decided.
SELECT DISTINCT conflict.channel, (extract(epoch FROM conflict.read_at) * 1000000)::bigint
FROM unnest(%(channel)s::int[], %(from)s::timestamptz[], %(until)s::timestamptz[]) AS span (channel, begins, ends)
JOIN metering.conflict ON conflict.channel = span.channel AND conflict.read_at >= span.begins AND conflict.read_at < span.ends
WHERE NOT EXISTS (SELECT FROM metering.edit WHERE edit.channel = conflict.channel AND edit.read_at = conflict.read_at)

-- name: digest_events
SELECT event.channel, (extract(epoch FROM event.found_at) * 1000000)::bigint, event.kind,
       coalesce(event.evidence->'from_value', event.evidence->'anchor_value')::bigint,
       coalesce(event.evidence->'to_value', event.evidence->'value')::bigint,
       (extract(epoch FROM event.to_at - event.from_at) * 1000000)::bigint, event.amount
FROM unnest(%(channel)s::int[], %(from)s::timestamptz[], %(until)s::timestamptz[]) AS span (channel, begins, ends)
JOIN metering.channel_event AS event
  ON event.channel = span.channel AND event.found_at >= span.begins AND event.found_at < span.ends
ORDER BY event.channel, event.found_at, event.from_at, event.kind

-- name: stale_digests
DELETE FROM metering.channel_digest AS there USING digested_range AS range
WHERE there.channel = range.channel AND there.day BETWEEN range.first_day AND range.last_day
  AND NOT EXISTS (SELECT FROM new_digest AS new WHERE new.channel = there.channel AND new.day = there.day)

-- name: upsert_digests
INSERT INTO metering.channel_digest AS there SELECT * FROM new_digest
ON CONFLICT (channel, day) DO UPDATE
SET length_us = excluded.length_us, amount = excluded.amount, unallocated = excluded.unallocated,
    measured_us = excluded.measured_us, estimated_us = excluded.estimated_us, hours = excluded.hours,
    zero_hours = excluded.zero_hours, hour_max = excluded.hour_max, hour_third = excluded.hour_third,
    hour_min = excluded.hour_min, night_flow = excluded.night_flow, readings = excluded.readings, "values" = excluded."values",
    first_value = excluded.first_value, last_value = excluded.last_value, interval_median_us = excluded.interval_median_us,
    interval_least_us = excluded.interval_least_us, interval_most_us = excluded.interval_most_us,
    lag_least_us = excluded.lag_least_us, lag_most_us = excluded.lag_most_us, still_us = excluded.still_us,
    catch_up = excluded.catch_up, conflicts = excluded.conflicts, events = excluded.events, jumps = excluded.jumps
WHERE there.* IS DISTINCT FROM excluded.*

-- name: forget_new_digests
TRUNCATE new_digest, digested_range

-- name: window_digests
SELECT digest.*
FROM unnest(%(channel)s::int[], %(first)s::date[], %(last)s::date[]) AS span (channel, first_day, last_day)
CROSS JOIN LATERAL (
    SELECT * FROM metering.channel_digest AS digest
    WHERE digest.channel = span.channel AND digest.day >= span.first_day AND digest.day <= span.last_day OFFSET 0
) AS digest

-- name: stale_signals
DELETE FROM metering.vee_signal AS there USING judged_range AS range
WHERE there.channel = range.channel AND there.day BETWEEN range.first_day AND range.last_day
  AND NOT EXISTS (SELECT FROM new_signal AS new
                  WHERE new.channel = there.channel AND new.rule = there.rule AND new.day = there.day)

-- name: upsert_signals
INSERT INTO metering.vee_signal AS there SELECT * FROM new_signal
ON CONFLICT (channel, rule, day) DO UPDATE
SET severity = excluded.severity, impact = excluded.impact, evidence = excluded.evidence
WHERE there.* IS DISTINCT FROM excluded.*

-- name: channel_signals
SELECT channel, rule, day, severity, impact, evidence FROM metering.vee_signal WHERE channel = ANY (%(channel)s)

-- name: note_changed_findings
-- Whoever dealt with a finding sees in its history that it has changed since, gone, or come back.
INSERT INTO metering.finding_history (rule, channel, from_day, change, author, reason, to_day, severity, impact, evidence)
SELECT there.rule, there.channel, there.from_day, CASE WHEN there.found THEN 'evidence' ELSE 'found_again' END, 'meterwarden',
       'the rows changed', new.to_day, new.severity, new.impact, new.evidence
FROM metering.finding AS there JOIN new_finding AS new USING (rule, channel, from_day)
WHERE there.state_at IS NOT NULL AND NOT (there.found AND there.rule = 'never_heard')  -- that goes on from day to day: no news
  AND (there.to_day, there.days, there.severity, there.impact, there.evidence, there.found)
      IS DISTINCT FROM (new.to_day, new.days, new.severity, new.impact, new.evidence, true)

-- name: upsert_findings
INSERT INTO metering.finding AS there (rule, channel, from_day, to_day, days, severity, impact, evidence) SELECT * FROM new_finding
ON CONFLICT (rule, channel, from_day) DO UPDATE
SET to_day = excluded.to_day, days = excluded.days, severity = excluded.severity, impact = excluded.impact,
    evidence = excluded.evidence, found = true
WHERE (there.to_day, there.days, there.severity, there.impact, there.evidence, there.found)
      IS DISTINCT FROM (excluded.to_day, excluded.days, excluded.severity, excluded.impact, excluded.evidence, true)

-- name: delete_findings
DELETE FROM metering.finding AS there
WHERE there.channel = ANY (%(channel)s) AND there.state_at IS NULL
  AND NOT EXISTS (SELECT FROM new_finding AS new
                  WHERE (new.rule, new.channel, new.from_day) = (there.rule, there.channel, there.from_day))

-- name: withdraw_findings
WITH gone AS (
    UPDATE metering.finding AS there SET found = false
    WHERE there.channel = ANY (%(channel)s) AND there.state_at IS NOT NULL AND there.found
      AND NOT EXISTS (SELECT FROM new_finding AS new
                      WHERE (new.rule, new.channel, new.from_day) = (there.rule, there.channel, there.from_day))
    RETURNING there.*
)
INSERT INTO metering.finding_history (rule, channel, from_day, change, author, reason, to_day, severity, impact, evidence)
SELECT rule, channel, from_day, 'withdrawn', 'meterwarden', 'the rows no longer show it', to_day, severity, impact, evidence FROM gone

-- name: findings_open
SELECT rule, severity, count(*) FROM metering.finding WHERE found AND state = 'open' GROUP BY rule, severity

-- name: findings_board
SELECT * FROM meterwarden.finding_board
WHERE (%(institution)s::text IS NULL OR institution = %(institution)s) AND (%(rule)s::text IS NULL OR rule = %(rule)s)
ORDER BY rank LIMIT %(most)s

-- name: findings_all
SELECT * FROM meterwarden.finding
WHERE (%(institution)s::text IS NULL OR institution = %(institution)s) AND (%(rule)s::text IS NULL OR rule = %(rule)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY from_day DESC, institution, medium, meter, register, rule LIMIT %(most)s

-- name: findings_named
SELECT * FROM meterwarden.finding WHERE finding LIKE %(name)s || '%%' LIMIT 2

-- name: finding_past
SELECT * FROM meterwarden.finding_history WHERE finding = %(name)s ORDER BY recorded_at

-- name: change_finding
-- The row is locked until the commit, so that two people do not write over each other.
WITH changed AS (
    UPDATE metering.finding SET state = %(state)s, author = %(author)s, reason = %(reason)s, state_at = now()
    WHERE name = %(name)s AND state <> %(state)s
    RETURNING *
)
INSERT INTO metering.finding_history (rule, channel, from_day, change, author, reason, to_day, severity, impact, evidence)
SELECT rule, channel, from_day, %(change)s, author, reason, to_day, severity, impact, evidence FROM changed
