-- What settlement derives. Every row can be rebuilt from readings and registry.
-- Amounts are integers in millionths of the unit (10^-6 kWh, 10^-6 m3): register thousandths times ratio thousandths, exact.
-- Times that a period was measured or estimated are microseconds; the rest of the period is missing.

-- the fold's state after the last reading of a local day; a mark restarts from the row before it
CREATE TABLE metering.day_state (
    channel             int         NOT NULL,
    day                 date        NOT NULL,
    anchor_us           bigint      NOT NULL,  -- instants inside the state are microseconds since 1970
    anchor_value        bigint      NOT NULL,
    suspects            bigint[]    NOT NULL,  -- instant, value, instant, value ...
    -- what is booked so far in the anchor's hour and in the anchor's day
    hour_amount         bigint      NOT NULL,
    hour_measured_us    bigint      NOT NULL,
    hour_estimated_us   bigint      NOT NULL,
    day_amount          bigint      NOT NULL,
    day_unallocated     bigint      NOT NULL,
    day_measured_us     bigint      NOT NULL,
    day_estimated_us    bigint      NOT NULL,
    month_amount        bigint      NOT NULL,
    month_measured_us   bigint      NOT NULL,
    month_estimated_us  bigint      NOT NULL,
    year_amount         bigint      NOT NULL,
    year_measured_us    bigint      NOT NULL,
    year_estimated_us   bigint      NOT NULL,
    PRIMARY KEY (channel, day)
);

CREATE TABLE metering.consumption_hour (
    channel       int         NOT NULL,
    hour          timestamptz NOT NULL,
    amount        bigint      NOT NULL,
    measured_us   bigint      NOT NULL,
    estimated_us  bigint      NOT NULL
);
SELECT create_hypertable('metering.consumption_hour', by_range('hour', INTERVAL '28 days'), create_default_indexes => false);
CREATE UNIQUE INDEX consumption_hour_key ON metering.consumption_hour (channel, hour);

-- A step that crosses a day's edge may be proved only by the month, one that crosses a month's edge only by the year.
-- The month_ and year_ columns say what such steps, ending on this day, add there: month = sum of days + sum of month_.
CREATE TABLE metering.consumption_day (
    channel             int    NOT NULL,
    day                 date   NOT NULL,
    amount              bigint NOT NULL,  -- sum of its hours + unallocated
    unallocated         bigint NOT NULL,
    measured_us         bigint NOT NULL,
    estimated_us        bigint NOT NULL,
    month_amount        bigint NOT NULL,
    month_measured_us   bigint NOT NULL,
    month_estimated_us  bigint NOT NULL,  -- negative: estimated in the days, measured in the month
    year_amount         bigint NOT NULL,
    year_measured_us    bigint NOT NULL,
    year_estimated_us   bigint NOT NULL,
    PRIMARY KEY (channel, day)
);

CREATE TABLE metering.consumption_month (
    channel            int    NOT NULL,
    month              date   NOT NULL,  -- its first day
    amount             bigint NOT NULL,  -- sum of its days + unallocated
    unallocated        bigint NOT NULL,
    measured_us        bigint NOT NULL,
    estimated_us       bigint NOT NULL,
    year_amount        bigint NOT NULL,
    year_measured_us   bigint NOT NULL,
    year_estimated_us  bigint NOT NULL,
    PRIMARY KEY (channel, month)
);

CREATE TABLE metering.consumption_year (
    channel       int    NOT NULL,
    year          date   NOT NULL,       -- its first day
    amount        bigint NOT NULL,       -- sum of its months + unallocated
    unallocated   bigint NOT NULL,
    measured_us   bigint NOT NULL,
    estimated_us  bigint NOT NULL,
    PRIMARY KEY (channel, year)
);

-- what was not an ordinary step: rollover, unexplained, dip, spike, unallocated ...
CREATE TABLE metering.channel_event (
    channel   int         NOT NULL,
    found_at  timestamptz NOT NULL,      -- read_at of the reading that showed it
    from_at   timestamptz NOT NULL,
    to_at     timestamptz NOT NULL,
    kind      text        NOT NULL,
    amount    bigint,                    -- what it booked; NULL: nothing can be said
    evidence  jsonb       NOT NULL,
    PRIMARY KEY (channel, found_at, from_at, kind)
);

-- sums over the main meters of an institution; missing counts the meters that are silent
CREATE TABLE metering.institution_day (
    institution         int    NOT NULL,
    medium              text   NOT NULL,
    day                 date   NOT NULL,
    amount              bigint NOT NULL,
    measured_us         bigint NOT NULL,
    estimated_us        bigint NOT NULL,
    expected_us         bigint NOT NULL,  -- length of the day times the number of main meters
    month_amount        bigint NOT NULL,
    month_measured_us   bigint NOT NULL,
    month_estimated_us  bigint NOT NULL,
    year_amount         bigint NOT NULL,
    year_measured_us    bigint NOT NULL,
    year_estimated_us   bigint NOT NULL,
    PRIMARY KEY (institution, medium, day)
);

-- one row a closed local day (and the running one): a fold over the days of the period, with its evidence
CREATE TABLE metering.quota_level (
    institution      int     NOT NULL,
    indicator        text    NOT NULL,
    period_kind      text    NOT NULL,
    period_start     date    NOT NULL,
    day              date    NOT NULL,
    period_end       date    NOT NULL,      -- exclusive
    level            text    NOT NULL,
    previous_level   text    NOT NULL,      -- differs from level where the day is a transition
    used             bigint  NOT NULL,      -- millionths, since the period began
    measured_us      bigint  NOT NULL,
    estimated_us     bigint  NOT NULL,
    expected_us      bigint  NOT NULL,
    unit             text    NOT NULL,      -- of the indicator
    allowance        numeric,               -- millionths, for the whole period; NULL: not assessable
    used_ratio       numeric,
    projected_ratio  numeric,
    quota            text,
    denominator      numeric,
    missing          text[]  NOT NULL,      -- what an assessment lacks
    PRIMARY KEY (institution, indicator, period_kind, period_start, day)
);
CREATE INDEX quota_level_latest ON metering.quota_level (period_kind, period_start, day);

-- local days whose end has been marked, so that a silent institution is assessed too
CREATE TABLE metering.tick (
    region  int  NOT NULL REFERENCES metering.region,
    day     date NOT NULL,
    PRIMARY KEY (region, day)
);

-- append-only: what people and systems were told
CREATE TABLE metering.notice (
    notice     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sent_at    timestamptz NOT NULL,
    topic      text        NOT NULL,
    statement  jsonb       NOT NULL
);
