-- Every query the service runs, named and described.

-- name: set_up_session
-- Where a firewall forgets the connection nobody tells the server: without these limits it holds our locks for hours, and the same
-- batch, written again, waits for them.
SELECT pid,
       backend_start,
       set_config('timezone', 'UTC', false),
       set_config('statement_timeout', %(seconds)s || 's', false),
       set_config('idle_in_transaction_session_timeout', 2 * %(seconds)s || 's', false),
       set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('tcp_user_timeout', '30s', false),
       -- switched off for a whole server, as many advise for fast inserts, a crash would lose what has been acknowledged
       set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), false),
       -- a round that rewrites hours in the columnstore unpacks them: beyond 100,000 rows it would be refused, again and again
       set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false)
FROM pg_stat_activity
WHERE pid = pg_backend_pid()

-- name: end_given_up
-- a number may have been given to another process since
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
JOIN unnest(%(pid)s::int[], %(started_at)s::timestamptz[]) AS given_up (pid, backend_start) USING (pid, backend_start)
WHERE usename = current_user

-- name: set_up_writer
-- ChunkAppend makes a look-up in one chunk, which `stored_values` always is, cost twice to thrice as much
SELECT set_config('timescaledb.enable_chunk_append', 'off', false)

-- name: copy_readings
COPY metering.reading (read_at, value, received_at, channel) FROM STDIN (FORMAT binary)

-- name: stored_values
-- One index look-up a key within the chunk of all these instants: a plain join would hash the chunk. The place of each key that is
-- there, from 1, and its value.
SELECT key.place, found.value
FROM unnest(%(channel)s::int[], %(read_at)s::timestamptz[]) WITH ORDINALITY AS key (channel, read_at, place)
CROSS JOIN LATERAL (
    SELECT value FROM metering.reading AS reading
    WHERE reading.channel = key.channel AND reading.read_at = key.read_at AND reading.read_at BETWEEN %(since)s AND %(until)s
    OFFSET 0
) AS found

-- name: insert_conflicts
INSERT INTO metering.conflict (channel, read_at, value, received_at)
SELECT * FROM unnest(%(channel)s::int[], %(read_at)s::timestamptz[], %(value)s::bigint[], %(received_at)s::timestamptz[])
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
RETURNING channel, read_at, value

