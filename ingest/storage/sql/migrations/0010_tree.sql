-- Meters as trees: virtual meters, what flows back from a roof, what hangs behind whom, what indicators leave out.

-- a meter made of others; the formula is checked where it is imported (ingest/metering/formula.py)
CREATE TABLE metering.virtual_meter (
    institution  int  NOT NULL REFERENCES metering.institution,
    medium       text NOT NULL CHECK (medium IN ('electricity', 'water', 'charger')),
    code         text NOT NULL,
    formula      text NOT NULL,
    role         text NOT NULL CHECK (role IN ('main', 'branch', 'sub')),
    parent       text,
    sub_item     text,
    valid_from   date NOT NULL,
    valid_to     date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (institution, medium, code, valid_from),
    CHECK (valid_from < valid_to)
);

-- whether an institution's total takes off what its main meters fed back; no row: gross
CREATE TABLE metering.pv_rule (
    institution  int  NOT NULL REFERENCES metering.institution,
    rule         text NOT NULL CHECK (rule IN ('net', 'gross')),
    valid_from   date NOT NULL,
    valid_to     date NOT NULL DEFAULT 'infinity',
    source       text NOT NULL CHECK (source <> ''),
    PRIMARY KEY (institution, valid_from),
    CHECK (valid_from < valid_to)
);

ALTER TABLE metering.quota ADD COLUMN excludes text NOT NULL DEFAULT '';  -- such as D1;charger

-- What is summed of the registers of an institution, and when: made from the registry at import (ingest/metering/sums.py says of
-- what kinds), so that totals, gaps, sub-items, virtual meters and exclusions are one plain weighted sum over days.
CREATE TABLE metering.sum_term (
    institution  int      NOT NULL,
    kind         text     NOT NULL CHECK (kind IN ('total', 'gap', 'sub_item', 'virtual', 'excluded')),
    medium       text     NOT NULL,
    name         text     NOT NULL,
    part         text     NOT NULL,
    first_day    date     NOT NULL,
    until_day    date     NOT NULL,       -- exclusive
    channel      int      NOT NULL,
    coefficient  int      NOT NULL,       -- 0: must be known, though it cancels out
    parts        int      NOT NULL,       -- how many channels this sum has in these days
    PRIMARY KEY (institution, kind, medium, name, part, first_day, channel)
);

