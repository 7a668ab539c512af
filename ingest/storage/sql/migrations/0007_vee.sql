-- Validation of closed days: what is due, what rules need to know of a day, what they say of it, and findings for people.
-- Findings are derived and can be rebuilt; what people made of them (state and history) is theirs and is kept.

-- days of channels whose rows changed: one row a round and channel, no unique key on purpose (as with marks)
CREATE TABLE metering.vee_due (
    due        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel    int    NOT NULL,
    first_day  date   NOT NULL,
    last_day   date   NOT NULL
);
CREATE INDEX vee_due_channel ON metering.vee_due (channel);
-- what was settled before there were rules
INSERT INTO metering.vee_due (channel, first_day, last_day)
SELECT channel, min(day), max(day) FROM metering.consumption_day GROUP BY channel;

-- the last closed day of each region that has been put on the list for every channel: silent meters have no rows
CREATE TABLE metering.vee_tick (
    region  int  PRIMARY KEY REFERENCES metering.region,
    day     date NOT NULL
);

-- one channel on one closed local day, in some twenty numbers (ingest/metering/vee/digest.py); no row: nothing is known
CREATE TABLE metering.channel_digest (
    channel             int     NOT NULL,
    day                 date    NOT NULL,
    length_us           bigint  NOT NULL,
    amount              bigint  NOT NULL,
    unallocated         bigint  NOT NULL,
    measured_us         bigint  NOT NULL,
    estimated_us        bigint  NOT NULL,
    hours               int     NOT NULL,
    zero_hours          int     NOT NULL,
    hour_max            bigint,
    hour_third          bigint,
    hour_min            bigint,
    night_flow           bigint,
    readings            int     NOT NULL,
    "values"            int     NOT NULL,
    first_value         bigint,
    last_value          bigint,
    interval_median_us  bigint,
    interval_least_us   bigint,
    interval_most_us    bigint,
    lag_least_us        bigint,
    lag_most_us         bigint,
    still_us            bigint  NOT NULL,
    catch_up            bigint[],
    conflicts           int     NOT NULL,
    events              int     NOT NULL,
    jumps               jsonb   NOT NULL,
    PRIMARY KEY (channel, day)
);

-- what a rule says of one day; a function of the channel's digests of the 56 days before it and of the day itself
CREATE TABLE metering.vee_signal (
    channel   int    NOT NULL,
    rule      text   NOT NULL,
    day       date   NOT NULL,
    severity  text   NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    impact    bigint NOT NULL,   -- amount in doubt, in millionths of the register's unit
    evidence  jsonb  NOT NULL,
    PRIMARY KEY (channel, rule, day)
);

-- signals of days in a row
CREATE TABLE metering.finding (
    rule      text    NOT NULL,
    channel   int     NOT NULL,
    from_day  date    NOT NULL,
    to_day    date    NOT NULL,
    days      int     NOT NULL,  -- days with a signal between the two
    severity  text    NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    impact    bigint  NOT NULL,
    evidence  jsonb   NOT NULL,
    found     boolean NOT NULL DEFAULT true,  -- false: somebody dealt with it, and the rows no longer show it
    state     text    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'closed')),
    author    text,
    reason    text,
    state_at  timestamptz,
    -- what people call it: the same after a rebuild
    name      text    GENERATED ALWAYS AS
        (left(md5(rule || '/' || channel::text || '/' || (from_day - '2000-01-01'::date)::text), 12)) STORED,
    PRIMARY KEY (rule, channel, from_day)
);
CREATE INDEX finding_channel ON metering.finding (channel);
CREATE INDEX finding_name ON metering.finding (name text_pattern_ops);

-- append-only: what people did, and what became of findings that they had dealt with
CREATE TABLE metering.finding_history (
    entry        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule         text        NOT NULL,
    channel      int         NOT NULL,
    from_day     date        NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    change       text        NOT NULL CHECK (change IN ('acknowledged', 'closed', 'reopened', 'evidence', 'withdrawn', 'found_again')),
    author       text        NOT NULL,
    reason       text        NOT NULL,
    to_day       date        NOT NULL,  -- as it stood when this was written
    severity     text        NOT NULL,
    impact       bigint      NOT NULL,
    evidence     jsonb       NOT NULL
);
CREATE INDEX finding_history_finding ON metering.finding_history (rule, channel, from_day);

