-- The public contract: views that readers may rely on, in codes and units instead of numbers of rows and integers.

CREATE VIEW meterwarden.reading AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, reading.read_at,
       (reading.value * 10::numeric ^ -channel.decimals)::numeric(20, 3) AS value, channel.unit, reading.received_at,
       EXISTS (SELECT FROM metering.conflict
               WHERE conflict.channel = reading.channel AND conflict.read_at = reading.read_at) AS disputed
FROM metering.reading
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version
  ON version.meter = meter.meter AND reading.read_at >= version.valid_from AND reading.read_at < version.valid_to
JOIN metering.institution ON institution.institution = version.institution;
COMMENT ON VIEW meterwarden.reading IS 'Register readings as they came, in the unit of the register; disputed: several values exist.';

-- amounts carry the ratio (CT x PT); shares of a period are its measured, estimated and missing seconds over their sum
CREATE VIEW meterwarden.consumption_hour AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, consumption.hour,
       (consumption.amount * 0.000001)::numeric(20, 6) AS amount, channel.unit,
       consumption.measured_us * 0.000001 AS measured_seconds, consumption.estimated_us * 0.000001 AS estimated_seconds,
       3600 - (consumption.measured_us + consumption.estimated_us) * 0.000001 AS missing_seconds
FROM metering.consumption_hour AS consumption
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version
  ON version.meter = meter.meter AND consumption.hour >= version.valid_from AND consumption.hour < version.valid_to
JOIN metering.institution ON institution.institution = version.institution;

CREATE FUNCTION metering.local_midnight(day date, timezone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN day::timestamp AT TIME ZONE timezone;

CREATE FUNCTION metering.seconds_between(first date, until date, timezone text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN extract(epoch FROM metering.local_midnight(until, timezone) - metering.local_midnight(first, timezone));

CREATE VIEW meterwarden.consumption_day AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, consumption.day,
       (consumption.amount * 0.000001)::numeric(20, 6) AS amount,
       (consumption.unallocated * 0.000001)::numeric(20, 6) AS unallocated, channel.unit,
       consumption.measured_us * 0.000001 AS measured_seconds, consumption.estimated_us * 0.000001 AS estimated_seconds,
       metering.seconds_between(day, day + 1, region.timezone)
           - (consumption.measured_us + consumption.estimated_us) * 0.000001 AS missing_seconds
FROM metering.consumption_day AS consumption
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version ON version.meter = meter.meter
JOIN metering.institution ON institution.institution = version.institution
JOIN metering.region USING (region)
WHERE metering.local_midnight(day, region.timezone) >= version.valid_from
  AND metering.local_midnight(day, region.timezone) < version.valid_to;

CREATE VIEW meterwarden.consumption_month AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, consumption.month,
       (consumption.amount * 0.000001)::numeric(20, 6) AS amount,
       (consumption.unallocated * 0.000001)::numeric(20, 6) AS unallocated, channel.unit,
       consumption.measured_us * 0.000001 AS measured_seconds, consumption.estimated_us * 0.000001 AS estimated_seconds,
       metering.seconds_between(month, (month + interval '1 month')::date, region.timezone)
           - (consumption.measured_us + consumption.estimated_us) * 0.000001 AS missing_seconds
FROM metering.consumption_month AS consumption
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN LATERAL (
    SELECT institution FROM metering.meter_version AS version WHERE version.meter = meter.meter
    ORDER BY (metering.local_midnight(consumption.month, 'UTC') + interval '1 month' > version.valid_from) DESC,
             version.valid_from DESC
    LIMIT 1
) AS version ON true
JOIN metering.institution ON institution.institution = version.institution
JOIN metering.region USING (region);
COMMENT ON VIEW meterwarden.consumption_month IS 'A meter that changed its institution shows under the one it had last in the month.';

-- every period as of its newest assessed day, with the evidence behind the level
CREATE VIEW meterwarden.quota_status AS
WITH latest AS (
    SELECT DISTINCT ON (institution, indicator, period_kind, period_start) *
    FROM metering.quota_level ORDER BY institution, indicator, period_kind, period_start, day DESC
)
SELECT institution.code AS institution, institution.name, latest.indicator, latest.period_kind, latest.period_start,
       latest.period_end, latest.day + 1 >= latest.period_end AS closed, latest.day AS as_of, latest.level,
       CASE WHEN latest.day + 1 < latest.period_end OR latest.level = 'not_assessable' THEN NULL
            WHEN latest.used <= latest.denominator * quota.guide_value * 1000000 THEN 'guide'
            WHEN latest.used <= latest.denominator * quota.benchmark_value * 1000000 THEN 'benchmark'
            WHEN latest.used <= latest.allowance THEN 'constraint'
            ELSE 'over' END AS rating,
       (latest.used * 0.000001)::numeric(20, 6) AS used, (latest.allowance * 0.000001)::numeric(20, 6) AS allowance,
       latest.unit, latest.used_ratio, latest.projected_ratio, latest.denominator,
       quota.quota, quota.standard, quota.edition, quota.table_no AS "table", quota.source, quota.confidence,
       coalesce(quota.sample, false) AS sample,
       CASE WHEN latest.expected_us > 0 THEN round(latest.measured_us::numeric / latest.expected_us, 6) ELSE 0 END
           AS measured_share,
       CASE WHEN latest.expected_us > 0 THEN round(latest.estimated_us::numeric / latest.expected_us, 6) ELSE 0 END
           AS estimated_share,
       CASE WHEN latest.expected_us > 0
            THEN round((latest.expected_us - latest.measured_us - latest.estimated_us)::numeric / latest.expected_us, 6)
            ELSE 1 END AS missing_share,
       latest.missing
FROM latest
JOIN metering.institution USING (institution)
LEFT JOIN metering.quota USING (quota);

CREATE VIEW meterwarden.quarantine AS
SELECT quarantine AS id, key, convert_from(topic, 'UTF8') AS topic, payload, qos, retain, received_at, stage, reason, detail,
       failing, wanted, resolved_at, resolution
FROM metering.quarantine;

CREATE VIEW meterwarden.event AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, event.kind, event.from_at,
       event.to_at, (event.amount * 0.000001)::numeric(20, 6) AS amount, channel.unit, event.evidence
FROM metering.channel_event AS event
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version
  ON version.meter = meter.meter AND event.to_at >= version.valid_from AND event.to_at < version.valid_to
JOIN metering.institution ON institution.institution = version.institution;

-- privileges: the writer changes rows, never structure, and no raw reading; the reader sees the views only
GRANT USAGE ON SCHEMA metering TO meterwarden_writer;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA metering TO meterwarden_writer;
GRANT UPDATE, DELETE ON metering.mark, metering.day_state, metering.consumption_hour, metering.consumption_day,
    metering.consumption_month, metering.consumption_year, metering.channel_event, metering.institution_day,
    metering.quota_level, metering.tick, metering.subscription, metering.quarantine, metering.region, metering.institution,
    metering.denominator, metering.meter_version, metering.charger, metering.quota, metering.factor, metering.registry_version
    TO meterwarden_writer;
GRANT USAGE ON SCHEMA meterwarden TO meterwarden_reader, meterwarden_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA meterwarden TO meterwarden_reader, meterwarden_writer;
GRANT SELECT ON public.meterwarden_migration TO meterwarden_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA metering TO meterwarden_writer, meterwarden_reader;