-- name: insert_session
-- A statement not kept before makes its session due to be derived again.
WITH inserted AS (
    INSERT INTO metering.session_statement
        (meter, session, connector, started_at, start_register, stopped_at, stop_register, session_energy, received_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
    RETURNING meter, connector, session
)
INSERT INTO metering.charging_due (meter, connector, session) SELECT * FROM inserted

-- name: insert_quarantine
INSERT INTO metering.quarantine
    (key, topic, payload, qos, retain, received_at, stage, reason, detail, failing, wanted)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (key) DO NOTHING

-- name: insert_mark
INSERT INTO metering.mark (channel, utc_hour, from_us, until_us)
VALUES (%(channel)s::int[], %(utc_hour)s::int[], %(from_us)s::bigint[], %(until_us)s::bigint[])

-- name: wait_for_standbys
-- What a batch finds stored may have been committed by a transaction whose wait for a synchronous standby was cut short. A commit that
-- wrote nothing waits for nobody; one that wrote anything at all waits until the standby has everything before it, too.
SELECT pg_logical_emit_message(true, 'meterwarden', '')

-- name: probe_quarantine
INSERT INTO metering.quarantine (key, topic, payload, qos, retain, received_at, stage, reason, detail, failing, wanted)
VALUES ('probe', '', '', 0, false, now(), '', '', '', '{}', '{}')

-- name: canary_stored
SELECT FROM metering.reading WHERE channel = %s AND read_at = %s

-- name: registry_version
SELECT version FROM metering.registry_version

-- name: registry_meters
-- What intake must know of every version of a block of meters, in columns: an aggregate each, over the same rows in the same order.
-- The first is NULL where no meter is left. Numbers and instants come as the server's own bytes: 1.9 s of it a million meters,
-- 3.2 as rows.
WITH block AS MATERIALIZED (
    SELECT meter, medium, code FROM metering.meter WHERE meter > %(after)s ORDER BY meter LIMIT %(meters)s
), last AS (
    SELECT max(meter) AS meter FROM block
), channels AS (
    SELECT meter, string_agg(register || ' ' || decimals, ' ' ORDER BY channel) AS registers,
           string_agg(int4send(channel), '' ORDER BY channel) AS channels
    FROM metering.channel WHERE meter > %(after)s AND meter <= (SELECT meter FROM last) GROUP BY meter
), versions AS (
    SELECT meter, valid_from, valid_to, institution, gateway, coalesce(register_digits, 0) AS digits
    FROM metering.meter_version WHERE meter > %(after)s AND meter <= (SELECT meter FROM last)
)
SELECT (SELECT meter FROM last),
       array_agg(concat_ws('/', institution.code, block.medium, block.code)),
       array_agg(institution.code || '/' || gateway),
       array_agg(digits || ' ' || registers),
       string_agg(int4send(meter), ''),
       string_agg(timestamptz_send(valid_from), ''), string_agg(timestamptz_send(valid_to), ''),
       string_agg(channels, '')
FROM block JOIN versions USING (meter) JOIN channels USING (meter) JOIN metering.institution USING (institution)

-- name: known_filters
SELECT filters FROM metering.subscription WHERE client_identifier = %s

-- name: keep_filters
INSERT INTO metering.subscription (client_identifier, filters, session_expiry_s, subscribed_at, seen_at)
VALUES (%s, %s, %s, now(), now())
ON CONFLICT (client_identifier) DO UPDATE
SET filters = excluded.filters, session_expiry_s = excluded.session_expiry_s, subscribed_at = now(), seen_at = now()

-- name: member_seen
UPDATE metering.subscription SET seen_at = now() WHERE client_identifier = %s

-- name: members_absent
SELECT count(*) FROM metering.subscription
WHERE filters <> '{}' AND seen_at < now() - make_interval(secs => session_expiry_s / 4.0)

-- name: other_members
SELECT client_identifier FROM metering.subscription
WHERE client_identifier <> %s AND EXISTS (SELECT FROM unnest(filters) AS held (filter) WHERE starts_with(held.filter, %s))

-- name: forget_member
DELETE FROM metering.subscription WHERE client_identifier = %s

-- name: quarantine_horizon
-- Every transaction below it has ended, so what it brought is visible to the next statement, or never will be.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text

-- name: quarantine_waiting
-- Open messages recorded from a horizon on whose unknown meters and registers are all registered now, whatever else they suffer from:
-- their good readings count. Each meter or register is looked
-- up once, however many messages wait for it; OFFSET 0 keeps that an index look-up also where nothing is known of the tables' sizes.
WITH waiting AS MATERIALIZED (
    SELECT quarantine, bytes, wanted FROM metering.quarantine
    WHERE resolved_at IS NULL AND wanted <> '{}'
      AND recorded_in >= %(horizon)s::xid8
), absent AS MATERIALIZED (
    SELECT path FROM (SELECT DISTINCT unnest(wanted) AS path FROM waiting) AS paths
    WHERE NOT EXISTS (
        SELECT FROM (SELECT institution FROM metering.institution WHERE code = split_part(path, '/', 1) OFFSET 0) AS institution
        CROSS JOIN LATERAL (
            SELECT meter FROM metering.meter WHERE medium = split_part(path, '/', 2) AND code = split_part(path, '/', 3)
              AND EXISTS (SELECT FROM metering.meter_version AS version
                          WHERE version.meter = meter.meter AND version.institution = institution.institution)
            OFFSET 0) AS meter
        WHERE split_part(path, '/', 4) = ''
           OR EXISTS (SELECT FROM metering.channel WHERE channel.meter = meter.meter AND channel.register = split_part(path, '/', 4))
    )
), held_up AS MATERIALIZED (
    SELECT DISTINCT quarantine FROM (SELECT quarantine, unnest(wanted) AS path FROM waiting) AS wanted JOIN absent USING (path)
)
SELECT quarantine, bytes FROM waiting
WHERE NOT EXISTS (SELECT FROM held_up WHERE held_up.quarantine = waiting.quarantine)
ORDER BY quarantine

-- name: quarantine_lock
-- Rows that another worker holds are its to replay.
SELECT quarantine, topic, payload, qos, retain, received_at
FROM metering.quarantine
WHERE quarantine = ANY (%s) AND resolved_at IS NULL
ORDER BY quarantine
FOR UPDATE SKIP LOCKED

-- name: quarantine_matching
-- What an operator's filter matches. Topics are compared as escaped text, which any bytes have. A gateway's batch that may name the
-- meter comes with its payload: whether it does is not for SQL to say, since it may be no JSON.
SELECT kept.quarantine, kept.bytes, kept.reason, kept.resolved_at IS NULL,
       CASE WHEN %(meter)s::text IS NULL OR named.plainly THEN NULL ELSE kept.payload END
FROM metering.quarantine AS kept
CROSS JOIN LATERAL (SELECT encode(kept.topic, 'escape') AS topic) AS escaped
CROSS JOIN LATERAL (
    SELECT starts_with(escaped.topic, %(own_topic)s) OR EXISTS (
        SELECT FROM unnest(kept.wanted) AS wanted (path)
        WHERE wanted.path = %(meter)s OR starts_with(wanted.path, %(meter)s || '/')) AS plainly
) AS named
WHERE (%(ids)s::bigint[] IS NULL OR kept.quarantine = ANY (%(ids)s))
  AND (%(reasons)s::text[] IS NULL OR kept.reason = ANY (%(reasons)s))
  AND (%(state)s = 'all' OR (%(state)s = 'open') = (kept.resolved_at IS NULL))
  AND (%(since)s::timestamptz IS NULL OR kept.received_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR kept.received_at < %(until)s)
  AND (%(institution)s::text IS NULL
       OR split_part(escaped.topic, '/', 2) = encode(convert_to(%(institution)s, 'UTF8'), 'escape'))
  AND CASE
      WHEN %(meter)s::text IS NULL OR named.plainly THEN true
      WHEN starts_with(escaped.topic, %(gateway_topic)s)
      THEN position(%(code)s::bytea IN kept.payload) > 0 OR position('\\u'::bytea IN kept.payload) > 0
      ELSE false END
ORDER BY kept.quarantine

-- name: quarantine_messages
SELECT quarantine, key, topic, CASE WHEN %(whole)s THEN payload END, octet_length(payload), qos, retain, received_at, stage, reason,
       detail, failing, wanted, resolved_at, resolution
FROM metering.quarantine WHERE quarantine = ANY (%(ids)s)
ORDER BY quarantine

-- name: quarantine_purge
SELECT open, resolved, bytes FROM metering.purge_quarantine(%(ids)s::bigint[], %(state)s, %(author)s, %(because)s, %(filter)s)

-- name: quarantine_held
-- What all messages take, and when the oldest open one came: from two indexes alone, each read once.
SELECT open.bytes + resolved.bytes, open.oldest
FROM (SELECT coalesce(sum(bytes), 0) AS bytes, min(received_at) AS oldest
      FROM metering.quarantine WHERE resolved_at IS NULL) AS open,
     (SELECT coalesce(sum(bytes), 0) AS bytes FROM metering.quarantine WHERE resolved_at IS NOT NULL) AS resolved

-- name: quarantine_oldest_open
-- The oldest that came before an instant, as many as take so many bytes, and no more than a transaction should delete.
SELECT quarantine FROM (
    SELECT quarantine, sum(bytes) OVER (ORDER BY received_at, quarantine) - bytes AS before
    FROM (SELECT quarantine, received_at, bytes FROM metering.quarantine
          WHERE resolved_at IS NULL AND received_at < %(before)s
          ORDER BY received_at, quarantine LIMIT %(most)s) AS oldest
) AS summed WHERE before < %(bytes)s

-- name: quarantine_oldest_resolved
SELECT quarantine FROM (
    SELECT quarantine, sum(bytes) OVER (ORDER BY received_at, quarantine) - bytes AS before
    FROM (SELECT quarantine, received_at, bytes FROM metering.quarantine
          WHERE resolved_at IS NOT NULL AND received_at < %(before)s
          ORDER BY received_at, quarantine LIMIT %(most)s) AS oldest
) AS summed WHERE before < %(bytes)s

-- name: quarantine_resolve
UPDATE metering.quarantine SET resolved_at = now(), resolution = 'replayed' WHERE quarantine = ANY (%s)

-- name: quarantine_still_rejected
UPDATE metering.quarantine
SET stage = %(stage)s, reason = %(reason)s, detail = %(detail)s, failing = %(failing)s, wanted = %(wanted)s
WHERE quarantine = %(quarantine)s
  AND (stage, reason, detail, failing, wanted)
      IS DISTINCT FROM (%(stage)s, %(reason)s, %(detail)s, %(failing)s::int[], %(wanted)s::text[])

-- name: quarantine_counts
SELECT reason, count(*) FROM metering.quarantine WHERE resolved_at IS NULL GROUP BY reason

-- name: take_marks
-- The oldest marks, as many as fit the round (at least one), deleted and returned in one statement.
WITH oldest AS (
    SELECT mark, sum(cardinality(channel)) OVER (ORDER BY mark) - cardinality(channel) AS before
    FROM (SELECT mark, channel FROM metering.mark ORDER BY mark LIMIT 10000) AS marks
)
DELETE FROM metering.mark USING oldest
WHERE mark.mark = oldest.mark AND oldest.before < %(channel_hours)s
RETURNING mark.channel, mark.utc_hour, mark.from_us, mark.until_us

-- name: marks_waiting
SELECT coalesce(sum(cardinality(channel)), 0), min(mark), max(mark) FROM metering.mark

-- name: settling_channels
-- The cumulative channels among the marked ones, with every version of their meter.
SELECT channel.channel, region.timezone, channel.decimals,
       version.valid_from, version.ratio_milli, version.rated_capacity, version.quantum_milli, version.register_digits,
       version.interval_s
FROM metering.channel
JOIN metering.meter_version AS version USING (meter)
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
WHERE channel.channel = ANY (%s::int[]) AND channel.kind = 'cumulative'
ORDER BY channel.channel, version.valid_from

-- name: settling_exchanges
-- the newest version of each, as far as it was not withdrawn
SELECT * FROM (
    SELECT DISTINCT ON (channel, exchanged_at)
           channel, (extract(epoch FROM exchanged_at) * 1000000)::bigint AS at, old_final, new_initial
    FROM metering.exchange WHERE channel = ANY (%s::int[]) ORDER BY channel, exchanged_at, version DESC
) AS newest
WHERE old_final IS NOT NULL ORDER BY channel, at

-- name: raw_kept_since
-- Locked, so that no reading goes while a transaction that counts on it runs: retention waits, and who comes after it reads anew.
SELECT nullif(raw_kept_since, '-infinity') FROM metering.retention FOR SHARE

-- name: decided_since
-- Where the first local day of a register begins that is kept whole: the day that retention cut is settled no more. Locked likewise.
SELECT nullif(metering.local_midnight(metering.first_day(raw_kept_since, region.timezone), region.timezone), '-infinity')
FROM metering.retention
JOIN metering.channel ON channel.channel = %(channel)s
JOIN metering.meter_version AS version
  ON version.meter = channel.meter AND version.valid_from <= %(at)s AND version.valid_to > %(at)s
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
FOR SHARE OF retention

-- name: registers_of_meter
SELECT channel.channel, channel.register, channel.unit, channel.decimals, version.register_digits
FROM metering.meter
JOIN metering.meter_version AS version USING (meter)
JOIN metering.institution USING (institution)
JOIN metering.channel USING (meter)
WHERE institution.code = %(institution)s AND meter.medium = %(medium)s AND meter.code = %(meter)s
  AND version.valid_from <= %(at)s AND version.valid_to > %(at)s AND channel.kind = 'cumulative'
ORDER BY channel.channel

-- name: insert_edit
INSERT INTO metering.edit (channel, read_at, version, value, author, reason)
SELECT %(channel)s, %(read_at)s, coalesce(max(version), 0) + 1, %(value)s, %(author)s, %(because)s
FROM metering.edit WHERE channel = %(channel)s AND read_at = %(read_at)s
RETURNING version

-- name: insert_exchange
INSERT INTO metering.exchange (channel, exchanged_at, version, old_final, new_initial, author, reason)
SELECT %(channel)s, %(at)s, coalesce(max(version), 0) + 1, %(old_final)s, %(new_initial)s, %(author)s, %(because)s
FROM metering.exchange WHERE channel = %(channel)s AND exchanged_at = %(at)s
RETURNING version

-- name: exchange_at
SELECT old_final FROM metering.exchange WHERE channel = %(channel)s AND exchanged_at = %(at)s ORDER BY version DESC LIMIT 1

-- name: last_reading
SELECT greatest((SELECT max(read_at) FROM metering.reading WHERE channel = %(channel)s),
                (SELECT max(read_at) FROM metering.edit WHERE channel = %(channel)s))

-- name: mark_instants
INSERT INTO metering.mark (channel, utc_hour)
SELECT array_agg(%(channel)s::int), array_agg(floor(extract(epoch FROM instant) / 3600)::int)
FROM unnest(%(instants)s::timestamptz[]) AS instants (instant)

-- name: disputed_keys
-- Keys with several values or an edit: every value in the order it came, and the newest decision.
WITH wanted AS (
    SELECT channel.channel, channel.unit, channel.decimals, meter.meter, channel.register
    FROM metering.channel JOIN metering.meter USING (meter)
), key AS (
    SELECT channel, read_at FROM metering.conflict UNION SELECT channel, read_at FROM metering.edit WHERE NOT %(undecided)s
)
SELECT path.name, key.read_at, wanted.unit,
       array_agg((seen.value * 10::numeric ^ -wanted.decimals)::numeric(20, 3) ORDER BY seen.received_at, seen.value)
           FILTER (WHERE seen.value IS NOT NULL),
       array_agg(seen.received_at ORDER BY seen.received_at, seen.value) FILTER (WHERE seen.value IS NOT NULL),
       decided.version, (decided.value * 10::numeric ^ -wanted.decimals)::numeric(20, 3), decided.author, decided.reason,
       decided.recorded_at
FROM key
JOIN wanted USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version
  ON version.meter = meter.meter AND key.read_at >= version.valid_from AND key.read_at < version.valid_to
JOIN metering.institution USING (institution)
CROSS JOIN LATERAL (
    SELECT concat_ws('/', institution.code, meter.medium, meter.code, wanted.register) AS name,
           ARRAY[institution.code, meter.medium, meter.code, wanted.register] AS parts) AS path
LEFT JOIN LATERAL (
    (SELECT value, received_at FROM metering.reading
     WHERE reading.channel = key.channel AND reading.read_at = key.read_at LIMIT 1)
    UNION ALL
    SELECT value, received_at FROM metering.conflict WHERE conflict.channel = key.channel AND conflict.read_at = key.read_at
) AS seen ON true
LEFT JOIN LATERAL (
    SELECT * FROM metering.edit WHERE edit.channel = key.channel AND edit.read_at = key.read_at ORDER BY version DESC LIMIT 1
) AS decided ON true
WHERE path.parts[1:cardinality(%(within)s::text[])] = %(within)s::text[] AND NOT (%(undecided)s AND decided.version IS NOT NULL)
GROUP BY path.name, key.channel, key.read_at, wanted.unit, decided.version, decided.value, wanted.decimals, decided.author,
         decided.reason, decided.recorded_at
ORDER BY path.name, key.read_at

-- name: declared_exchanges
SELECT path.name, exchange.exchanged_at, channel.unit, exchange.version,
       (exchange.old_final * 10::numeric ^ -channel.decimals)::numeric(20, 3),
       (exchange.new_initial * 10::numeric ^ -channel.decimals)::numeric(20, 3),
       exchange.author, exchange.reason, exchange.recorded_at, exchange.is_newest
FROM (
    SELECT *, row_number() OVER (PARTITION BY channel, exchanged_at ORDER BY version DESC) = 1 AS is_newest FROM metering.exchange
) AS exchange
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version
  ON version.meter = meter.meter AND exchange.exchanged_at >= version.valid_from AND exchange.exchanged_at < version.valid_to
JOIN metering.institution USING (institution)
CROSS JOIN LATERAL (
    SELECT concat_ws('/', institution.code, meter.medium, meter.code, channel.register) AS name,
           ARRAY[institution.code, meter.medium, meter.code, channel.register] AS parts) AS path
WHERE path.parts[1:cardinality(%(within)s::text[])] = %(within)s::text[]
  AND (%(history)s OR (exchange.is_newest AND exchange.old_final IS NOT NULL))
ORDER BY path.name, exchange.exchanged_at, exchange.version

-- name: measured_hours
-- What like days are made of: wholly measured hours before a channel's fold resumes.
SELECT span.channel, (extract(epoch FROM hour.hour) * 1000000)::bigint, hour.amount
FROM unnest(%(channel)s::int[], %(from)s::timestamptz[], %(until)s::timestamptz[]) AS span (channel, begins, ends)
CROSS JOIN LATERAL (
    SELECT hour, amount FROM metering.consumption_hour AS hour
    WHERE hour.channel = span.channel AND hour.hour >= span.begins AND hour.hour < span.ends AND hour.measured_us = 3600000000
    OFFSET 0
) AS hour

-- name: newest_states
SELECT state.*
FROM unnest(%s::int[]) AS marked (channel)
CROSS JOIN LATERAL (
    SELECT * FROM metering.day_state WHERE day_state.channel = marked.channel ORDER BY day_state.day DESC LIMIT 1
) AS state

-- name: start_states
-- The state after the last day before each channel's first marked day.
SELECT state.*
FROM unnest(%(channel)s::int[], %(day)s::date[]) AS marked (channel, day)
CROSS JOIN LATERAL (
    SELECT * FROM metering.day_state WHERE day_state.channel = marked.channel AND day_state.day < marked.day
    ORDER BY day_state.day DESC LIMIT 1
) AS state

-- name: later_states
SELECT state.*
FROM unnest(%(channel)s::int[], %(day)s::date[]) AS marked (channel, day)
CROSS JOIN LATERAL (
    SELECT * FROM metering.day_state WHERE day_state.channel = marked.channel AND day_state.day >= marked.day OFFSET 0
) AS state

-- name: settling_readings
-- The readings that count, in order: not disputed, or decided by the newest edit. The bounds of all spans together let the planner
-- leave out every chunk beyond them. A double holds microseconds since the epoch exactly until 2100, and is made faster than a numeric.
WITH span AS (
    SELECT channel, 'epoch'::timestamptz + from_us * interval '1 microsecond' AS begins,
           'epoch'::timestamptz + until_us * interval '1 microsecond' AS ends
    FROM unnest(%(channel)s::int[], %(from)s::bigint[], %(until)s::bigint[]) AS span (channel, from_us, until_us)
), raw AS (
    SELECT reading.channel, reading.read_at, reading.value
    FROM span CROSS JOIN LATERAL (
        SELECT channel, read_at, value FROM metering.reading
        WHERE reading.channel = span.channel AND reading.read_at >= span.begins AND reading.read_at < span.ends
          AND reading.read_at >= %(earliest)s AND reading.read_at < %(latest)s
    ) AS reading
    WHERE NOT EXISTS (
        SELECT FROM metering.conflict WHERE conflict.channel = reading.channel AND conflict.read_at = reading.read_at)
      AND NOT EXISTS (
        SELECT FROM metering.edit WHERE edit.channel = reading.channel AND edit.read_at = reading.read_at)
), decided AS (
    SELECT DISTINCT ON (edit.channel, edit.read_at) edit.channel, edit.read_at, edit.value
    FROM span JOIN metering.edit
      ON edit.channel = span.channel AND edit.read_at >= span.begins AND edit.read_at < span.ends
    ORDER BY edit.channel, edit.read_at, edit.version DESC
)
SELECT channel, round(date_part('epoch', read_at) * 1000000)::bigint, value FROM raw
UNION ALL
SELECT channel, round(date_part('epoch', read_at) * 1000000)::bigint, value FROM decided WHERE value IS NOT NULL
ORDER BY 1, 2

-- name: create_settled
CREATE TEMPORARY TABLE IF NOT EXISTS settled_range (
    channel int NOT NULL, hour_from timestamptz NOT NULL, hour_until timestamptz NOT NULL, day_from date NOT NULL,
    day_until date NOT NULL, state_from date NOT NULL, state_until date NOT NULL, found_from timestamptz NOT NULL,
    found_until timestamptz NOT NULL, last_day date NOT NULL, open_day date NOT NULL, only_adds boolean NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS settled_hour (LIKE metering.consumption_hour) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS settled_day (LIKE metering.consumption_day) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS settled_state (LIKE metering.day_state) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS settled_event (LIKE metering.channel_event) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS changed_hour (channel int NOT NULL, hour timestamptz NOT NULL) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS changed_day (channel int NOT NULL, day date NOT NULL) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS affected_day (institution int NOT NULL, medium text NOT NULL, day date NOT NULL)
ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS settled_level (LIKE metering.quota_level) ON COMMIT DELETE ROWS

-- name: stale_hours
-- Rows in the replaced range that were not computed again. OFFSET 0 keeps it an index look-up a range: a join would read the table.
SELECT stale.channel, stale.hour
FROM settled_range AS range
CROSS JOIN LATERAL (
    SELECT channel, hour FROM metering.consumption_hour AS hour
    WHERE hour.channel = range.channel AND hour.hour >= range.hour_from AND hour.hour < range.hour_until OFFSET 0
) AS stale
WHERE NOT range.only_adds
  AND NOT EXISTS (SELECT FROM settled_hour AS new WHERE new.channel = stale.channel AND new.hour = stale.hour)

-- name: delete_hour
WITH gone AS (DELETE FROM metering.consumption_hour WHERE channel = %s AND hour = %s RETURNING channel, hour)
INSERT INTO changed_hour SELECT * FROM gone

-- name: stale_days
SELECT stale.channel, stale.day
FROM settled_range AS range
CROSS JOIN LATERAL (
    SELECT channel, day FROM metering.consumption_day AS day
    WHERE day.channel = range.channel AND day.day >= range.day_from AND day.day < range.day_until OFFSET 0
) AS stale
WHERE NOT range.only_adds
  AND NOT EXISTS (SELECT FROM settled_day AS new WHERE new.channel = stale.channel AND new.day = stale.day)

-- name: delete_day
WITH gone AS (DELETE FROM metering.consumption_day WHERE channel = %s AND day = %s RETURNING channel, day)
INSERT INTO changed_day SELECT * FROM gone

-- name: stale_states
SELECT stale.channel, stale.day
FROM settled_range AS range
CROSS JOIN LATERAL (
    SELECT channel, day FROM metering.day_state AS state
    WHERE state.channel = range.channel AND state.day >= range.state_from AND state.day < range.state_until OFFSET 0
) AS stale
WHERE NOT range.only_adds
  AND NOT EXISTS (SELECT FROM settled_state AS new WHERE new.channel = stale.channel AND new.day = stale.day)

-- name: delete_state
DELETE FROM metering.day_state WHERE channel = %s AND day = %s

-- name: stale_events
SELECT stale.channel, stale.found_at, stale.from_at, stale.kind
FROM settled_range AS range
CROSS JOIN LATERAL (
    SELECT channel, found_at, from_at, kind FROM metering.channel_event AS event
    WHERE event.channel = range.channel AND event.found_at >= range.found_from AND event.found_at < range.found_until OFFSET 0
) AS stale
WHERE NOT range.only_adds AND NOT EXISTS (
    SELECT FROM settled_event AS new
    WHERE (new.channel, new.found_at, new.from_at, new.kind) = (stale.channel, stale.found_at, stale.from_at, stale.kind))

-- name: delete_event
DELETE FROM metering.channel_event WHERE channel = %s AND found_at = %s AND from_at = %s AND kind = %s

-- name: upsert_hours
-- Changed hours are noted where the fold stopped before the last reading: silences after that may take their shape from them.
WITH changed AS (
    INSERT INTO metering.consumption_hour AS there SELECT * FROM settled_hour
    ON CONFLICT (channel, hour) DO UPDATE
    SET amount = excluded.amount, measured_us = excluded.measured_us, estimated_us = excluded.estimated_us
    WHERE (there.amount, there.measured_us, there.estimated_us)
          IS DISTINCT FROM (excluded.amount, excluded.measured_us, excluded.estimated_us)
    RETURNING channel, hour
)
INSERT INTO changed_hour SELECT channel, hour FROM changed
WHERE channel = ANY (SELECT channel FROM settled_range WHERE hour_until < 'infinity')

-- name: mark_later_silences
-- Silences behind the replaced range, short enough for like days, whose like days may have changed: at most four weeks and a day on.
-- One between suspects was booked when a later reading showed what they were, which may have been days after: up to there.
INSERT INTO metering.mark (channel, utc_hour)
SELECT array_agg(channel), array_agg(utc_hour)
FROM (
    SELECT DISTINCT silence.channel, unnest(ARRAY[floor(extract(epoch FROM silence.from_at) / 3600),
                                                  floor(extract(epoch FROM silence.found_at) / 3600)])::int AS utc_hour
    FROM (SELECT channel, min(hour) AS first, max(hour) AS last FROM changed_hour GROUP BY channel) AS changed
    JOIN settled_range AS range USING (channel)
    CROSS JOIN LATERAL (
        SELECT event.channel, event.from_at, event.found_at FROM metering.channel_event AS event
        WHERE event.channel = changed.channel AND event.found_at > changed.first AND event.kind IN ('like_days', 'unallocated')
          AND event.from_at >= range.hour_until AND event.from_at < changed.last + interval '29 days'
          AND event.to_at - event.from_at <= interval '72 hours' OFFSET 0
    ) AS silence
) AS stale
HAVING count(*) > 0

-- name: note_day_changes
-- Before the days are written: closed ones that stand otherwise than they were computed now. What a rebuild took away stands in
-- forgotten_day, as far as the fold has come (last_day).
INSERT INTO metering.day_change (channel, day, changed_at, old_amount, new_amount, old_unallocated, new_unallocated,
                                 old_measured_us, new_measured_us, old_estimated_us, new_estimated_us)
SELECT old.channel, old.day, %(now)s, old.amount, new.amount, old.unallocated, new.unallocated,
       old.measured_us, new.measured_us, old.estimated_us, new.estimated_us
FROM settled_range AS range
CROSS JOIN LATERAL (
    (SELECT channel, day, amount, unallocated, measured_us, estimated_us FROM metering.consumption_day AS day
     WHERE day.channel = range.channel AND day.day >= range.day_from AND day.day < range.day_until AND day.day < range.open_day OFFSET 0)
    UNION ALL
    (SELECT channel, day, amount, unallocated, measured_us, estimated_us FROM metering.forgotten_day AS day
     WHERE day.channel = range.channel AND day.day >= range.day_from AND day.day <= range.last_day AND day.day < range.open_day OFFSET 0)
) AS old
LEFT JOIN settled_day AS new ON new.channel = old.channel AND new.day = old.day
WHERE range.day_from < range.open_day
  AND (old.amount, old.unallocated, old.measured_us, old.estimated_us)
      IS DISTINCT FROM (new.amount, new.unallocated, new.measured_us, new.estimated_us)

-- name: compared_forgotten_days
DELETE FROM metering.forgotten_day AS day USING settled_range AS range
WHERE day.channel = range.channel AND day.day >= range.day_from AND day.day <= range.last_day

-- name: upsert_days
-- Here and of states column by column: comparing whole rows, there.* and excluded.*, costs half a microsecond of CPU a row more.
WITH changed AS (
    INSERT INTO metering.consumption_day AS there SELECT * FROM settled_day
    ON CONFLICT (channel, day) DO UPDATE
    SET amount = excluded.amount, unallocated = excluded.unallocated,
        measured_us = excluded.measured_us, estimated_us = excluded.estimated_us,
        month_amount = excluded.month_amount, month_measured_us = excluded.month_measured_us,
        month_estimated_us = excluded.month_estimated_us, year_amount = excluded.year_amount,
        year_measured_us = excluded.year_measured_us, year_estimated_us = excluded.year_estimated_us
    WHERE (there.amount, there.unallocated, there.measured_us, there.estimated_us,
           there.month_amount, there.month_measured_us, there.month_estimated_us,
           there.year_amount, there.year_measured_us, there.year_estimated_us)
          IS DISTINCT FROM
          (excluded.amount, excluded.unallocated, excluded.measured_us, excluded.estimated_us,
           excluded.month_amount, excluded.month_measured_us, excluded.month_estimated_us,
           excluded.year_amount, excluded.year_measured_us, excluded.year_estimated_us)
    RETURNING channel, day
)
INSERT INTO changed_day SELECT channel, day FROM changed

-- name: upsert_states
INSERT INTO metering.day_state AS there SELECT * FROM settled_state
ON CONFLICT (channel, day) DO UPDATE
SET anchor_us = excluded.anchor_us, anchor_value = excluded.anchor_value, suspects = excluded.suspects,
    hour_amount = excluded.hour_amount, hour_measured_us = excluded.hour_measured_us,
    hour_estimated_us = excluded.hour_estimated_us, day_amount = excluded.day_amount,
    day_unallocated = excluded.day_unallocated, day_measured_us = excluded.day_measured_us,
    day_estimated_us = excluded.day_estimated_us, month_amount = excluded.month_amount,
    month_measured_us = excluded.month_measured_us, month_estimated_us = excluded.month_estimated_us,
    year_amount = excluded.year_amount, year_measured_us = excluded.year_measured_us,
    year_estimated_us = excluded.year_estimated_us, still_us = excluded.still_us
WHERE (there.anchor_us, there.anchor_value, there.suspects, there.hour_amount, there.hour_measured_us, there.hour_estimated_us,
       there.day_amount, there.day_unallocated, there.day_measured_us, there.day_estimated_us,
       there.month_amount, there.month_measured_us, there.month_estimated_us,
       there.year_amount, there.year_measured_us, there.year_estimated_us, there.still_us)
      IS DISTINCT FROM
      (excluded.anchor_us, excluded.anchor_value, excluded.suspects, excluded.hour_amount, excluded.hour_measured_us,
       excluded.hour_estimated_us, excluded.day_amount, excluded.day_unallocated, excluded.day_measured_us,
       excluded.day_estimated_us, excluded.month_amount, excluded.month_measured_us, excluded.month_estimated_us,
       excluded.year_amount, excluded.year_measured_us, excluded.year_estimated_us, excluded.still_us)

-- name: insert_settled_event
INSERT INTO settled_event (channel, found_at, from_at, to_at, kind, amount, evidence) VALUES (%s, %s, %s, %s, %s, %s, %s)

-- name: upsert_events
INSERT INTO metering.channel_event AS there SELECT * FROM settled_event
ON CONFLICT (channel, found_at, from_at, kind) DO UPDATE
SET to_at = excluded.to_at, amount = excluded.amount, evidence = excluded.evidence
WHERE there.* IS DISTINCT FROM excluded.*

-- name: affect_institutions
-- The institutions of every changed or marked channel-day, whatever the meter's role: a role may just have changed. A charger may
-- hang behind an electricity meter, and be left out of what that counts.
INSERT INTO affected_day
SELECT DISTINCT version.institution, medium.medium, touched.day
FROM (SELECT channel, day FROM changed_day
      UNION SELECT * FROM unnest(%(channel)s::int[], %(day)s::date[])) AS touched
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version USING (meter)
CROSS JOIN LATERAL (SELECT meter.medium UNION ALL SELECT 'electricity' WHERE meter.medium = 'charger') AS medium
WHERE touched.day + 1 >= version.valid_from::date AND touched.day - 1 <= version.valid_to::date

-- name: affect_region
-- A day of a region has ended: every institution, also one whose meters are silent or missing, and every medium it had days of.
INSERT INTO affected_day
SELECT institution, medium, %(day)s FROM metering.institution, unnest(%(media)s::text[]) AS medium WHERE region = %(region)s
UNION
SELECT institution, medium, %(day)s
FROM metering.institution AS of, unnest(ARRAY['electricity', 'water', 'charger']) AS medium
WHERE region = %(region)s
  AND EXISTS (SELECT FROM metering.institution_day AS day WHERE day.institution = of.institution AND day.medium = medium.medium)

-- name: verdicts_waiting
-- Whether marks are left, and since when verdicts have been put off.
SELECT EXISTS (SELECT FROM metering.mark), (SELECT min(since) FROM metering.affected_later)

-- name: verdicts_due
SELECT EXISTS (SELECT FROM metering.affected_later)

-- name: put_off_verdicts
INSERT INTO metering.affected_later (institution, medium, day, since)
SELECT DISTINCT institution, medium, day, %(now)s::timestamptz FROM affected_day ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING

-- name: take_up_verdicts
WITH later AS (DELETE FROM metering.affected_later RETURNING institution, medium, day)
INSERT INTO affected_day SELECT institution, medium, day FROM later

-- name: judge_again
-- Of each medium of some institutions the first day that may still be judged, from a day on (NULL: from the first). In order, as rounds
-- insert too, so that neither waits for the other in a circle.
INSERT INTO metering.affected_later (institution, medium, day, since)
SELECT institution.institution, there.medium, min(there.day), now()
FROM unnest(%(institution)s::text[], %(since)s::date[]) AS touched (code, since)
JOIN metering.institution USING (code)
JOIN metering.region USING (region)
JOIN metering.institution_day AS there USING (institution)
WHERE there.day >= coalesce(touched.since, '-infinity')
  AND there.day >= (SELECT metering.first_day(raw_kept_since, region.timezone) FROM metering.retention)
GROUP BY 1, 2
ORDER BY 1, 2
ON CONFLICT DO NOTHING

-- name: affect_days_without_row
-- From the first day of an institution to the last closed one there is a row a day, so that sums over days miss none.
INSERT INTO affected_day
SELECT institution, medium, day::date
FROM (SELECT institution, medium, min(day) AS first FROM affected_day GROUP BY institution, medium) AS affected
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
CROSS JOIN LATERAL generate_series(
    affected.first, (%(now)s AT TIME ZONE region.timezone)::date, interval '1 day') AS day
WHERE NOT EXISTS (
    SELECT FROM metering.institution_day AS there
    WHERE there.institution = affected.institution AND there.medium = affected.medium AND there.day = day.day::date)

-- name: roll_up_institutions
-- What main meters add, each one whole first: a virtual one, or one less what flowed back, is known no longer than the part of it
-- known shortest. So it is also where days prove less than their month: what the month adds is the least that any part adds.
WITH affected AS MATERIALIZED (
    SELECT DISTINCT institution, medium, day FROM affected_day
), main AS (
    SELECT affected.institution, affected.medium, affected.day, term.name,
           sum(term.coefficient * coalesce(day.amount, 0)) AS amount,
           min(coalesce(day.measured_us, 0)) AS measured_us, min(coalesce(day.measured_us + day.estimated_us, 0)) AS known_us,
           sum(term.coefficient * coalesce(day.month_amount, 0)) AS month_amount,
           min(coalesce(day.month_measured_us, 0)) AS month_measured_us,
           min(coalesce(day.month_measured_us + day.month_estimated_us, 0)) AS month_known_us,
           sum(term.coefficient * coalesce(day.year_amount, 0)) AS year_amount,
           min(coalesce(day.year_measured_us, 0)) AS year_measured_us,
           min(coalesce(day.year_measured_us + day.year_estimated_us, 0)) AS year_known_us
    FROM affected
    JOIN metering.sum_term AS term ON term.institution = affected.institution AND term.medium = affected.medium
     AND term.kind = 'total' AND affected.day >= term.first_day AND affected.day < term.until_day
    LEFT JOIN metering.consumption_day AS day ON day.channel = term.channel AND day.day = affected.day
    GROUP BY affected.institution, affected.medium, affected.day, term.name
)
INSERT INTO metering.institution_day AS there
SELECT affected.institution, affected.medium, affected.day,
       coalesce(sum(main.amount), 0), coalesce(sum(main.measured_us), 0), coalesce(sum(main.known_us - main.measured_us), 0),
       count(main.name) * (1000000 * metering.seconds_between(affected.day, affected.day + 1, region.timezone))::bigint,
       coalesce(sum(main.month_amount), 0), coalesce(sum(main.month_measured_us), 0),
       coalesce(sum(main.month_known_us - main.month_measured_us), 0),
       coalesce(sum(main.year_amount), 0), coalesce(sum(main.year_measured_us), 0),
       coalesce(sum(main.year_known_us - main.year_measured_us), 0)
FROM affected
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
LEFT JOIN main USING (institution, medium, day)
GROUP BY affected.institution, affected.medium, affected.day, region.timezone
ON CONFLICT (institution, medium, day) DO UPDATE
SET amount = excluded.amount, measured_us = excluded.measured_us, estimated_us = excluded.estimated_us,
    expected_us = excluded.expected_us, month_amount = excluded.month_amount, month_measured_us = excluded.month_measured_us,
    month_estimated_us = excluded.month_estimated_us, year_amount = excluded.year_amount,
    year_measured_us = excluded.year_measured_us, year_estimated_us = excluded.year_estimated_us
WHERE there.* IS DISTINCT FROM excluded.*

-- name: affected_institutions
SELECT affected.institution, affected.medium, min(affected.day), region.timezone,
       institution.class, institution.sub_class, institution.climate_zone, institution.heating_type
FROM affected_day AS affected
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
GROUP BY affected.institution, affected.medium, region.timezone, institution.institution

-- name: quotas
SELECT quota, indicator, period_kind, class, sub_class, climate_zone, heating_type, constraint_value, valid_from,
       nullif(valid_to, 'infinity'), excludes
FROM metering.quota WHERE source <> ''

-- name: denominators
SELECT institution, kind, value, valid_from, nullif(valid_to, 'infinity') FROM metering.denominator WHERE institution = ANY (%s)

-- name: standings_before
-- The last standing of each period before its first affected day: the row before it in the key, where that is of the same period.
-- Asked for by equal columns, it would be sought in the index of periods, through all institutions.
SELECT wanted.position, level.day, level.level, level.previous_level, level.used, level.measured_us, level.estimated_us,
       level.expected_us, level.used_ratio, level.projected_ratio
FROM unnest(%(position)s::int[], %(institution)s::int[], %(indicator)s::text[], %(period_kind)s::text[],
            %(period_start)s::date[], %(day)s::date[])
     AS wanted (position, institution, indicator, period_kind, period_start, day)
CROSS JOIN LATERAL (
    SELECT * FROM metering.quota_level AS level
    WHERE (level.institution, level.indicator, level.period_kind, level.period_start, level.day)
          < (wanted.institution, wanted.indicator, wanted.period_kind, wanted.period_start, wanted.day)
    ORDER BY level.institution DESC, level.indicator DESC, level.period_kind DESC, level.period_start DESC, level.day DESC LIMIT 1
) AS level
WHERE (level.institution, level.indicator, level.period_kind, level.period_start)
      = (wanted.institution, wanted.indicator, wanted.period_kind, wanted.period_start)

-- name: institution_days
SELECT wanted.position, day.day, day.amount, day.measured_us, day.estimated_us, day.expected_us, day.month_amount,
       day.month_measured_us, day.month_estimated_us, day.year_amount, day.year_measured_us, day.year_estimated_us
FROM unnest(%(position)s::int[], %(institution)s::int[], %(medium)s::text[], %(from)s::date[], %(until)s::date[])
     AS wanted (position, institution, medium, begins, ends)
CROSS JOIN LATERAL (
    SELECT * FROM metering.institution_day AS day
    WHERE day.institution = wanted.institution AND day.medium = wanted.medium
      AND day.day >= wanted.begins AND day.day < wanted.ends OFFSET 0
) AS day
ORDER BY wanted.position, day.day

-- name: expected_before
-- What the main meters were expected to cover between a period's begin and the institution's first day with a row.
SELECT wanted.position, (1000000 * sum(metering.seconds_between(
           greatest(main.first_day, wanted.begins), least(main.until_day, wanted.ends), wanted.timezone)))::bigint
FROM unnest(%(position)s::int[], %(institution)s::int[], %(medium)s::text[], %(from)s::date[], %(until)s::date[],
            %(timezone)s::text[]) AS wanted (position, institution, medium, begins, ends, timezone)
CROSS JOIN LATERAL (
    SELECT DISTINCT name, first_day, until_day FROM metering.sum_term AS term
    WHERE term.institution = wanted.institution AND term.kind = 'total' AND term.medium = wanted.medium
      AND term.first_day < wanted.ends AND term.until_day > wanted.begins
) AS main
GROUP BY wanted.position

-- name: stale_levels
-- What stands in each fold's period from its first day on and was not computed again: one stretch of the key each. Asked for by equal
-- columns, it would be sought in the index of periods, through all institutions. All is looked up before it is compared: else the
-- new rows were sorted anew for each fold.
WITH there AS MATERIALIZED (
    SELECT level.*
    FROM unnest(%(institution)s::int[], %(indicator)s::text[], %(period_kind)s::text[], %(period_start)s::date[], %(day)s::date[])
         AS wanted (institution, indicator, period_kind, period_start, day)
    CROSS JOIN LATERAL (
        SELECT institution, indicator, period_kind, period_start, day FROM metering.quota_level AS level
        WHERE (level.institution, level.indicator, level.period_kind, level.period_start, level.day)
              >= (wanted.institution, wanted.indicator, wanted.period_kind, wanted.period_start, wanted.day)
          AND (level.institution, level.indicator, level.period_kind, level.period_start)
              <= (wanted.institution, wanted.indicator, wanted.period_kind, wanted.period_start)
        OFFSET 0
    ) AS level
)
SELECT * FROM there
WHERE NOT EXISTS (
    SELECT FROM settled_level AS new
    WHERE (new.institution, new.indicator, new.period_kind, new.period_start, new.day)
          = (there.institution, there.indicator, there.period_kind, there.period_start, there.day))

-- name: delete_level
DELETE FROM metering.quota_level
WHERE institution = %s AND indicator = %s AND period_kind = %s AND period_start = %s AND day = %s

-- name: upsert_levels
-- Returns the institutions of rows that were not there, or stood otherwise.
WITH written AS (
    INSERT INTO metering.quota_level AS there SELECT * FROM settled_level
    ON CONFLICT (institution, indicator, period_kind, period_start, day) DO UPDATE
    SET level = excluded.level, previous_level = excluded.previous_level, used = excluded.used,
        measured_us = excluded.measured_us, estimated_us = excluded.estimated_us, expected_us = excluded.expected_us,
        unit = excluded.unit, allowance = excluded.allowance, used_ratio = excluded.used_ratio, projected_ratio = excluded.projected_ratio,
        quota = excluded.quota, denominator = excluded.denominator, missing = excluded.missing, excluded = excluded.excluded,
        deducted_us = excluded.deducted_us, deducted_expected_us = excluded.deducted_expected_us
    WHERE there.* IS DISTINCT FROM excluded.*
    RETURNING there.institution
)
SELECT DISTINCT institution FROM written

-- name: due_ticks
-- Regions whose last local day has ended without a tick, and every day before it since their last tick: the settler was away.
INSERT INTO metering.tick (region, day)
SELECT region.region, due.day::date
FROM metering.region
CROSS JOIN LATERAL (SELECT (%(now)s AT TIME ZONE region.timezone)::date - 1 AS day) AS yesterday
CROSS JOIN LATERAL (SELECT max(tick.day) AS day FROM metering.tick WHERE tick.region = region.region) AS last
CROSS JOIN LATERAL generate_series(coalesce(last.day + 1, yesterday.day), yesterday.day, interval '1 day') AS due (day)
ON CONFLICT DO NOTHING
RETURNING region, day

-- name: current_standings
-- The running period of each kind and the one before it, as of their newest day.
SELECT status.*
FROM meterwarden.quota_status AS status
WHERE (status.period_kind = 'month' AND status.period_start >= date_trunc('month', %(today)s::date) - interval '1 month')
   OR (status.period_kind = 'year' AND status.period_start >= date_trunc('year', %(today)s::date) - interval '1 year')
ORDER BY status.institution, status.indicator, status.period_kind, status.period_start

-- name: institution_codes
SELECT code FROM metering.institution WHERE institution = ANY (%s)

-- name: standings_of
-- The same of some institutions alone, by their codes.
SELECT status.*
FROM meterwarden.quota_status AS status
WHERE status.institution = ANY (%(codes)s)
  AND (status.period_kind = 'month' AND status.period_start >= date_trunc('month', %(today)s::date) - interval '1 month'
       OR status.period_kind = 'year' AND status.period_start >= date_trunc('year', %(today)s::date) - interval '1 year')
ORDER BY status.institution, status.indicator, status.period_kind, status.period_start

-- name: standings_listed
-- The periods that run today, and the ones before them, or every one there is.
SELECT * FROM meterwarden.quota_status
WHERE (%(institution)s::text IS NULL OR institution = %(institution)s) AND (%(level)s::text IS NULL OR level = %(level)s)
  AND (%(everything)s::bool OR period_end >= date_trunc(period_kind, now())::date)
ORDER BY used_ratio DESC NULLS LAST, institution, indicator, period_start DESC LIMIT %(most)s

-- name: regions
-- The region of every institution, by their codes.
SELECT institution.code, region.code FROM metering.institution JOIN metering.region USING (region)

-- name: ever_told
SELECT topic FROM unnest(%s::text[]) AS asked (topic) WHERE EXISTS (SELECT FROM metering.notice WHERE notice.topic = asked.topic)

-- name: insert_notice
INSERT INTO metering.notice (sent_at, topic, statement) VALUES (%s, %s, %s)