-- the first local day that begins at or after an instant: what holds as a day begins holds for the day
CREATE FUNCTION metering.first_day(at timestamptz, timezone text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ((at AT TIME ZONE timezone) - interval '1 microsecond')::date + 1;

-- a registry imported before: its main meters; the next import adds the rest
INSERT INTO metering.sum_term
SELECT version.institution, 'total', meter.medium, meter.code, '', metering.first_day(version.valid_from, region.timezone),
       metering.first_day(version.valid_to, region.timezone), channel.channel, 1, 1
FROM metering.meter_version AS version
JOIN metering.meter USING (meter)
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
JOIN metering.channel ON channel.meter = meter.meter
 AND channel.register = CASE meter.medium WHEN 'water' THEN 'volume_m3' ELSE 'energy_import_kwh' END
WHERE version.role = 'main'
  AND metering.first_day(version.valid_from, region.timezone) < metering.first_day(version.valid_to, region.timezone);

-- what a verdict left out, by exclusion; how long what is taken off was known, and how long it should have been: as long as the main
-- meters were
ALTER TABLE metering.quota_level
    ADD COLUMN excluded             jsonb  NOT NULL DEFAULT '{}',  -- exclusion -> [millionths, days on which it was metered]
    ADD COLUMN deducted_us          bigint NOT NULL DEFAULT 0,
    ADD COLUMN deducted_expected_us bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW meterwarden.quota_status AS
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
       latest.missing, coalesce(quota.excludes, '') AS excludes,
       (SELECT coalesce(jsonb_object_agg(left_out.key, jsonb_build_object(
                   'amount', ((left_out.value ->> 0)::numeric * 0.000001)::numeric(20, 6), 'metered_days', left_out.value -> 1)),
               '{}')
        FROM jsonb_each(latest.excluded) AS left_out) AS excluded,
       CASE WHEN latest.deducted_expected_us > 0
            THEN round(latest.deducted_us::numeric / latest.deducted_expected_us, 6) END AS deducted_known_share
FROM latest
JOIN metering.institution USING (institution)
LEFT JOIN metering.quota USING (quota);
COMMENT ON VIEW meterwarden.quota_status IS
    'used is after exclusions; excluded: what was left out, and on how many days it was metered by itself (0: it was not)';

-- Views, not rows: a weighted sum of days that are rows already is exact by itself, cannot be stale, and costs as many index
-- look-ups as the meter has parts.
CREATE VIEW metering.sum_day AS
SELECT institution.code AS institution, term.kind, term.medium, term.name, consumption.day,
       metering.seconds_between(consumption.day, consumption.day + 1, region.timezone) AS seconds, max(term.parts) AS parts,
       sum(term.coefficient * consumption.amount) AS amount,
       CASE WHEN count(*) < max(term.parts) THEN 0 ELSE min(consumption.measured_us) END AS measured_us,
       CASE WHEN count(*) < max(term.parts) THEN 0 ELSE min(consumption.measured_us + consumption.estimated_us) END AS known_us,
       sum(consumption.measured_us) AS sum_measured_us, sum(consumption.measured_us + consumption.estimated_us) AS sum_known_us
FROM metering.sum_term AS term
JOIN metering.institution USING (institution)
JOIN metering.region USING (region)
JOIN metering.consumption_day AS consumption
  ON consumption.channel = term.channel AND consumption.day >= term.first_day AND consumption.day < term.until_day
WHERE term.kind IN ('virtual', 'gap', 'sub_item')
GROUP BY institution.code, region.timezone, term.kind, term.medium, term.name, consumption.day;

-- a month is judged as a month: what its days had to estimate may be proved by now; parts of it with different sums are added
CREATE VIEW metering.sum_month AS
SELECT institution, kind, medium, name, month,
       sum(metering.seconds_between(greatest(first_day, month), least(until_day, (month + interval '1 month')::date), timezone))
           AS seconds,
       sum(metering.seconds_between(greatest(first_day, month), least(until_day, (month + interval '1 month')::date), timezone)
           * parts) AS parts_seconds,
       sum(amount) AS amount, sum(measured_us) AS measured_us, sum(known_us) AS known_us,
       sum(sum_measured_us) AS sum_measured_us, sum(sum_known_us) AS sum_known_us
FROM (
    SELECT institution, timezone, kind, medium, name, first_day, until_day, month, max(parts) AS parts,
           sum(coefficient * amount) AS amount,
           CASE WHEN count(*) < max(parts) THEN 0 ELSE min(measured_us) END AS measured_us,
           CASE WHEN count(*) < max(parts) THEN 0 ELSE min(known_us) END AS known_us,
           sum(measured_us) AS sum_measured_us, sum(known_us) AS sum_known_us
    FROM (
        SELECT institution.code AS institution, region.timezone, term.kind, term.medium, term.name, term.first_day, term.until_day,
               date_trunc('month', consumption.day::timestamp)::date AS month, term.coefficient, term.parts,
               sum(consumption.amount + consumption.month_amount) AS amount,
               sum(consumption.measured_us + consumption.month_measured_us) AS measured_us,
               sum(consumption.measured_us + consumption.month_measured_us
                   + consumption.estimated_us + consumption.month_estimated_us) AS known_us
        FROM metering.sum_term AS term
        JOIN metering.institution USING (institution)
        JOIN metering.region USING (region)
        JOIN metering.consumption_day AS consumption
          ON consumption.channel = term.channel AND consumption.day >= term.first_day AND consumption.day < term.until_day
        WHERE term.kind IN ('virtual', 'gap', 'sub_item')
        GROUP BY institution.code, region.timezone, term.kind, term.medium, term.name, term.first_day, term.until_day,
                 date_trunc('month', consumption.day::timestamp)::date, term.channel, term.coefficient, term.parts
    ) AS by_channel
    GROUP BY institution, timezone, kind, medium, name, first_day, until_day, month
) AS by_span
GROUP BY institution, kind, medium, name, month;

CREATE VIEW meterwarden.virtual_day AS
SELECT institution, medium, name AS meter, day, CASE WHEN known_us > 0 THEN (amount * 0.000001)::numeric(20, 6) END AS amount,
       CASE medium WHEN 'water' THEN 'm3' ELSE 'kWh' END AS unit, measured_us * 0.000001 AS measured_seconds,
       (known_us - measured_us) * 0.000001 AS estimated_seconds, seconds - known_us * 0.000001 AS missing_seconds
FROM metering.sum_day WHERE kind = 'virtual';
COMMENT ON VIEW meterwarden.virtual_day IS
    'Virtual meters; known no longer than the part known shortest, and no amount where one of its parts is missing all day.';

CREATE VIEW meterwarden.virtual_month AS
SELECT institution, medium, name AS meter, month, CASE WHEN known_us > 0 THEN (amount * 0.000001)::numeric(20, 6) END AS amount,
       CASE medium WHEN 'water' THEN 'm3' ELSE 'kWh' END AS unit, measured_us * 0.000001 AS measured_seconds,
       (known_us - measured_us) * 0.000001 AS estimated_seconds, seconds - known_us * 0.000001 AS missing_seconds
FROM metering.sum_month WHERE kind = 'virtual';

CREATE VIEW meterwarden.gap_day AS
SELECT institution, medium, name AS meter, day, CASE WHEN known_us > 0 THEN (amount * 0.000001)::numeric(20, 6) END AS amount,
       CASE medium WHEN 'water' THEN 'm3' ELSE 'kWh' END AS unit, measured_us * 0.000001 AS measured_seconds,
       (known_us - measured_us) * 0.000001 AS estimated_seconds, seconds - known_us * 0.000001 AS missing_seconds
FROM metering.sum_day WHERE kind = 'gap';
COMMENT ON VIEW meterwarden.gap_day IS
    'A meter less the branch and sub meters right behind it (never check meters): losses, and what is not metered further.';

CREATE VIEW meterwarden.gap_month AS
SELECT institution, medium, name AS meter, month, CASE WHEN known_us > 0 THEN (amount * 0.000001)::numeric(20, 6) END AS amount,
       CASE medium WHEN 'water' THEN 'm3' ELSE 'kWh' END AS unit, measured_us * 0.000001 AS measured_seconds,
       (known_us - measured_us) * 0.000001 AS estimated_seconds, seconds - known_us * 0.000001 AS missing_seconds
FROM metering.sum_month WHERE kind = 'gap';

CREATE VIEW meterwarden.sub_item_day AS
SELECT institution, day, coalesce(nullif(left(name, 1), ''), 'rest') AS item, coalesce(nullif(name, ''), 'rest') AS sub_item,
       (amount * 0.000001)::numeric(20, 6) AS amount, 'kWh' AS unit,
       round(sum_measured_us * 0.000001 / (seconds * parts), 6) AS measured_share,
       round((sum_known_us - sum_measured_us) * 0.000001 / (seconds * parts), 6) AS estimated_share,
       round(1 - sum_known_us * 0.000001 / (seconds * parts), 6) AS missing_share
FROM metering.sum_day WHERE kind = 'sub_item';
COMMENT ON VIEW meterwarden.sub_item_day IS
    'Each kWh where the lowest meter saw it; with rest, which no meter with a sub-item saw, they add up to the main meters.';

CREATE VIEW meterwarden.sub_item_month AS
SELECT institution, month, coalesce(nullif(left(name, 1), ''), 'rest') AS item, coalesce(nullif(name, ''), 'rest') AS sub_item,
       (amount * 0.000001)::numeric(20, 6) AS amount, 'kWh' AS unit,
       round(sum_measured_us * 0.000001 / parts_seconds, 6) AS measured_share,
       round((sum_known_us - sum_measured_us) * 0.000001 / parts_seconds, 6) AS estimated_share,
       round(1 - sum_known_us * 0.000001 / parts_seconds, 6) AS missing_share
FROM metering.sum_month WHERE kind = 'sub_item';

GRANT SELECT, INSERT, UPDATE, DELETE ON metering.virtual_meter, metering.pv_rule, metering.sum_term TO meterwarden_writer;
GRANT SELECT ON meterwarden.virtual_day, meterwarden.virtual_month, meterwarden.gap_day, meterwarden.gap_month,
    meterwarden.sub_item_day, meterwarden.sub_item_month TO meterwarden_reader, meterwarden_writer;
GRANT EXECUTE ON FUNCTION metering.first_day TO meterwarden_writer, meterwarden_reader;
