-- A period is closed once its last day is: an exceedance is a row of the running day already, and that day's was taken for a closed
-- period's, with a rating, while there were hours left of it. Which days are closed is the settler's to say: it ticks them.
--
-- And the newest day of each institution's periods is found along the key whatever the statistics say: by rows, not by equal columns.
-- While a city's first days are written nobody has counted them yet, and the planner looked through the index of periods, all
-- institutions of it for each one.

CREATE OR REPLACE VIEW meterwarden.quota_status AS
SELECT institution.code AS institution, institution.name, period.indicator, period.period_kind, period.period_start,
       latest.period_end, ended.closed, latest.day AS as_of, latest.level,
       CASE WHEN NOT ended.closed OR latest.level = 'not_assessable' THEN NULL
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
FROM metering.institution
CROSS JOIN metering.quota_period AS period
CROSS JOIN LATERAL (
    SELECT * FROM metering.quota_level AS level
    WHERE (level.institution, level.indicator, level.period_kind, level.period_start)
          <= (institution.institution, period.indicator, period.period_kind, period.period_start)
      AND (level.institution, level.indicator, level.period_kind, level.period_start)
          >= (institution.institution, period.indicator, period.period_kind, period.period_start)
    ORDER BY level.institution DESC, level.indicator DESC, level.period_kind DESC, level.period_start DESC, level.day DESC LIMIT 1
) AS latest
CROSS JOIN LATERAL (
    SELECT latest.day + 1 >= latest.period_end
       AND EXISTS (SELECT FROM metering.tick WHERE tick.region = institution.region AND tick.day >= latest.day) AS closed
) AS ended
LEFT JOIN metering.quota ON quota.quota = latest.quota;