-- what adds up to what: tariff registers to their total, the meters behind a meter to it; check meters are never summed
CREATE VIEW metering.channel_part AS
SELECT total.channel AS whole, part.channel AS part, 'tariff' AS kind,
       '-infinity'::timestamptz AS valid_from, 'infinity'::timestamptz AS valid_to
FROM metering.channel AS total
JOIN metering.channel AS part ON part.meter = total.meter AND starts_with(part.register, 'energy_import_tariff_')
WHERE total.register = 'energy_import_kwh'
UNION ALL
SELECT whole.channel, part.channel, 'child', greatest(child.valid_from, parent.valid_from), least(child.valid_to, parent.valid_to)
FROM metering.meter_version AS child
JOIN metering.meter AS child_meter ON child_meter.meter = child.meter
JOIN metering.meter_version AS parent ON parent.institution = child.institution
 AND parent.valid_from < child.valid_to AND child.valid_from < parent.valid_to
JOIN metering.meter AS parent_meter ON parent_meter.meter = parent.meter
 AND parent_meter.medium = child_meter.medium AND parent_meter.code = child.parent
JOIN metering.channel AS whole ON whole.meter = parent.meter AND whole.register IN ('energy_import_kwh', 'volume_m3')
JOIN metering.channel AS part ON part.meter = child.meter AND part.register = whole.register
WHERE child.role <> 'check';

CREATE VIEW meterwarden.finding AS
SELECT finding.name AS finding, institution.code AS institution, meter.medium, meter.code AS meter, channel.register, finding.rule,
       finding.severity, CASE WHEN finding.found THEN finding.state ELSE 'withdrawn' END AS state, finding.from_day, finding.to_day,
       finding.days, (finding.impact * 0.000001)::numeric(20, 3) AS impact, channel.unit,
       CASE WHEN use.amount > 0 THEN round(finding.impact / use.amount, 6) END AS impact_share,
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
COMMENT ON VIEW meterwarden.finding IS
    'Every finding. impact_share: the amount in doubt over what the institution used in the four weeks up to its last day.';

CREATE VIEW meterwarden.finding_board AS
WITH placed AS (
    SELECT finding.*,
           row_number() OVER (PARTITION BY institution, rule
                              ORDER BY impact_share DESC NULLS LAST, impact DESC, to_day DESC, finding) AS place,
           count(*) OVER (PARTITION BY institution, rule) AS of_rule
    FROM meterwarden.finding WHERE state = 'open'
)
SELECT row_number() OVER (ORDER BY impact_share DESC NULLS LAST, severity <> 'critical', impact DESC, finding) AS rank,
       finding, institution, medium, meter, register, rule, severity, from_day, to_day, days, impact, unit, impact_share, evidence,
       CASE WHEN place = 3 THEN of_rule - 3 ELSE 0 END AS held_back
FROM placed WHERE place <= 3;
COMMENT ON VIEW meterwarden.finding_board IS
    'Open findings by impact_share, at most three of a rule and institution; held_back beside the third counts the rest.';

CREATE VIEW meterwarden.finding_history AS
SELECT finding.name AS finding, history.recorded_at, history.change, history.author, history.reason, history.to_day,
       history.severity, (history.impact * 0.000001)::numeric(20, 3) AS impact, history.evidence
FROM metering.finding_history AS history JOIN metering.finding USING (rule, channel, from_day);

GRANT SELECT, INSERT ON metering.vee_due, metering.vee_tick, metering.channel_digest, metering.vee_signal, metering.finding,
    metering.finding_history, metering.channel_part TO meterwarden_writer;
GRANT UPDATE, DELETE ON metering.vee_due, metering.vee_tick, metering.channel_digest, metering.vee_signal, metering.finding
    TO meterwarden_writer;
GRANT SELECT ON meterwarden.finding, meterwarden.finding_board, meterwarden.finding_history TO meterwarden_reader, meterwarden_writer;
