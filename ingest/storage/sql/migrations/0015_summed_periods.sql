-- Months and years of a channel are sums of its days, exactly: they are summed when asked for, a month from 31 rows by the days' key.
-- Kept as tables, each was written anew in every round of settlement. A view goes from its channels to their periods to the days of
-- each, so that whoever asks for an institution or a month reads those days only.

DROP VIEW meterwarden.charging_month, meterwarden.consumption_month;
DROP TABLE metering.consumption_month, metering.consumption_year;

CREATE VIEW meterwarden.consumption_month AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, period.month,
       (summed.amount * 0.000001)::numeric(20, 6) AS amount,
       (summed.unallocated * 0.000001)::numeric(20, 6) AS unallocated, channel.unit,
       summed.measured_us * 0.000001 AS measured_seconds, summed.estimated_us * 0.000001 AS estimated_seconds,
       metering.seconds_between(period.month, period.until, region.timezone)
           - (summed.measured_us + summed.estimated_us) * 0.000001 AS missing_seconds
FROM metering.institution
JOIN metering.region USING (region)
JOIN metering.meter_version AS version USING (institution)
JOIN metering.meter USING (meter)
JOIN metering.channel USING (meter)
CROSS JOIN LATERAL (
    SELECT min(day.day)::timestamp AS first, max(day.day)::timestamp AS last
    FROM metering.consumption_day AS day WHERE day.channel = channel.channel
) AS span
CROSS JOIN LATERAL generate_series(date_trunc('month', span.first), span.last, interval '1 month') AS begin (at)
CROSS JOIN LATERAL (SELECT begin.at::date AS month, (begin.at + interval '1 month')::date AS until) AS period
CROSS JOIN LATERAL (
    SELECT sum(day.amount + day.month_amount)::bigint AS amount,
           sum(day.month_amount)::bigint AS unallocated,
           sum(day.measured_us + day.month_measured_us)::bigint AS measured_us,
           sum(day.estimated_us + day.month_estimated_us)::bigint AS estimated_us
    FROM metering.consumption_day AS day
    WHERE day.channel = channel.channel AND day.day >= period.month AND day.day < period.until
    HAVING count(*) > 0
) AS summed
WHERE version.valid_from = (
    SELECT coalesce(max(other.valid_from) FILTER (WHERE other.valid_from < metering.local_midnight(period.until, region.timezone)),
                    min(other.valid_from))
    FROM metering.meter_version AS other WHERE other.meter = version.meter
);
COMMENT ON VIEW meterwarden.consumption_month IS 'A meter that changed its institution shows under the one it had last in the month.';

CREATE VIEW meterwarden.consumption_year AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, period.year,
       (summed.amount * 0.000001)::numeric(20, 6) AS amount,
       (summed.unallocated * 0.000001)::numeric(20, 6) AS unallocated, channel.unit,
       summed.measured_us * 0.000001 AS measured_seconds, summed.estimated_us * 0.000001 AS estimated_seconds,
       metering.seconds_between(period.year, period.until, region.timezone)
           - (summed.measured_us + summed.estimated_us) * 0.000001 AS missing_seconds
FROM metering.institution
JOIN metering.region USING (region)
JOIN metering.meter_version AS version USING (institution)
JOIN metering.meter USING (meter)
JOIN metering.channel USING (meter)
CROSS JOIN LATERAL (
    SELECT min(day.day)::timestamp AS first, max(day.day)::timestamp AS last
    FROM metering.consumption_day AS day WHERE day.channel = channel.channel
) AS span
CROSS JOIN LATERAL generate_series(date_trunc('year', span.first), span.last, interval '1 year') AS begin (at)
CROSS JOIN LATERAL (SELECT begin.at::date AS year, (begin.at + interval '1 year')::date AS until) AS period
CROSS JOIN LATERAL (
    SELECT sum(day.amount + day.month_amount + day.year_amount)::bigint AS amount,
           sum(day.year_amount)::bigint AS unallocated,
           sum(day.measured_us + day.month_measured_us + day.year_measured_us)::bigint AS measured_us,
           sum(day.estimated_us + day.month_estimated_us + day.year_estimated_us)::bigint AS estimated_us
    FROM metering.consumption_day AS day
    WHERE day.channel = channel.channel AND day.day >= period.year AND day.day < period.until
    HAVING count(*) > 0
) AS summed
WHERE version.valid_from = (
    SELECT coalesce(max(other.valid_from) FILTER (WHERE other.valid_from < metering.local_midnight(period.until, region.timezone)),
                    min(other.valid_from))
    FROM metering.meter_version AS other WHERE other.meter = version.meter
);
COMMENT ON VIEW meterwarden.consumption_year IS 'A meter that changed its institution shows under the one it had last in the year.';

CREATE VIEW meterwarden.charging_month AS
SELECT place.institution_code AS institution, period.month, place.access, place.supply, count(*) AS chargers,
       (sum(summed.amount) * 0.000001)::numeric(20, 6) AS energy_kwh,
       sum(charged.sessions) AS sessions, sum(charged.billable) AS billable_sessions,
       (sum(charged.energy) * 0.000001)::numeric(20, 6) AS billable_kwh
FROM metering.charger_place AS place
CROSS JOIN LATERAL (
    SELECT min(day.day)::timestamp AS first, max(day.day)::timestamp AS last
    FROM metering.consumption_day AS day WHERE day.channel = place.channel
) AS span
CROSS JOIN LATERAL generate_series(date_trunc('month', span.first), span.last, interval '1 month') AS begin (at)
CROSS JOIN LATERAL (SELECT begin.at::date AS month, (begin.at + interval '1 month')::date AS until) AS period
CROSS JOIN LATERAL (
    SELECT sum(day.amount + day.month_amount)::bigint AS amount
    FROM metering.consumption_day AS day
    WHERE day.channel = place.channel AND day.day >= period.month AND day.day < period.until
    HAVING count(*) > 0
) AS summed
CROSS JOIN LATERAL (
    SELECT count(*) AS sessions, count(*) FILTER (WHERE billable) AS billable,
           coalesce(sum(energy) FILTER (WHERE billable), 0) AS energy
    FROM metering.charging_session AS session
    WHERE session.meter = place.meter
      AND session.started_at >= metering.local_midnight(period.month, place.timezone)
      AND session.started_at < metering.local_midnight(period.until, place.timezone)
) AS charged
GROUP BY place.institution_code, period.month, place.access, place.supply;
COMMENT ON VIEW meterwarden.charging_month IS
    'Charging by local month, own fleet against public, DC against AC: what the registers say, and the sessions that may be billed.';

GRANT SELECT ON meterwarden.consumption_month, meterwarden.consumption_year, meterwarden.charging_month
    TO meterwarden_reader, meterwarden_writer;
