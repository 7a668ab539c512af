-- What dashboards need beside the views there are: who the institutions are and whose days they count by, what they used by day and
-- month, and how each level came about.

CREATE VIEW meterwarden.institution AS
SELECT institution.code AS institution, institution.name, region.code AS region, region.name AS region_name, region.timezone,
       institution.class, institution.sub_class, institution.climate_zone, institution.heating_type
FROM metering.institution
JOIN metering.region USING (region);
COMMENT ON VIEW meterwarden.institution IS 'Institutions as registered now; days, months and years are those of timezone.';

-- seconds are sums over the main meters, so that shares of several days or institutions are shares of sums
CREATE VIEW meterwarden.institution_day AS
SELECT institution.code AS institution, total.medium, total.day, (total.amount * 0.000001)::numeric(20, 6) AS amount,
       CASE total.medium WHEN 'water' THEN 'm3' ELSE 'kWh' END AS unit,
       total.expected_us * 0.000001 AS expected_seconds, total.measured_us * 0.000001 AS measured_seconds,
       total.estimated_us * 0.000001 AS estimated_seconds,
       (total.expected_us - total.measured_us - total.estimated_us) * 0.000001 AS missing_seconds
FROM metering.institution_day AS total
JOIN metering.institution USING (institution);
COMMENT ON VIEW meterwarden.institution_day IS
    'Totals of the main meters by local day. No expected seconds: no main meter was registered that day.';

CREATE VIEW meterwarden.institution_month AS
SELECT institution.code AS institution, total.medium, date_trunc('month', total.day::timestamp)::date AS month,
       (sum(total.amount + total.month_amount) * 0.000001)::numeric(20, 6) AS amount,
       CASE total.medium WHEN 'water' THEN 'm3' ELSE 'kWh' END AS unit,
       sum(total.expected_us) * 0.000001 AS expected_seconds,
       sum(total.measured_us + total.month_measured_us) * 0.000001 AS measured_seconds,
       sum(total.estimated_us + total.month_estimated_us) * 0.000001 AS estimated_seconds,
       sum(total.expected_us - total.measured_us - total.month_measured_us - total.estimated_us - total.month_estimated_us) * 0.000001
           AS missing_seconds
FROM metering.institution_day AS total
JOIN metering.institution USING (institution)
GROUP BY institution.code, total.medium, date_trunc('month', total.day::timestamp)::date;
COMMENT ON VIEW meterwarden.institution_month IS
    'Totals of the main meters by local month, as far as its days have rows; what only the month can prove is in it.';

CREATE VIEW meterwarden.quota_day AS
SELECT institution.code AS institution, level.indicator, level.period_kind, level.period_start, level.period_end, level.day,
       level.level, level.previous_level, (level.used * 0.000001)::numeric(20, 6) AS used,
       (level.allowance * 0.000001)::numeric(20, 6) AS allowance, level.unit, level.used_ratio, level.projected_ratio,
       CASE WHEN level.expected_us > 0
            THEN round((level.expected_us - level.measured_us - level.estimated_us)::numeric / level.expected_us, 6)
            ELSE 1 END AS missing_share,
       level.missing
FROM metering.quota_level AS level
JOIN metering.institution USING (institution);
COMMENT ON VIEW meterwarden.quota_day IS
    'How an institution stood on each day of a period; previous_level differs where the day was a transition.';

GRANT SELECT ON meterwarden.institution, meterwarden.institution_day, meterwarden.institution_month, meterwarden.quota_day
    TO meterwarden_reader, meterwarden_writer;
