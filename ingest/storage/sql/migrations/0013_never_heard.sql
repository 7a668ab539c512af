-- Since when a meter is known here: its grace before it is called never heard. Those known before this migration start anew.
ALTER TABLE metering.meter ADD COLUMN registered_at timestamptz NOT NULL DEFAULT now();

-- As before, but that a meter never heard cannot weigh more than all that was: what it passes is only guessed from its capacity.
CREATE OR REPLACE VIEW meterwarden.finding AS
SELECT finding.name AS finding, institution.code AS institution, meter.medium, meter.code AS meter, channel.register, finding.rule,
       finding.severity, CASE WHEN finding.found THEN finding.state ELSE 'withdrawn' END AS state, finding.from_day, finding.to_day,
       finding.days, (finding.impact * 0.000001)::numeric(20, 3) AS impact, channel.unit,
       CASE WHEN use.amount > 0 AND finding.rule = 'never_heard' THEN least(round(finding.impact / use.amount, 6), 1)
            WHEN use.amount > 0 THEN round(finding.impact / use.amount, 6) END AS impact_share,
       finding.evidence, finding.author, finding.reason, finding.state_at
FROM metering.finding
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN LATERAL (
    SELECT institution FROM metering.meter_version AS version WHERE version.meter = meter.meter
    ORDER BY (metering.local_midnight(finding.from_day, 'UTC') + interval '1 day' > version.valid_from) DESC,
             CASE WHEN metering.local_midnight(finding.from_day, 'UTC') + interval '1 day' > version.valid_from
                  THEN version.valid_from END DESC NULLS LAST, version.valid_from
    LIMIT 1
) AS version ON true
JOIN metering.institution ON institution.institution = version.institution
LEFT JOIN LATERAL (
    SELECT sum(day.amount + day.month_amount) AS amount FROM metering.institution_day AS day
    WHERE day.institution = institution.institution AND day.day > finding.to_day - 28 AND day.day <= finding.to_day
      AND day.medium = CASE meter.medium WHEN 'charger' THEN 'electricity' ELSE meter.medium END
) AS use ON true;
